package pooltest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
	"github.com/ltsworker/ltsworker/task"
)

// database is an exporter that keeps results in memory.
type database struct {
	mu    sync.Mutex
	err   error // of saves, if it is set
	tries int
	rows  map[string]string // by the id of the task
}

var errAway = errors.New("connection refused")

func (d *database) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.tries = err, 0
}

func (d *database) Save(_ context.Context, r *task.Staged) (task.Reference, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries++; d.err != nil {
		return nil, d.err
	}
	d.rows[r.ID] += string(r.Result) // a second save would be visible
	return task.Reference(fmt.Sprintf("%q", r.ID)), nil
}

func (d *database) Load(context.Context, task.Reference) ([]byte, error) { return nil, nil }
func (d *database) Delete(context.Context, task.Reference) error         { return nil }

// exports is a pool whose results a database keeps. At most three of them are staged.
type exports struct {
	*pooltest.Pool
	db   *database
	log  *bytes.Buffer
	runs map[string]int // by the id of the task
}

func newExports(t *testing.T, e pool.Export) *exports {
	x := &exports{db: &database{rows: map[string]string{}}, log: &bytes.Buffer{}, runs: map[string]int{}}
	e.Exporter, e.MaxStaged = x.db, 3
	x.Pool = pooltest.New(t, pool.Config{
		Logger:   slog.New(slog.NewTextHandler(x.log, nil)),
		Queues:   map[string]pool.Queue{pool.DefaultQueue: {Workers: 2}},
		Policies: map[string]pool.Policy{"sum": {MaxAttempts: 1}},
		Exports:  map[string]pool.Export{"sum": e},
	})
	var mu sync.Mutex
	x.HandleKind("sum", func(_ context.Context, t *task.Task) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		x.runs[t.ID]++
		return []byte(t.ID), nil
	})
	return x
}

// count returns how many tasks are in a state.
func (x *exports) count(t *testing.T, state pool.State) (n int) {
	t.Helper()
	for _, err := range x.Tasks(t.Context(), pool.Filter{States: []pool.State{state}}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// lines returns the lines of the log with a text.
func (x *exports) lines(text string) (lines []string) {
	for line := range strings.Lines(x.log.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (x *exports) enqueue(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := x.EnqueueSpec(t.Context(), task.Spec{Kind: "sum", ID: fmt.Sprint("t", i), Retain: new(pool.Forever)}); err != nil {
			t.Fatal(err)
		}
	}
}

// The database of an exporter is away for ten minutes, and then for one more.
func TestResultsOutliveAnOutageOfTheirDatabase(t *testing.T) {
	const tasks, most, workers = 8, 3, 2
	faketime.Test(t, func(t *testing.T) {
		x := newExports(t, pool.Export{Backoff: pool.Backoff{Fixed: true, Base: 3 * time.Minute}})
		x.Start(t)
		for outage, lasts := range []time.Duration{10 * time.Minute, time.Minute} {
			outage++
			x.db.set(errAway)
			x.enqueue(t, (outage-1)*tasks, outage*tasks)
			x.Advance(t, lasts)
			ended, staged, waiting := x.count(t, pool.Succeeded), x.count(t, pool.Exporting), x.count(t, pool.Waiting)
			if ended != (outage-1)*tasks || staged < most || staged >= most+workers || waiting != tasks-staged {
				t.Errorf("outage %d: %d tasks have ended, %d results are staged, %d tasks wait", outage, ended, staged, waiting)
			}
			if outage == 1 && x.db.tries < 3*staged {
				t.Errorf("outage %d: %d saves of %d results were tried", outage, x.db.tries, staged)
			}
			if n := len(x.lines("cannot be saved")); n != outage {
				t.Errorf("outage %d: the log has %d lines of outages", outage, n)
			}
			x.db.set(nil)
			x.Advance(t, 3*time.Minute)
			if n := x.count(t, pool.Succeeded); n != outage*tasks {
				t.Errorf("outage %d: %d tasks succeeded", outage, n)
			}
			if n := len(x.lines("can be saved again")); n != outage {
				t.Errorf("outage %d: the log has %d lines of ends of outages", outage, n)
			}
		}
		for i := range 2 * tasks {
			id := fmt.Sprint("t", i)
			got, err := x.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got.Attempt != 1 || got.Failures != 0 || got.Lost != 0 || x.runs[id] != 1 || x.db.rows[id] != id {
				t.Errorf("task %s had %d runs, saved %q: %+v", id, x.runs[id], x.db.rows[id], got)
			}
		}
		if n := len(x.lines("attempt failed")); n > 0 {
			t.Errorf("the log has %d lines of failed saves:\n%s", n, x.log)
		}
	})
}

// A result that the exporter refuses is no outage. The failure of its task is logged.
func TestRefusedResultIsNoOutage(t *testing.T) {
	x := newExports(t, pool.Export{})
	x.db.set(pool.Permanent(errors.New("too large")))
	x.enqueue(t, 0, 1)
	x.Drain(t)
	if got, err := x.Get(t.Context(), "t0"); err != nil || got.State != pool.Failed || got.Code != pool.CodeExport {
		t.Errorf("task %+v, error %v", got, err)
	}
	if refused, away := x.lines("attempt failed"), x.lines("cannot be saved"); len(refused) != 1 || !strings.Contains(refused[0], "too large") || len(away) > 0 {
		t.Errorf("the log is\n%s", x.log)
	}
}

// A save waits for the backoff of the exporter, not for that of the task.
func TestDrainRepeatsSaves(t *testing.T) {
	x := newExports(t, pool.Export{MaxAttempts: 3, Backoff: pool.Backoff{Base: time.Hour, Max: 3 * time.Hour}})
	x.db.set(errAway)
	x.enqueue(t, 0, 1)
	x.Drain(t)[:1].RequireOK(t)
	for _, want := range []time.Duration{2 * time.Hour, 0} {
		x.Advance(t, time.Hour)
		x.Advance(t, time.Hour)
		out := x.Drain(t)
		if len(out) != 1 || out[0].Delay != want || !errors.Is(out[0].Err, errAway) && out[0].Err.Error() != errAway.Error() {
			t.Errorf("saved %v, want one save, and the next one after %v", out, want)
		}
	}
	if got, err := x.Get(t.Context(), "t0"); err != nil || got.State != pool.Failed || got.SavesFailed != 3 || x.runs["t0"] != 1 {
		t.Errorf("%d runs, task %+v, error %v", x.runs["t0"], got, err)
	}
}
