// Package storetest is the conformance suite of pool.Store: every store has to
// pass it, in the same words.
//
//	func TestStore(t *testing.T) { storetest.Run(t, newHarness) }
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// Harness is one empty pool and the ways into it that a test needs beside the
// store itself: what other programs write, and what must not be left behind.
type Harness struct {
	Store pool.Store
	// Peer is another client of the same pool, such as another process has.
	Peer pool.Store
	// Now reads the clock that the store goes by.
	Now func(t testing.TB) time.Time
	// Push appends entries to the inbox.
	Push func(t testing.TB, entries ...string)
	// Rejects reads why inbox entries were rejected, oldest first.
	Rejects func(t testing.TB) []string
	// Markers counts the queue's markers.
	Markers func(t testing.TB, queue string) int
	// Rings counts the pending rings of the replica's doorbell.
	Rings func(t testing.TB, replica string) int
	// Traces lists everything the store still keeps that mentions the id, the
	// event stream left out.
	Traces func(t testing.TB, id string) []string
	// SetSequence moves the sequence that orders tasks of the same priority.
	SetSequence func(t testing.TB, n int64)
	// Emulated says that the store runs on a stand-in for the real thing: large
	// volumes are smaller, and the lag of consumer groups is not compared.
	Emulated bool
}

type rule struct {
	name string
	test func(*bundle)
}

// voluminous are the rules that no smaller volume shows, and that a stand-in
// takes a minute for.
var voluminous = map[string]bool{"RetentionByCountIsExact": true}

// Run runs the suite. Each test gets a pool of its own from newHarness.
func Run(t *testing.T, newHarness func(t testing.TB) Harness) {
	emulated := newHarness(t).Emulated
	for _, rules := range [][]rule{
		enqueueRules, uniqueRules, orderRules, scheduleRules, claimRules, reportRules, retryPolicyRules, leaseRules,
		limitRules, groupRules, markerRules, signalRules, stopRules, personRules, retentionRules, inboxRules,
		eventRules, consumerRules, settingRules, statsRules, listRules,
	} {
		for _, r := range rules {
			if emulated && voluminous[r.name] {
				continue // not run, rather than run without looking
			}
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				b := &bundle{TB: t, Harness: newHarness(t), ctx: t.Context(), calls: map[string]int64{}}
				r.test(b)
				b.addsUp()
				b.sound()
			})
		}
	}
}

// bundle is a test with its pool. Its methods fail the test on an error.
type bundle struct {
	testing.TB
	Harness
	ctx   context.Context
	calls map[string]int64 // last call number by replica and queue
	on    map[string]bool  // replicas that have joined
}

const (
	lease = time.Minute
	grace = time.Second
)

func ptr[T any](v T) *T { return &v }

func (b *bundle) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// enqueue makes one task and returns its id. Its kind is "k" where it has none.
func (b *bundle) enqueue(spec worker.Spec) string {
	b.Helper()
	return b.enqueueAll(spec)[0].ID
}

func (b *bundle) enqueueAll(specs ...worker.Spec) []worker.Receipt {
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

// claim asks for n tasks of the queue for replica "r".
func (b *bundle) claim(queue string, n int) []*worker.Task {
	b.Helper()
	var all []*worker.Task
	for {
		ask := min(n-len(all), worker.MaxClaim)
		got := b.claimAs(worker.Claim{Queue: queue, N: ask}).Tasks
		all = append(all, got...)
		if len(got) < ask || len(all) == n {
			return all
		}
	}
}

// claimAs fills in what the claim leaves open: the replica, the lease, the grace
// and the next call number.
func (b *bundle) claimAs(c worker.Claim) worker.Claimed {
	b.Helper()
	_, claimed := b.exchange(nil, c)
	return claimed[0]
}

func (b *bundle) exchange(reports []worker.Report, claims ...worker.Claim) ([]worker.Verdict, []worker.Claimed) {
	b.Helper()
	for i := range claims {
		claims[i] = b.complete(claims[i])
	}
	verdicts, claimed, err := b.Store.Exchange(b.ctx, reports, claims)
	b.ok(err)
	if len(verdicts) != len(reports) || len(claimed) != len(claims) {
		b.Fatalf("%d verdicts on %d reports, %d answers to %d claims", len(verdicts), len(reports), len(claimed), len(claims))
	}
	return verdicts, claimed
}

func (b *bundle) complete(c worker.Claim) worker.Claim {
	if c.Replica == "" {
		c.Replica = "r"
	}
	b.present(c.Replica)
	if c.Lease == 0 {
		c.Lease = lease
	}
	if c.Grace == 0 {
		c.Grace = grace
	}
	if c.Call == 0 {
		key := c.Replica + " " + c.Queue
		b.calls[key]++
		c.Call = b.calls[key]
	}
	return c
}

// present makes a replica join that is to claim and has not.
func (b *bundle) present(replica string) {
	b.Helper()
	if !b.on[replica] {
		b.join(worker.Registration{Replica: replica, Lease: time.Hour})
	}
}

// start enqueues one task and claims it.
func (b *bundle) start(spec worker.Spec) *worker.Task {
	b.Helper()
	id := b.enqueue(spec)
	queue := spec.Queue
	if queue == "" {
		queue = worker.DefaultQueue
	}
	got := b.claim(queue, 1)
	b.wantIDs(got, id)
	return got[0]
}

// report delivers reports and returns the verdicts.
func (b *bundle) report(reports ...worker.Report) []worker.Verdict {
	b.Helper()
	verdicts, _ := b.exchange(reports)
	return verdicts
}

// accept delivers a report that has to be accepted.
func (b *bundle) accept(r worker.Report) {
	b.Helper()
	b.verdict(r, worker.Accepted)
}

func (b *bundle) verdict(r worker.Report, want worker.Verdict) {
	b.Helper()
	if got := b.report(r)[0]; got != want {
		b.Fatalf("report on %s: verdict %q, want %q", r.ID, got, want)
	}
}

func succeed(t *worker.Task) worker.Report {
	return worker.Report{ID: t.ID, Fence: t.Fence, Op: worker.Succeed, Code: worker.CodeOK}
}

func fail(t *worker.Task, code worker.Code) worker.Report {
	return worker.Report{ID: t.ID, Fence: t.Fence, Op: worker.Fail, Code: code, Error: "it broke"}
}

// failIn is a failure that is retried after d.
func failIn(t *worker.Task, d time.Duration) worker.Report {
	r := fail(t, worker.CodeError)
	r.Delay, r.DelaySet = d, true
	return r
}

func release(t *worker.Task, d time.Duration) worker.Report {
	return worker.Report{ID: t.ID, Fence: t.Fence, Op: worker.Release, Code: worker.CodeReleased, Delay: d}
}

func held(t *worker.Task) worker.Held { return worker.Held{ID: t.ID, Fence: t.Fence} }

func (b *bundle) renew(replica string, d time.Duration, hs ...worker.Held) []worker.Verdict {
	b.Helper()
	b.present(replica)
	verdicts, err := b.Store.Renew(b.ctx, worker.Renewal{Replica: replica, Lease: d, Grace: grace, Held: hs})
	b.ok(err)
	if d < lease {
		delete(b.on, replica) // the next upkeep may find it silent
	}
	return verdicts
}

// maintain takes turns of upkeep until one changes nothing more that is due.
func (b *bundle) maintain() worker.Upkeep {
	b.Helper()
	u, err := b.Store.Maintain(b.ctx, "keeper")
	b.ok(err)
	if u.Busy {
		b.Fatal("upkeep is busy")
	}
	return u
}

// get reads a task that exists.
func (b *bundle) get(id string) *worker.Task {
	b.Helper()
	t := b.find(id)
	if t == nil {
		b.Fatalf("no task %s", id)
	}
	return t
}

func (b *bundle) find(id string) *worker.Task {
	b.Helper()
	ts, err := b.Store.Get(b.ctx, id)
	b.ok(err)
	if len(ts) != 1 {
		b.Fatalf("%d tasks for one id", len(ts))
	}
	return ts[0]
}

func (b *bundle) wantState(id string, want worker.State) *worker.Task {
	b.Helper()
	t := b.get(id)
	if t.State != want {
		b.Fatalf("task %s is %s, want %s (code %q, error %q)", id, t.State, want, t.Code, t.Error)
	}
	return t
}

// wantEnd checks the state and the code of an ended task.
func (b *bundle) wantEnd(id string, state worker.State, code worker.Code) *worker.Task {
	b.Helper()
	t := b.wantState(id, state)
	if t.Code != code {
		b.Fatalf("task %s %s with code %q, want %q", id, state, t.Code, code)
	}
	return t
}

func ids(ts []*worker.Task) []string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.ID
	}
	return out
}

func (b *bundle) wantIDs(got []*worker.Task, want ...string) {
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
	for until := b.Now(b).Add(d); !b.Now(b).After(until); {
		if err := b.ctx.Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func (b *bundle) configure(settings ...worker.Setting) {
	b.Helper()
	b.ok(b.Store.Configure(b.ctx, settings...))
}

func (b *bundle) limit(scope worker.Scope, name string, n int) {
	b.Helper()
	b.configure(worker.Setting{Scope: scope, Name: name, Limit: &n})
}

func (b *bundle) pause(scope worker.Scope, name string, on bool) {
	b.Helper()
	b.configure(worker.Setting{Scope: scope, Name: name, Pause: &on})
}

func (b *bundle) stop(id string) worker.Change {
	b.Helper()
	cs, err := b.Store.Stop(b.ctx, "enough", id)
	b.ok(err)
	return cs[0]
}

func (b *bundle) retry(id string) worker.Change {
	b.Helper()
	cs, err := b.Store.Retry(b.ctx, id)
	b.ok(err)
	return cs[0]
}

func (b *bundle) remove(id string) worker.Change {
	b.Helper()
	cs, err := b.Store.Delete(b.ctx, id)
	b.ok(err)
	return cs[0]
}

// events reads everything in the stream, oldest first.
func (b *bundle) events() []worker.Event {
	b.Helper()
	var all []worker.Event
	for before := ""; ; {
		page, err := b.Store.RecentEvents(b.ctx, before, 1000)
		b.ok(err)
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		before = page[len(page)-1].Cursor
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

func (b *bundle) eventsOf(id string) []worker.Event {
	b.Helper()
	var out []worker.Event
	for _, e := range b.events() {
		if e.ID == id {
			out = append(out, e)
		}
	}
	return out
}

func (b *bundle) stats() worker.Stats {
	b.Helper()
	s, err := b.Store.Stats(b.ctx)
	b.ok(err)
	return s
}

// addsUp checks the sum that holds at every instant.
func (b *bundle) addsUp() worker.Stats {
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

// wantTraces checks that nothing is left of a task.
func (b *bundle) wantNoTrace(id string) {
	b.Helper()
	if left := b.Traces(b, id); len(left) > 0 {
		b.Errorf("of the removed task %s there are still %v", id, left)
	}
	if t := b.find(id); t != nil {
		b.Errorf("the removed task %s can still be read", id)
	}
}
