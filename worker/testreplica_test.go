package worker

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// testReplica is a replica on a fake store.
type testReplica struct {
	t      *testing.T
	store  *fakeStore
	r      *Replica
	log    *logRecorder
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run
}

// newTestReplica makes a replica with cfg. By default it has one queue with four slots.
func newTestReplica(t *testing.T, cfg Config) *testReplica {
	t.Helper()
	if cfg.Queues == nil {
		cfg.Queues = map[string]task.QueueConfig{task.DefaultQueue: {Workers: 4}}
	}
	tape := &logRecorder{}
	cfg.Logger = slog.New(tape)
	store := newFakeStore()
	r, err := New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &testReplica{t: t, store: store, r: r, log: tape, done: make(chan struct{})}
}

// run starts the replica. A bubble fails if goroutines are left at its end.
func (tr *testReplica) run() {
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	go func() {
		defer close(tr.done)
		tr.err = tr.r.Run(ctx)
	}()
	synctest.Wait()
}

// shutDown ends the replica and returns Run's error.
func (tr *testReplica) shutDown() error {
	tr.advance(0)
	tr.cancel()
	<-tr.done
	return tr.err
}

func (tr *testReplica) wantState(id string, state task.State, code task.Code) {
	tr.t.Helper()
	if t := tr.store.task(id); t.State != state || t.Code != code {
		tr.t.Errorf("task %s is %q with code %q, want %q with %q", id, t.State, t.Code, state, code)
	}
}

// logRecorder records log lines as "LEVEL message key=value".
type logRecorder struct {
	mu    sync.Mutex
	lines []string

	blockOn string        // a goroutine that logs a line with this text waits …
	unblock chan struct{} // … until this is closed
}

func (l *logRecorder) Enabled(context.Context, slog.Level) bool { return true }
func (l *logRecorder) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logRecorder) WithGroup(string) slog.Handler            { return l }
func (l *logRecorder) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if l.blockOn != "" && strings.Contains(line, l.blockOn) {
		<-l.unblock
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// count returns the number of lines that contain text.
func (l *logRecorder) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// inFakeTime runs a test in fake time.
func inFakeTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	faketime.Test(t, f)
}

// advance lets d of fake time pass. Locking the store's mutex orders the test's earlier
// reads before the replica's writes in that time.
func (tr *testReplica) advance(d time.Duration) {
	tr.store.mu.Lock()
	tr.store.mu.Unlock() //lint:ignore SA2001 an empty critical section is intended
	time.Sleep(d)
	synctest.Wait()
}

// untilCancelled is a handler that waits for the end of its context and returns the
// cause.
func untilCancelled(ctx context.Context, _ *task.Task) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func noop(context.Context, *task.Task) ([]byte, error) { return nil, nil }

// returns returns a handler with this result and error.
func returns(result []byte, err error) task.Handler {
	return func(context.Context, *task.Task) ([]byte, error) {
		return result, err
	}
}
