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

// rig is a replica that runs on a fake store.
type testReplica struct {
	t      *testing.T
	store  *fakeStore
	r      *Replica
	log    *logRecorder
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run
}

// newRig makes a replica of cfg, by default with one queue of four slots.
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

// run starts the replica. Every test of a bubble ends with its goroutines gone:
// the bubble itself fails otherwise.
func (tr *testReplica) run() {
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	go func() {
		defer close(tr.done)
		tr.err = tr.r.Run(ctx)
	}()
	synctest.Wait()
}

// end shuts the replica down and returns Run's error.
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

// logTape records log lines as "LEVEL message key=value".
type logRecorder struct {
	mu    sync.Mutex
	lines []string

	blockOn string        // a goroutine that logs a line with this text …
	unblock chan struct{} // … waits until this is closed
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

// count is how many lines hold text.
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

// bubble runs a test with fake time.
func inFakeTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	faketime.Test(t, f)
}

// pass lets d of fake time go by. What the test looked at before is ordered
// before what the replica does in that time.
func (tr *testReplica) advance(d time.Duration) {
	tr.store.mu.Lock()
	tr.store.mu.Unlock() //lint:ignore SA2001 an empty section is all it takes
	time.Sleep(d)
	synctest.Wait()
}

// untilCancelled is a handler that returns its context's cause.
func untilCancelled(ctx context.Context, _ *task.Task) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func noop(context.Context, *task.Task) ([]byte, error) { return nil, nil }
