package integration

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/program"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// command is a copy of the operator's binary with its environment.
type command struct {
	t    testing.TB
	path string
	dir  string
	env  []string // added to that of the test, without its LTS_ variables
}

// newCommand puts the binary into a new folder.
func newCommand(t testing.TB, env ...string) command {
	t.Helper()
	c := command{t: t, dir: t.TempDir(), env: env}
	c.path = program.In(t, c.dir)
	return c
}

func (c command) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o700); err != nil {
		c.t.Fatal(err)
	}
}

func (c command) prepare(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = c.dir
	cmd.WaitDelay = patience // a process that it has started may hold its output open
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LTS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, c.env...)
	return cmd
}

// run runs a command to its end and returns its output and its exit code.
func (c command) run(args ...string) (string, int) {
	c.t.Helper()
	out, errOut, code := c.split(args...)
	return out + errOut, code
}

// split is run with standard output and standard error separate.
func (c command) split(args ...string) (string, string, int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := c.prepare(ctx, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("%v: %v", args, err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// start runs a command until the test ends. Its output goes to log.
func (c command) start(log *diary, args ...string) *exec.Cmd {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := c.prepare(ctx, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		cancel()
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	return cmd
}

// poolOn returns a client of the site's pool on a server of the test.
func (s *site) poolOn(server *redisserver.Server) *pool.Pool {
	s.t.Helper()
	st := redisstore.New(server.Client(s.t), s.name)
	s.t.Cleanup(func() { _ = st.Close() })
	p, err := pool.New(st, pool.Config{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}
