package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// fixture is a test with its pool. Its methods fail the test on an error.
type fixture struct {
	testing.TB
	Harness
	ctx     context.Context
	harness func(t testing.TB) Harness
	calls   map[sequence]int64 // last call number
	joined  map[string]bool    // replicas that have joined
	serving []string           // replicas whose signals are checked
}

func newFixture(t testing.TB, harness func(t testing.TB) Harness) *fixture {
	return &fixture{TB: t, Harness: harness(t), ctx: t.Context(), harness: harness, calls: map[sequence]int64{}, joined: map[string]bool{}}
}

// withNewPool returns a fixture of the same test with another pool.
func (fx *fixture) withNewPool() *fixture { return newFixture(fx.TB, fx.harness) }

// shortLease is the lease or retention of rules that wait for its end. Use inTime if it must not end before the next
// call.
const shortLease = time.Second

// inTime calls try with a short duration, and doubles it until try returns true. False means that the duration was over
// too early: a busy machine may stop for seconds. inTime returns the duration that was long enough.
func (fx *fixture) inTime(try func(short time.Duration) bool) (short time.Duration) {
	fx.Helper()
	for short = shortLease; !try(short); short *= 2 {
		fx.noError(fx.ctx.Err())
	}
	return short
}

func ptr[T any](v T) *T { return &v }

func (fx *fixture) noError(err error) {
	fx.Helper()
	if err != nil {
		fx.Fatal(err)
	}
}

// enqueue makes one task and returns its id. Its kind is "k" if the spec has none.
func (fx *fixture) enqueue(spec task.Spec) string {
	fx.Helper()
	return fx.enqueueAll(spec)[0].ID
}

func (fx *fixture) enqueueAll(specs ...task.Spec) []task.Receipt {
	fx.Helper()
	for i := range specs {
		if specs[i].Kind == "" {
			specs[i].Kind = "k"
		}
	}
	receipts, err := fx.Store.Enqueue(fx.ctx, specs)
	fx.noError(err)
	if len(receipts) != len(specs) {
		fx.Fatalf("%d receipts for %d specs", len(receipts), len(specs))
	}
	return receipts
}

// maintain runs one turn of maintenance.
func (fx *fixture) maintain() task.Maintenance {
	fx.Helper()
	u, err := fx.Store.Maintain(fx.ctx, "keeper")
	fx.noError(err)
	if u.Busy {
		fx.Fatal("maintenance is busy")
	}
	return u
}

// get reads a task that exists.
func (fx *fixture) get(id string) *task.Task {
	fx.Helper()
	t := fx.find(id)
	if t == nil {
		fx.Fatalf("no task %s", id)
	}
	return t
}

func (fx *fixture) find(id string) *task.Task {
	fx.Helper()
	ts, err := fx.Store.Get(fx.ctx, id)
	fx.noError(err)
	if len(ts) != 1 {
		fx.Fatalf("%d tasks for one id", len(ts))
	}
	return ts[0]
}

func (fx *fixture) history(id string) []task.AttemptRecord {
	fx.Helper()
	h, err := fx.Store.History(fx.ctx, id)
	fx.noError(err)
	return h
}

func (fx *fixture) wantState(id string, want task.State) *task.Task {
	fx.Helper()
	t := fx.get(id)
	if t.State != want {
		fx.Fatalf("task %s is %s, want %s (code %q, error %q)", id, t.State, want, t.Code, t.Error)
	}
	return t
}

// wantEnd checks the state and the code of an ended task.
func (fx *fixture) wantEnd(id string, state task.State, code task.Code) *task.Task {
	fx.Helper()
	t := fx.wantState(id, state)
	if t.Code != code {
		fx.Fatalf("task %s %s with code %q, want %q", id, state, t.Code, code)
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

func (fx *fixture) wantIDs(got []*task.Task, want ...string) {
	fx.Helper()
	have := ids(got)
	if len(have) != len(want) {
		fx.Fatalf("got tasks %v, want %v", have, want)
	}
	for i := range want {
		if have[i] != want[i] {
			fx.Fatalf("got tasks %v, want %v", have, want)
		}
	}
}

// waitPast waits until the store's clock has passed d from now.
func (fx *fixture) waitPast(d time.Duration) {
	fx.Helper()
	now := fx.Now(fx)
	for until := now.Add(d); !now.After(until); now = fx.Now(fx) {
		if err := fx.ctx.Err(); err != nil {
			fx.Fatal(err)
		}
		time.Sleep(until.Sub(now))
	}
}

func (fx *fixture) configure(settings ...task.Setting) {
	fx.Helper()
	fx.noError(fx.Store.Configure(fx.ctx, settings...))
}

func (fx *fixture) limit(scope task.Scope, name string, n int) {
	fx.Helper()
	fx.configure(task.Setting{Scope: scope, Name: name, Limit: &n})
}

func (fx *fixture) pause(scope task.Scope, name string, on bool) {
	fx.Helper()
	fx.configure(task.Setting{Scope: scope, Name: name, Pause: &on})
}

func (fx *fixture) stop(id string) task.Change {
	fx.Helper()
	cs, err := fx.Store.Stop(fx.ctx, "enough", id)
	fx.noError(err)
	return cs[0]
}

func (fx *fixture) stopAll(ids ...string) {
	fx.Helper()
	_, err := fx.Store.Stop(fx.ctx, "", ids...)
	fx.noError(err)
}

func (fx *fixture) retry(id string) task.Change {
	fx.Helper()
	cs, err := fx.Store.Retry(fx.ctx, task.Edit{}, id)
	fx.noError(err)
	return cs[0]
}

func (fx *fixture) remove(id string) task.Change {
	fx.Helper()
	cs, err := fx.Store.Delete(fx.ctx, id)
	fx.noError(err)
	return cs[0]
}

// events reads everything in the stream, oldest first.
func (fx *fixture) events() []task.Event {
	fx.Helper()
	var all []task.Event
	for after := "0"; ; {
		page, err := fx.Store.ReadEvents(fx.ctx, after, 1000, 0)
		fx.noError(err)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Cursor
	}
}

func (fx *fixture) eventsOf(id string) []task.Event {
	fx.Helper()
	var out []task.Event
	for _, e := range fx.events() {
		if e.ID == id {
			out = append(out, e)
		}
	}
	return out
}

func (fx *fixture) stats() task.Stats {
	fx.Helper()
	s, err := fx.Store.Stats(fx.ctx)
	fx.noError(err)
	return s
}

// checkTotals checks the equation that holds at every instant: enqueued plus retried
// tasks are the live and the ended ones.
func (fx *fixture) checkTotals() task.Stats {
	fx.Helper()
	s := fx.stats()
	live, ended := s.Scheduled+s.Waiting+s.Running, int64(0)
	for _, n := range s.Ended {
		ended += n
	}
	if s.Enqueued+s.Retried != int64(live)+ended {
		fx.Errorf("%d enqueued + %d retried is not %d live + %d ended", s.Enqueued, s.Retried, live, ended)
	}
	return s
}

// wantNoTrace checks that the store contains nothing of a removed task.
func (fx *fixture) wantNoTrace(id string) {
	fx.Helper()
	if left := fx.Traces(fx, id); len(left) > 0 {
		fx.Errorf("the removed task %s left %v", id, left)
	}
	if t := fx.find(id); t != nil {
		fx.Errorf("the removed task %s can still be read", id)
	}
}
