package storetest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of a renewal that counts fewer attempts than the store: the store has
// lost reports that it had accepted, or the replica never read the answer to a
// claim.
var recountRules = []rule{
	{"RenewalOfFewerAttemptsAsksForTheirIDs", renewalOfFewer},
	{"RecountTakesBackWhatIsNotNamed", recountTakesBack},
	{"RecountUsesNoAttemptAndKeepsTheFence", recountUsesNoAttempt},
	{"RecountEndsWhatWasStopped", recountEndsWhatWasStopped},
	{"RecountWritesNothingOfWhatItTakesBack", recountWritesNothing},
	{"RecountNamesAttemptsThatHaveEnded", recountOfEnded},
	{"RenewalOfMoreAttemptsIsKept", renewalOfMore},
}

// recount renews a claim with the ids of the attempts that its replica holds.
func (b *bundle) recount(ts ...*task.Task) task.Verdict {
	b.Helper()
	h := held(ts...)[0]
	h.IDs = ids(ts)
	return b.renew(ts[0].Replica, lease, h)[0]
}

func renewalOfFewer(b *bundle) {
	ts := b.startAll(5, task.Spec{ID: "t"})
	other := b.startAll(2, task.Spec{ID: "o"})
	for range 2 {
		v := b.renew("r", lease, held(append(slices.Clone(other), ts[:3]...)...)...)
		if d := cmp.Diff([]task.Verdict{task.Kept, task.Recount}, v); d != "" {
			b.Error("verdicts (-want +got):\n", d)
		}
		for _, t := range ts {
			b.wantState(t.ID, task.Running)
		}
	}
	// The lease is extended all the same.
	b.renew("r", patient, held(ts[:3]...)...)
	if v := b.renew("r", time.Hour, held(ts[:3]...)...); v[0] != task.Recount {
		b.Errorf("renewal: %s", v[0])
	}
	b.passes(patient)
	if u := b.maintain(); u.Claims != 0 || u.Lost != 0 {
		b.Errorf("maintenance %+v, want nothing lost", u)
	}
}

func recountTakesBack(b *bundle) {
	ts := b.startAll(5, task.Spec{ID: "t"})
	if v := b.recount(ts[1], ts[3]); v != task.Kept {
		b.Errorf("verdict %s", v)
	}
	for i, t := range ts {
		if i == 1 || i == 3 {
			b.wantState(t.ID, task.Running)
			continue
		}
		b.wantEnd(t.ID, task.Waiting, task.CodeLost)
		b.verdict(succeed(t), task.LeaseLost)
	}
	if v := b.renew("r", lease, held(ts[1], ts[3])...); v[0] != task.Kept {
		b.Errorf("renewal afterwards: %s", v[0])
	}
	b.unchanged("t0", func() { b.recount(ts[1], ts[3]) })
	b.wantIDs(b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 9), "t0", "t2", "t4")
	b.accept(succeed(ts[1]), succeed(ts[3]))
	if v := b.renew("r", lease, held(ts[1])...); v[0] != task.LeaseLost {
		b.Errorf("renewal of the claim that ended: %s", v[0])
	}
}

func recountUsesNoAttempt(b *bundle) {
	ts := b.startAll(2, task.Spec{ID: "t", MaxAttempts: 1})
	b.recount(ts[1])
	if got := b.get("t0"); got.Lost != 1 || got.Failures != 0 || got.Fence == 0 {
		b.Errorf("taken back: %+v", got)
	}
	again := b.claim(task.DefaultQueue, 1)
	b.wantIDs(again, "t0")
	if again[0].Fence <= ts[0].Fence || again[0].Attempt != 2 {
		b.Errorf("fence %d after %d, attempt %d", again[0].Fence, ts[0].Fence, again[0].Attempt)
	}
	b.accept(succeed(ts[1]), succeed(again[0]))
}

func recountEndsWhatWasStopped(b *bundle) {
	ts := b.startAll(2, task.Spec{ID: "t"})
	b.stop("t0")
	b.recount(ts[1])
	b.wantEnd("t0", task.Stopped, task.CodeStopped)
	if got := b.send(task.Exchange{}); len(got.Stops) != 0 {
		b.Errorf("stops %v", got.Stops)
	}
}

func recountWritesNothing(b *bundle) {
	ts := b.startAll(2, task.Spec{ID: "t"})
	h := held(ts[1])
	h[0].IDs = []string{"t1"}
	updates := []task.AttemptUpdate{{ID: "t0", Fence: ts[0].Fence, Progress: []byte("half"), Slow: true}, {ID: "t1", Fence: ts[1].Fence, Slow: true}}
	b.heartbeat(task.Renewal{Held: h, Updates: updates})
	if got := b.wantEnd("t0", task.Waiting, task.CodeLost); got.Progress != nil || got.Version != 3 {
		b.Errorf("taken back: %+v", got)
	}
	if d := cmp.Diff([]string{"waiting", "running", "waiting lost"}, states(b.eventsOf("t0"))); d != "" {
		b.Error("events (-want +got):\n", d)
	}
	if d := cmp.Diff([]string{"waiting", "running", "running slow"}, states(b.eventsOf("t1"))); d != "" {
		b.Error("events (-want +got):\n", d)
	}
}

func recountOfEnded(b *bundle) {
	ts := b.startAll(3, task.Spec{ID: "t"})
	b.accept(succeed(ts[0]), release(ts[1], 0))
	now := b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)
	b.wantIDs(now, "t1")
	if v := b.recount(ts...); v != task.Kept {
		b.Errorf("verdict %s", v)
	}
	b.wantState("t1", task.Running)
	b.wantState("t2", task.Running)
	b.accept(succeed(now[0]), succeed(ts[2]))
}

// The replica has not read the answer to its reports yet.
func renewalOfMore(b *bundle) {
	ts := b.startAll(3, task.Spec{ID: "t"})
	b.accept(succeed(ts[0]))
	if v := b.renew("r", lease, held(ts...)...); v[0] != task.Kept {
		b.Errorf("verdict %s", v[0])
	}
	b.wantState("t1", task.Running)
}
