//go:build unix

package command

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// waitTimeout bounds waits for events that happen at once on a healthy machine.
const waitTimeout = 30 * time.Second

// replicaScript is the variable that makes this test binary a replica with one shell
// script.
const replicaScript = "COMMAND_TEST_REPLICA_SCRIPT"

// replicaUmask is the variable with the umask of that script.
const replicaUmask = "COMMAND_TEST_REPLICA_UMASK"

func TestMain(m *testing.M) {
	if script, ok := os.LookupEnv(replicaScript); ok {
		h, err := New(Config{Command: []string{"sh", "-c", script}, Umask: os.Getenv(replicaUmask), Pool: "test"})
		if err == nil {
			_, err = h(context.Background(), newTask(""))
		}
		fmt.Fprintln(os.Stderr, "replica:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func newTask(payload string) *task.Task {
	return &task.Task{
		Spec:    task.Spec{ID: "t-1", Kind: "video.cut", Queue: "slow", Payload: []byte(payload)},
		Attempt: 7,
		Fence:   4711,
	}
}

// attempt is one run of a command.
type attempt struct {
	result, log []byte
	progress    string
	err         error
}

func runConfig(t *testing.T, cfg Config, payload string) attempt {
	t.Helper()
	return <-startConfig(t, t.Context(), cfg, payload)
}

func runScript(t *testing.T, script, payload string) attempt {
	t.Helper()
	return runConfig(t, shell(script), payload)
}

func startConfig(t *testing.T, ctx context.Context, cfg Config, payload string) <-chan attempt {
	t.Helper()
	r, err := newRunner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan attempt, 1)
	go func() {
		tk := newTask(payload)
		result, err := r.handle(ctx, tk)
		done <- attempt{result: result, log: []byte(tk.Log), progress: string(tk.Progress), err: err}
	}()
	return done
}

func shell(script string) Config {
	return Config{Command: []string{"sh", "-c", script}, Pool: "media"}
}

// fifo is a named pipe to which scripts write. It ends when the last process that has
// it open for writing has ended.
type fifo struct {
	path  string
	lines chan string
}

func newFifo(t *testing.T) *fifo {
	t.Helper()
	f := &fifo{path: filepath.Join(t.TempDir(), "fifo"), lines: make(chan string, 100)}
	if err := syscall.Mkfifo(f.path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.lines)
		r, err := os.Open(f.path)
		if err != nil {
			return
		}
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			f.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { // unblocks a reader without a writer
		if w, err := os.OpenFile(f.path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			w.Close()
		}
	})
	return f
}

func (f *fifo) line(t *testing.T) string {
	t.Helper()
	select {
	case s, ok := <-f.lines:
		if !ok {
			t.Fatal("the writers ended without writing a line")
		}
		return s
	case <-time.After(waitTimeout):
		t.Fatal("no line was written")
	}
	return ""
}

// gone waits until no process has the fifo open for writing.
func (f *fifo) gone(t *testing.T) {
	t.Helper()
	for late := time.After(waitTimeout); ; {
		select {
		case _, ok := <-f.lines:
			if !ok {
				return
			}
		case <-late:
			t.Fatal("a process of the command is still alive")
		}
	}
}

// input is a named pipe from which scripts read.
type input struct {
	path string
}

func newInput(t *testing.T) *input {
	t.Helper()
	in := &input{path: filepath.Join(t.TempDir(), "input")}
	if err := syscall.Mkfifo(in.path, 0o600); err != nil {
		t.Fatal(err)
	}
	return in
}

// write sends s to the script that reads the pipe, now or later.
func (in *input) write(s string) {
	go func() { _ = os.WriteFile(in.path, []byte(s), 0) }()
}

func finish(t *testing.T, done <-chan attempt) attempt {
	t.Helper()
	select {
	case a := <-done:
		return a
	case <-time.After(waitTimeout):
		t.Fatal("the handler did not return")
	}
	return attempt{}
}
