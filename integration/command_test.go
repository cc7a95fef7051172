package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// built is the operator's binary, built for the first test that needs it.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "ltsworker")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ltsworker")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/ltsworker/ltsworker/cmd/ltsworker").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.ReadFile(path)
})

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
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	c := command{t: t, dir: t.TempDir(), env: env}
	c.path = filepath.Join(c.dir, "ltsworker")
	if err := os.WriteFile(c.path, program, 0o755); err != nil {
		t.Fatal(err)
	}
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
