package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ltsworker")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := redisserver.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// binary builds the program once and returns its path.
func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		built.path = filepath.Join(built.dir, "ltsworker")
		out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", built.path, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
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
		u.link = filepath.Join(u.t.TempDir(), "ltsworker")
		if err := os.Link(binary(u.t), u.link); err != nil {
			u.t.Fatal(err)
		}
	}
	return u.link
}

// answer is the result of a command.
type answer struct {
	code     int
	out, err string
}

// patience bounds every wait of these tests. No wait takes nearly as long.
const patience = 60 * time.Second

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

// until waits until a condition holds. It polls: the condition is about other processes.
func (u *user) until(what string, holds func() bool) {
	u.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			u.t.Fatalf("timed out: %s", what)
		}
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
