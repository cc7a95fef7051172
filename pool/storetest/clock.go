package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The rules about jumps of the store's clock.
var clockRules = []rule{
	{"ClockForwardLosesLeasesAndNoAttempt", clockForward},
	{"ClockForwardIsNoLossForAReplicaThatRenewsFirst", clockForwardRenewed},
	{"ClockBackHoldsNoLeaseLongerThanItsLength", clockBackLease},
	{"ClockBackHoldsNoTaskOutsideLongerThanItsTime", clockBackOutside},
	{"ClockBackKeepsNoDeadReplicaOnTheList", clockBackReplica},
	{"ClockBackDelaysNoTaskThatWaits", clockBackWaiting},
	{"ClockBackDelaysNoTaskThatWaitsForARate", clockRate},
	{"ScheduledTasksFollowTheClock", clockSchedule},
	{"ExchangeKeepsTheReplicaOnTheList", clockExchange},
	{"ClockBackLeavesARepeatedTaskADuplicate", clockDuplicate},
	{"JobWhoseCleanUpsFailIsAnOrphan", jobIsAnOrphan},
	{"CleanUpThatIsReleasedElsewhereForADayLeavesAnOrphan", cleanUpElsewhere},
	{"JobOfAHostWithoutReplicasWaits", jobOfAHost},
	{"TokenOfAReplicaThatHasGoneIsValidUntilTheTimeout", tokenOfAReplicaThatHasGone},
	{"InspectionReportsAClockThatWasSetBack", clockReported},
}

// jump sets the clock and runs maintenance, which may find replicas silent.
func (fx *fixture) jump(d time.Duration) task.Maintenance {
	fx.Helper()
	fx.SetClock(fx, d)
	clear(fx.joined)
	return fx.maintain()
}

func clockForward(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.maintain()
	for i, timeout := range []time.Duration{0, 10 * time.Minute, task.Forever} {
		t := fx.start(task.Spec{ID: fmt.Sprint("t", i), Timeout: timeout, MaxAttempts: 1})
		fx.jump(time.Hour * time.Duration(i+1))
		if got := fx.wantEnd(t.ID, task.Waiting, task.CodeLost); got.Failures != 0 || got.Lost != 1 {
			fx.Errorf("timeout %v: %d failures, lost %d", timeout, got.Failures, got.Lost)
		}
		fx.verdict(succeed(t), task.LeaseLost)
		fx.accept(succeed(fx.claim(task.DefaultQueue, 1)[0]))
	}
}

func clockForwardRenewed(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.maintain()
	ts := fx.startAll(3, task.Spec{ID: "t", Timeout: 10 * time.Minute, MaxAttempts: 1})
	fx.SetClock(fx, time.Hour)
	h := held(ts...)
	h[0].Left = 9 * time.Minute
	if v := fx.renew("r", lease, h...); v[0] != task.Kept {
		fx.Errorf("renewal: %s", v[0])
	}
	if u := fx.maintain(); u.Lost != 0 {
		fx.Errorf("maintenance %+v", u)
	}
	fx.accept(succeedAll(ts)...)
	if s := fx.stats(); s.Ended[task.Succeeded] != 3 {
		fx.Errorf("stats %+v", s)
	}
}

func clockBackLease(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.ensureJoined("r")
	fx.maintain()
	dead := fx.startAll(2, task.Spec{ID: "dead", MaxAttempts: 1})
	alive := fx.startAll(2, task.Spec{ID: "alive", MaxAttempts: 1})
	fx.limit(task.QueueScope, task.DefaultQueue, 4)
	fx.enqueue(task.Spec{ID: "next"})
	fx.jump(-time.Hour)
	for i := range 4 {
		if v := fx.renew("r", lease, held(alive...)...); v[0] != task.Kept {
			fx.Errorf("renewal: %s", v[0])
		}
		fx.jump(-time.Hour + time.Duration(i+1)*lease/3)
	}
	for _, t := range dead {
		if got := fx.wantEnd(t.ID, task.Waiting, task.CodeLost); got.Failures != 0 {
			fx.Errorf("%s has %d failures", t.ID, got.Failures)
		}
	}
	again := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 9)
	fx.wantIDs(again, "dead0", "dead1")
	if again[0].Fence <= alive[0].Fence {
		fx.Errorf("fence %d after %d", again[0].Fence, alive[0].Fence)
	}
	fx.accept(succeedAll(alive)...)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "next")
}

func clockBackOutside(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.maintain()
	const within = 10 * time.Minute
	ts := fx.startAll(3, task.Spec{ID: "t", MaxAttempts: 1})
	for _, t := range ts {
		fx.token(t)
		fx.accept(detached(t, within))
	}
	fx.jump(-time.Hour)
	fx.jump(-time.Hour + within - time.Minute)
	for _, t := range ts {
		if got := fx.wantState(t.ID, task.Running); got.OutsideUntil.After(fx.Now(fx).Add(time.Minute + time.Second)) {
			fx.Errorf("%s is outside until %v, now is %v", t.ID, got.OutsideUntil, fx.Now(fx))
		}
	}
	if u := fx.jump(-time.Hour + within + time.Minute); u.TimedOut != len(ts) {
		fx.Errorf("maintenance %+v", u)
	}
	for _, t := range ts {
		fx.wantEnd(t.ID, task.Failed, task.CodeTimeout)
	}
}

func clockBackReplica(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.join(task.Registration{Replica: "dead", Lease: lease})
	fx.join(task.Registration{Replica: "alive", Lease: lease})
	fx.maintain()
	fx.jump(-time.Hour)
	for i := range 4 {
		fx.heartbeat(task.Renewal{Replica: "alive"})
		fx.jump(-time.Hour + time.Duration(i+1)*lease/2)
	}
	rs, err := fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	if len(rs) != 1 || rs[0].ID != "alive" {
		fx.Errorf("replicas %+v", rs)
	}
}

func clockBackWaiting(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.serve("w", "q")
	fx.becomeIdle("w")
	fx.enqueue(task.Spec{ID: "before", Queue: "q"})
	fx.wantSignals("before", "w q:q")
	fx.wantIDs(fx.claimAs(task.Exchange{Replica: "w"}, "q", 1), "before")
	fx.becomeIdle("w")
	fx.jump(-time.Hour)
	fx.enqueue(task.Spec{ID: "after", Queue: "q"})
	fx.wantSignals("after", "w q:q")
	fx.wantIDs(fx.claimAs(task.Exchange{Replica: "w"}, "q", 1), "after")
	for _, e := range fx.events() {
		if e.Wait > time.Minute || e.Run > time.Minute {
			fx.Errorf("event %+v", e)
		}
	}
}

// A jump forward returns at most the burst, a jump back delays the next token by no more than its time.
func clockRate(fx *fixture) {
	fx.SetClock(fx, 0)
	const burst, every = 2, 10 * time.Second
	rate := task.PerMinute(6).WithBurst(burst)
	fx.rate(task.QueueScope, "q", rate)
	fx.rate(task.GroupScope, "g", rate)
	fx.enqueueMany(20, task.Spec{Queue: "q"})
	fx.enqueueMany(20, task.Spec{Queue: "p", Group: "g"})
	started := func(at time.Duration, n int) {
		fx.Helper()
		fx.jump(at)
		for _, queue := range []string{"q", "p"} {
			got := 0
			for {
				ts := fx.claim(queue, 9)
				if len(ts) == 0 {
					break
				}
				got += len(ts)
				fx.accept(succeedAll(ts)...)
			}
			if got != n {
				fx.Errorf("%d of queue %s started at %v, want %d", got, queue, at, n)
			}
		}
	}
	started(0, burst)
	started(time.Hour, burst)
	started(0, 0)
	started(every+time.Second, 1)
	started(-time.Hour, 0)
	started(-time.Hour+2*every+time.Second, 2)
	started(-2*time.Hour, 0)
	started(-2*time.Hour+every+time.Second, 1)
}

func clockSchedule(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.enqueueAll(task.Spec{ID: "soon", Delay: time.Minute}, task.Spec{ID: "late", Delay: 2 * time.Hour},
		task.Spec{ID: "bounded", Queue: "other", TTL: 30 * time.Minute})
	fx.jump(-time.Hour)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.jump(time.Hour)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "soon")
	fx.wantEnd("bounded", task.Expired, task.CodeExpired)
	fx.wantState("late", task.Scheduled)
}

// After an outage the first call of a replica may be an exchange that claims tasks. Maintenance of
// another replica, for which the last renewal is too old, must not take these tasks back.
func clockExchange(fx *fixture) {
	for r, sinceJoin := range map[string]time.Duration{"late": lease * 3 / 4, "silent": lease * 3 / 2} {
		fx.SetClock(fx, 0)
		fx.join(task.Registration{Replica: r, Lease: lease})
		fx.enqueue(task.Spec{ID: r})
		fx.SetClock(fx, sinceJoin)
		ts := fx.claimAs(task.Exchange{Replica: r, Lease: lease}, task.DefaultQueue, 1)
		fx.wantIDs(ts, r)
		fx.SetClock(fx, sinceJoin+lease/2)
		fx.maintain()
		if v := fx.renew(r, lease, held(ts...)...); v[0] != task.Kept {
			fx.Errorf("%s: renewal: %v", r, v[0])
		}
		fx.accept(succeed(ts[0]))
	}
	fx.SetClock(fx, 0)
	fx.join(task.Registration{Replica: "back", Lease: lease})
	fx.SetClock(fx, -2*lease)
	fx.maintain() // the entry on the list ends a lease from now
	fx.SetClock(fx, -2*lease+lease*3/4)
	fx.claimAs(task.Exchange{Replica: "back", Lease: lease}, task.DefaultQueue, 1)
	fx.SetClock(fx, -2*lease+lease*5/4)
	fx.maintain()
	fx.heartbeat(task.Renewal{Replica: "back"})
}

// By a clock that went back, a TTL may pass before the run-at time of a task that was made before.
func clockDuplicate(fx *fixture) {
	fx.SetClock(fx, 0)
	spec := task.Spec{ID: "t", RunAt: time.Now().Add(time.Minute), TTL: 65 * time.Second}
	fx.enqueue(spec)
	fx.jump(-10 * time.Second)
	if r := fx.enqueueAll(spec); !r[0].Duplicate {
		fx.Errorf("receipt %+v", r[0])
	}
}

func clockReported(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.join(task.Registration{Replica: "r"})
	fx.enqueue(task.Spec{ID: "retried", Delay: time.Second})
	fx.maintain()
	want := func(what string, behind ...string) {
		fx.Helper()
		var got []string
		for f, err := range fx.Store.Inspect(fx.ctx, task.Inspection{}) {
			fx.noError(err)
			if f.Check == "clock" {
				d, err := time.ParseDuration(strings.Fields(f.What)[7])
				fx.noError(err)
				got = append(got, d.Round(10*time.Minute).String())
			}
		}
		if !slices.Equal(got, behind) {
			fx.Errorf("%s the inspection says that the clock is behind by %v, want %v", what, got, behind)
		}
	}
	want("before the jump")
	fx.jump(-time.Hour)
	want("after a jump back", "1h0m0s")
	fx.jump(-2 * time.Hour)
	want("after a second jump back", "2h0m0s")
	fx.jump(-30 * time.Minute)
	want("after a partial correction", "30m0s")
	fx.jump(time.Second)
	want("after the correction")
	fx.jump(time.Hour)
	want("after a jump forward")
}
