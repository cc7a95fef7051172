package storetest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of a renewal that counts fewer open attempts than the store has, because
// the store lost reports that it had accepted, or the replica never read the answer to
// a claim.
var recountRules = []rule{
	{"RenewalOfFewerAttemptsIsAnsweredRecount", renewalOfFewer},
	{"RecountTakesBackUnlistedAttempts", recountTakesBack},
	{"RecountUsesNoAttemptAndKeepsTheFence", recountUsesNoAttempt},
	{"RecountEndsStoppedAttempts", recountEndsStoppedAttempts},
	{"RecountWritesNothingOfWhatItTakesBack", recountWritesNothing},
	{"RecountListsEndedAttempts", recountOfEnded},
	{"RenewalOfMoreAttemptsIsKept", renewalOfMore},
}

// recount renews a claim with the ids of the attempts that its replica holds.
func (fx *fixture) recount(ts ...*task.Task) task.Verdict {
	fx.Helper()
	h := held(ts...)[0]
	h.IDs = ids(ts)
	return fx.renew(ts[0].Replica, lease, h)[0]
}

func renewalOfFewer(fx *fixture) {
	ts := fx.startAll(5, task.Spec{ID: "t"})
	other := fx.startAll(2, task.Spec{ID: "o"})
	for range 2 {
		v := fx.renew("r", lease, held(append(slices.Clone(other), ts[:3]...)...)...)
		if d := cmp.Diff([]task.Verdict{task.Kept, task.Recount}, v); d != "" {
			fx.Error("verdicts (-want +got):\n", d)
		}
		for _, t := range ts {
			fx.wantState(t.ID, task.Running)
		}
	}
	// The lease is extended nevertheless.
	fx.renew("r", shortLease, held(ts[:3]...)...)
	if v := fx.renew("r", time.Hour, held(ts[:3]...)...); v[0] != task.Recount {
		fx.Errorf("renewal: %s", v[0])
	}
	fx.waitPast(shortLease)
	if u := fx.maintain(); u.Claims != 0 || u.Lost != 0 {
		fx.Errorf("maintenance %+v, want nothing lost", u)
	}
}

func recountTakesBack(fx *fixture) {
	ts := fx.startAll(5, task.Spec{ID: "t"})
	if v := fx.recount(ts[1], ts[3]); v != task.Kept {
		fx.Errorf("verdict %s", v)
	}
	for i, t := range ts {
		if i == 1 || i == 3 {
			fx.wantState(t.ID, task.Running)
			continue
		}
		fx.wantEnd(t.ID, task.Waiting, task.CodeLost)
		fx.verdict(succeed(t), task.LeaseLost)
	}
	if v := fx.renew("r", lease, held(ts[1], ts[3])...); v[0] != task.Kept {
		fx.Errorf("renewal afterwards: %s", v[0])
	}
	fx.unchanged("t0", func() { fx.recount(ts[1], ts[3]) })
	fx.wantIDs(fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 9), "t0", "t2", "t4")
	fx.accept(succeed(ts[1]), succeed(ts[3]))
	if v := fx.renew("r", lease, held(ts[1])...); v[0] != task.LeaseLost {
		fx.Errorf("renewal of the claim that ended: %s", v[0])
	}
}

func recountUsesNoAttempt(fx *fixture) {
	ts := fx.startAll(2, task.Spec{ID: "t", MaxAttempts: 1})
	fx.recount(ts[1])
	if got := fx.get("t0"); got.Lost != 1 || got.Failures != 0 || got.Fence == 0 {
		fx.Errorf("taken back: %+v", got)
	}
	again := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(again, "t0")
	if again[0].Fence <= ts[0].Fence || again[0].Attempt != 2 {
		fx.Errorf("fence %d after %d, attempt %d", again[0].Fence, ts[0].Fence, again[0].Attempt)
	}
	fx.accept(succeed(ts[1]), succeed(again[0]))
}

func recountEndsStoppedAttempts(fx *fixture) {
	ts := fx.startAll(2, task.Spec{ID: "t"})
	fx.stop("t0")
	fx.recount(ts[1])
	fx.wantEnd("t0", task.Stopped, task.CodeStopped)
	if got := fx.send(task.Exchange{}); len(got.Stops) != 0 {
		fx.Errorf("stops %v", got.Stops)
	}
}

func recountWritesNothing(fx *fixture) {
	ts := fx.startAll(2, task.Spec{ID: "t"})
	h := held(ts[1])
	h[0].IDs = []string{"t1"}
	updates := []task.AttemptUpdate{{ID: "t0", Fence: ts[0].Fence, Progress: []byte("half"), Slow: true}, {ID: "t1", Fence: ts[1].Fence, Slow: true}}
	fx.heartbeat(task.Renewal{Held: h, Updates: updates})
	if got := fx.wantEnd("t0", task.Waiting, task.CodeLost); got.Progress != nil || got.Version != 3 {
		fx.Errorf("taken back: %+v", got)
	}
	if d := cmp.Diff([]string{"waiting", "running", "waiting lost"}, states(fx.eventsOf("t0"))); d != "" {
		fx.Error("events (-want +got):\n", d)
	}
	if d := cmp.Diff([]string{"waiting", "running", "running slow"}, states(fx.eventsOf("t1"))); d != "" {
		fx.Error("events (-want +got):\n", d)
	}
}

func recountOfEnded(fx *fixture) {
	ts := fx.startAll(3, task.Spec{ID: "t"})
	fx.accept(succeed(ts[0]), release(ts[1], 0))
	now := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)
	fx.wantIDs(now, "t1")
	if v := fx.recount(ts...); v != task.Kept {
		fx.Errorf("verdict %s", v)
	}
	fx.wantState("t1", task.Running)
	fx.wantState("t2", task.Running)
	fx.accept(succeed(now[0]), succeed(ts[2]))
}

// The replica has not read the answer to its reports yet.
func renewalOfMore(fx *fixture) {
	ts := fx.startAll(3, task.Spec{ID: "t"})
	fx.accept(succeed(ts[0]))
	if v := fx.renew("r", lease, held(ts...)...); v[0] != task.Kept {
		fx.Errorf("verdict %s", v[0])
	}
	fx.wantState("t1", task.Running)
}
