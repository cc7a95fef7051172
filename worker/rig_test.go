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
type rig struct {
	t      *testing.T
	store  *fakeStore
	r      *Replica
	log    *logTape
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run
}

// newRig makes a replica of cfg, by default with one queue of four slots.
func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	if cfg.Queues == nil {
		cfg.Queues = map[string]task.QueueConfig{task.DefaultQueue: {Workers: 4}}
	}
	tape := &logTape{}
	cfg.Logger = slog.New(tape)
	store := newFakeStore()
	r, err := New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, store: store, r: r, log: tape, done: make(chan struct{})}
}

// run starts the replica. Every test of a bubble ends with its goroutines gone:
// the bubble itself fails otherwise.
func (g *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	go func() {
		defer close(g.done)
		g.err = g.r.Run(ctx)
	}()
	synctest.Wait()
}

// end shuts the replica down and returns Run's error.
func (g *rig) end() error {
	g.pass(0)
	g.cancel()
	<-g.done
	return g.err
}

func (g *rig) wantState(id string, state task.State, code task.Code) {
	g.t.Helper()
	if t := g.store.task(id); t.State != state || t.Code != code {
		g.t.Errorf("task %s is %q with code %q, want %q with %q", id, t.State, t.Code, state, code)
	}
}

// logTape records log lines as "LEVEL message key=value".
type logTape struct {
	mu    sync.Mutex
	lines []string

	holds string        // a goroutine that logs a line with this text …
	held  chan struct{} // … waits until this is closed
}

func (l *logTape) Enabled(context.Context, slog.Level) bool { return true }
func (l *logTape) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logTape) WithGroup(string) slog.Handler            { return l }
func (l *logTape) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if l.holds != "" && strings.Contains(line, l.holds) {
		<-l.held
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// count is how many lines hold text.
func (l *logTape) count(text string) (n int) {
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
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	faketime.Test(t, f)
}

// pass lets d of fake time go by. What the test looked at before is ordered
// before what the replica does in that time.
func (g *rig) pass(d time.Duration) {
	g.store.mu.Lock()
	g.store.mu.Unlock() //lint:ignore SA2001 an empty section is all it takes
	time.Sleep(d)
	synctest.Wait()
}

// untilCancelled is a handler that returns its context's cause.
func untilCancelled(ctx context.Context, _ *task.Task) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func noop(context.Context, *task.Task) ([]byte, error) { return nil, nil }
