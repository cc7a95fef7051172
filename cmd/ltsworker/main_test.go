package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/program"
	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestMain(m *testing.M) {
	os.Exit(program.Main(func() int { return redisserver.Main(m) }))
}

// user runs the binary in a directory and with a pool of its own.
type user struct {
	t    testing.TB
	env  []string
	dir  string
	pool string
	addr string
	link string // the user's own path of the binary, set by binary
}

// newUser returns a user with a new pool in the shared Redis.
func newUser(t testing.TB) *user {
	s := redisserver.Shared(t)
	u := &user{t: t, dir: t.TempDir(), pool: "p" + strings.ReplaceAll(strings.ToLower(t.Name()), "/", "_"), addr: s.Addr()}
	u.env = []string{"LTS_REDIS=redis://" + s.Addr() + "/0", "LTS_POOL=" + u.pool}
	return u
}

// ownServer gives the user a Redis that no other test uses.
func (u *user) ownServer() *redisserver.Server {
	u.t.Helper()
	s := redisserver.Start(u.t)
	u.addr = s.Addr()
	u.env = []string{"LTS_REDIS=redis://" + s.Addr() + "/0", "LTS_POOL=" + u.pool}
	return s
}

// stranger is a user without Redis.
func stranger(t testing.TB) *user { return &user{t: t, dir: t.TempDir()} }

// binary returns a path of the program that no other user has, so that its processes can be
// distinguished from those of tests that run at the same time.
func (u *user) binary() string {
	u.t.Helper()
	if u.link == "" {
		u.link = program.In(u.t, u.t.TempDir())
	}
	return u.link
}

// answer is the result of a command.
type answer struct {
	code     int
	out, err string
}

// patience bounds every wait of these tests, and the life of each process. On a busy machine, a test whose replica runs until
// its end takes a minute.
const patience = 3 * time.Minute

func (u *user) command(args ...string) *exec.Cmd {
	u.t.Helper()
	path := u.binary() // the first call builds it, which may take longer than patience
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	u.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = u.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LTS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, u.env...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a command to its end.
func (u *user) run(args ...string) answer {
	u.t.Helper()
	return u.pipe("", args...)
}

// pipe runs a command with text on its standard input.
func (u *user) pipe(stdin string, args ...string) answer {
	u.t.Helper()
	cmd := u.command(args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatalf("%v: %v", args, err)
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// must runs a command that must succeed, and returns its output.
func (u *user) must(args ...string) string {
	u.t.Helper()
	a := u.run(args...)
	if a.code != 0 {
		u.t.Fatalf("%v: exit code %d\n%s%s", args, a.code, a.out, a.err)
	}
	return a.out
}

// until waits until a condition holds. It polls: the condition is about other processes. The
// pauses become longer, because most conditions start a process.
func (u *user) until(what string, holds func() bool) {
	u.t.Helper()
	pause := 10 * time.Millisecond
	for deadline := time.Now().Add(patience); !holds(); pause = min(2*pause, 200*time.Millisecond) {
		if time.Now().After(deadline) {
			u.t.Fatalf("timed out: %s", what)
		}
		time.Sleep(pause) // polls another process
	}
}

// decodeLines reads one JSON value per line.
func decodeLines[T any](t testing.TB, out string) []T {
	t.Helper()
	var all []T
	dec := json.NewDecoder(strings.NewReader(out))
	for {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("not JSON: %v\n%s", err, out)
		}
		all = append(all, v)
	}
}

// write puts a file into the user's directory.
func (u *user) write(name, content string, mode os.FileMode) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(content), mode); err != nil {
		u.t.Fatal(err)
	}
}
