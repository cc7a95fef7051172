package docker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

var soak = flag.Bool("soak", false, "keep the engine away for a minute, not for three seconds")

func TestMain(m *testing.M) {
	if os.Getenv(envReplica) != "" {
		fmt.Fprintln(os.Stderr, runReplica())
		os.Exit(1)
	}
	flag.Parse()
	if reason := noEngine(); reason != "" {
		fmt.Println("NOT RUN: the tests of executor/docker with an engine:", reason)
		if err := flag.Set("test.run", withoutEngine); err != nil {
			panic(err)
		}
	}
	code := redisserver.Main(m)
	if theEngine != nil {
		theEngine.end()
	}
	os.Exit(code)
}

var fences atomic.Int64

func newTask(payload string) *task.Task {
	n := fences.Add(1)
	return &task.Task{
		Spec:      task.Spec{ID: fmt.Sprintf("t-%d", n), Kind: "video.cut", Queue: "slow", Payload: []byte(payload)},
		Attempt:   7,
		Fence:     n,
		CreatedAt: time.Now(),
	}
}

// attempt is a running handler.
type attempt struct {
	x      *executor
	task   *task.Task
	cancel context.CancelCauseFunc
	done   chan struct{}
	result string
	err    error
}

func (a *attempt) wait(t *testing.T) (string, error) {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		t.Fatal("the handler did not return")
	}
	return a.result, a.err
}

// config returns a Config for containers that run the program of the image.
func (e *engine) config(command ...string) Config {
	return Config{Pool: "media", Host: e.host(), Image: testImage, Command: command, Pull: PullNever, Grace: time.Second,
		Interval: time.Second, Logger: slog.New(slog.DiscardHandler)}
}

// gated returns a Config for containers that a gate controls.
func (e *engine) gated(t *testing.T, command ...string) (Config, gate) {
	t.Helper()
	cfg, g := e.config(command...), newGate(t)
	cfg.Mounts = g.mount()
	return cfg, g
}

func begin(t *testing.T, cfg Config, tk *task.Task) *attempt {
	t.Helper()
	x, h, err := newHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	a := &attempt{x: x, task: tk, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		result, err := h(ctx, tk)
		a.result, a.err = string(result), err
	}()
	t.Cleanup(func() { cancel(errors.New("the test has ended")); <-a.done })
	return a
}

// logged waits until the process has read a log from the container.
func (a *attempt) logged(t *testing.T, e *engine, log string) {
	t.Helper()
	eventually(t, "the log is "+log, func() bool {
		ids := e.containers(t, labelTask, a.task.ID)
		if len(ids) == 0 {
			return false
		}
		w := a.x.find(ids[0])
		return w != nil && string(w.out.log()) == log
	})
}

// gate is a directory by which a test controls containers that wait.
type gate string

func newGate(t *testing.T) gate {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "started"), 0o777); err != nil {
		t.Fatal(err)
	}
	return gate(dir)
}

func (g gate) mount() []Mount { return []Mount{{Source: string(g), Target: "/go"}} }

// starts returns how often a container was started.
func (g gate) starts() int {
	all, _ := os.ReadDir(filepath.Join(string(g), "started"))
	return len(all)
}

// open makes containers end with a result.
func (g gate) open(t *testing.T, result string) {
	t.Helper()
	part := filepath.Join(string(g), "part")
	if err := errors.Join(os.WriteFile(part, []byte(result), 0o666), os.Rename(part, filepath.Join(string(g), "end"))); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, is error, texts ...string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) {
		t.Errorf("the error is %v, want %v", err, is)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error is %v, want %q", err, text)
		}
	}
}
