package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// bundle is a test with its pool. Its methods fail the test on an error.
type bundle struct {
	testing.TB
	Harness
	ctx     context.Context
	harness func(t testing.TB) Harness
	calls   map[lane]int64  // last call number
	on      map[string]bool // replicas that have joined
	serving []string        // replicas whose signals are looked at
}

func newBundle(t testing.TB, harness func(t testing.TB) Harness) *bundle {
	return &bundle{TB: t, Harness: harness(t), ctx: t.Context(), harness: harness, calls: map[lane]int64{}, on: map[string]bool{}}
}

// another returns the same test with another pool.
func (b *bundle) another() *bundle { return newBundle(b.TB, b.harness) }

// patient is how long something lasts that a busy machine must still find alive.
const patient = time.Second

func ptr[T any](v T) *T { return &v }

func (b *bundle) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// enqueue makes one task and returns its id. Its kind is "k" if the spec has none.
func (b *bundle) enqueue(spec task.Spec) string {
	b.Helper()
	return b.enqueueAll(spec)[0].ID
}

func (b *bundle) enqueueAll(specs ...task.Spec) []task.Receipt {
	b.Helper()
	for i := range specs {
		if specs[i].Kind == "" {
			specs[i].Kind = "k"
		}
	}
	receipts, err := b.Store.Enqueue(b.ctx, specs)
	b.ok(err)
	if len(receipts) != len(specs) {
		b.Fatalf("%d receipts for %d specs", len(receipts), len(specs))
	}
	return receipts
}

// maintain takes one turn of maintenance.
func (b *bundle) maintain() task.Upkeep {
	b.Helper()
	u, err := b.Store.Maintain(b.ctx, "keeper")
	b.ok(err)
	if u.Busy {
		b.Fatal("maintenance is busy")
	}
	return u
}

// get reads a task that exists.
func (b *bundle) get(id string) *task.Task {
	b.Helper()
	t := b.find(id)
	if t == nil {
		b.Fatalf("no task %s", id)
	}
	return t
}

func (b *bundle) find(id string) *task.Task {
	b.Helper()
	ts, err := b.Store.Get(b.ctx, id)
	b.ok(err)
	if len(ts) != 1 {
		b.Fatalf("%d tasks for one id", len(ts))
	}
	return ts[0]
}

func (b *bundle) history(id string) []task.AttemptRecord {
	b.Helper()
	h, err := b.Store.History(b.ctx, id)
	b.ok(err)
	return h
}

func (b *bundle) wantState(id string, want task.State) *task.Task {
	b.Helper()
	t := b.get(id)
	if t.State != want {
		b.Fatalf("task %s is %s, want %s (code %q, error %q)", id, t.State, want, t.Code, t.Error)
	}
	return t
}

// wantEnd checks the state and the code of an ended task.
func (b *bundle) wantEnd(id string, state task.State, code task.Code) *task.Task {
	b.Helper()
	t := b.wantState(id, state)
	if t.Code != code {
		b.Fatalf("task %s %s with code %q, want %q", id, state, t.Code, code)
	}
	return t
}

func ids(ts []*task.Task) []string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.ID
	}
	return out
}

func (b *bundle) wantIDs(got []*task.Task, want ...string) {
	b.Helper()
	have := ids(got)
	if len(have) != len(want) {
		b.Fatalf("got tasks %v, want %v", have, want)
	}
	for i := range want {
		if have[i] != want[i] {
			b.Fatalf("got tasks %v, want %v", have, want)
		}
	}
}

// passes waits until the store's clock is past d from now.
func (b *bundle) passes(d time.Duration) {
	b.Helper()
	now := b.Now(b)
	for until := now.Add(d); !now.After(until); now = b.Now(b) {
		if err := b.ctx.Err(); err != nil {
			b.Fatal(err)
		}
		time.Sleep(until.Sub(now))
	}
}

func (b *bundle) configure(settings ...task.Setting) {
	b.Helper()
	b.ok(b.Store.Configure(b.ctx, settings...))
}

func (b *bundle) limit(scope task.Scope, name string, n int) {
	b.Helper()
	b.configure(task.Setting{Scope: scope, Name: name, Limit: &n})
}

func (b *bundle) pause(scope task.Scope, name string, on bool) {
	b.Helper()
	b.configure(task.Setting{Scope: scope, Name: name, Pause: &on})
}

func (b *bundle) stop(id string) task.Change {
	b.Helper()
	cs, err := b.Store.Stop(b.ctx, "enough", id)
	b.ok(err)
	return cs[0]
}

func (b *bundle) stopAll(ids ...string) {
	b.Helper()
	_, err := b.Store.Stop(b.ctx, "", ids...)
	b.ok(err)
}

func (b *bundle) retry(id string) task.Change {
	b.Helper()
	cs, err := b.Store.Retry(b.ctx, id)
	b.ok(err)
	return cs[0]
}

func (b *bundle) remove(id string) task.Change {
	b.Helper()
	cs, err := b.Store.Delete(b.ctx, id)
	b.ok(err)
	return cs[0]
}

// events reads everything in the stream, oldest first.
func (b *bundle) events() []task.Event {
	b.Helper()
	var all []task.Event
	for after := "0"; ; {
		page, err := b.Store.ReadEvents(b.ctx, after, 1000, 0)
		b.ok(err)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Cursor
	}
}

func (b *bundle) eventsOf(id string) []task.Event {
	b.Helper()
	var out []task.Event
	for _, e := range b.events() {
		if e.ID == id {
			out = append(out, e)
		}
	}
	return out
}

func (b *bundle) stats() task.Stats {
	b.Helper()
	s, err := b.Store.Stats(b.ctx)
	b.ok(err)
	return s
}

// addsUp checks the sum that holds at every instant.
func (b *bundle) addsUp() task.Stats {
	b.Helper()
	s := b.stats()
	live, ended := s.Scheduled+s.Waiting+s.Running, int64(0)
	for _, n := range s.Ended {
		ended += n
	}
	if s.Enqueued+s.Retried != int64(live)+ended {
		b.Errorf("%d enqueued + %d retried is not %d live + %d ended", s.Enqueued, s.Retried, live, ended)
	}
	return s
}

// wantNoTrace checks that nothing is left of a task.
func (b *bundle) wantNoTrace(id string) {
	b.Helper()
	if left := b.Traces(b, id); len(left) > 0 {
		b.Errorf("of the removed task %s there are still %v", id, left)
	}
	if t := b.find(id); t != nil {
		b.Errorf("the removed task %s can still be read", id)
	}
}
