package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of jumps of the store's clock.
var clockRules = []rule{
	{"ClockForwardLosesLeasesAndNoAttempt", clockForward},
	{"ClockForwardIsNoLossForAReplicaThatRenewsFirst", clockForwardRenewed},
	{"ClockBackHoldsNoLeaseLongerThanItsLength", clockBackLease},
	{"ClockBackKeepsNoDeadReplicaOnTheList", clockBackReplica},
	{"ClockBackDelaysNoTaskThatWaits", clockBackWaiting},
	{"ScheduledTasksFollowTheClock", clockSchedule},
}

// jump sets the clock and lets maintenance see it, which may find replicas silent.
func (b *bundle) jump(d time.Duration) task.Maintenance {
	b.Helper()
	b.SetClock(b, d)
	clear(b.on)
	return b.maintain()
}

func clockForward(b *bundle) {
	b.SetClock(b, 0)
	b.maintain()
	for i, timeout := range []time.Duration{0, 10 * time.Minute, task.Forever} {
		t := b.start(task.Spec{ID: fmt.Sprint("t", i), Timeout: timeout, MaxAttempts: 1})
		b.jump(time.Hour * time.Duration(i+1))
		if got := b.wantEnd(t.ID, task.Waiting, task.CodeLost); got.Failures != 0 || got.Lost != 1 {
			b.Errorf("timeout %v: %d failures, lost %d", timeout, got.Failures, got.Lost)
		}
		b.verdict(succeed(t), task.LeaseLost)
		b.accept(succeed(b.claim(task.DefaultQueue, 1)[0]))
	}
}

func clockForwardRenewed(b *bundle) {
	b.SetClock(b, 0)
	b.maintain()
	ts := b.startAll(3, task.Spec{ID: "t", Timeout: 10 * time.Minute, MaxAttempts: 1})
	b.SetClock(b, time.Hour)
	h := held(ts...)
	h[0].Left = 9 * time.Minute
	if v := b.renew("r", lease, h...); v[0] != task.Kept {
		b.Errorf("renewal: %s", v[0])
	}
	if u := b.maintain(); u.Lost != 0 {
		b.Errorf("maintenance %+v", u)
	}
	b.accept(succeedAll(ts)...)
	if s := b.stats(); s.Ended[task.Succeeded] != 3 {
		b.Errorf("stats %+v", s)
	}
}

func clockBackLease(b *bundle) {
	b.SetClock(b, 0)
	b.present("r")
	b.maintain()
	dead := b.startAll(2, task.Spec{ID: "dead", MaxAttempts: 1})
	alive := b.startAll(2, task.Spec{ID: "alive", MaxAttempts: 1})
	b.limit(task.QueueScope, task.DefaultQueue, 4)
	b.enqueue(task.Spec{ID: "next"})
	b.jump(-time.Hour)
	for i := range 4 {
		if v := b.renew("r", lease, held(alive...)...); v[0] != task.Kept {
			b.Errorf("renewal: %s", v[0])
		}
		b.jump(-time.Hour + time.Duration(i+1)*lease/3)
	}
	for _, t := range dead {
		if got := b.wantEnd(t.ID, task.Waiting, task.CodeLost); got.Failures != 0 {
			b.Errorf("%s has %d failures", t.ID, got.Failures)
		}
	}
	again := b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 9)
	b.wantIDs(again, "dead0", "dead1")
	if again[0].Fence <= alive[0].Fence {
		b.Errorf("fence %d after %d", again[0].Fence, alive[0].Fence)
	}
	b.accept(succeedAll(alive)...)
	b.wantIDs(b.claim(task.DefaultQueue, 9), "next")
}

func clockBackReplica(b *bundle) {
	b.SetClock(b, 0)
	b.join(task.Registration{Replica: "dead", Lease: lease})
	b.join(task.Registration{Replica: "alive", Lease: lease})
	b.maintain()
	b.jump(-time.Hour)
	for i := range 4 {
		b.heartbeat(task.Renewal{Replica: "alive"})
		b.jump(-time.Hour + time.Duration(i+1)*lease/2)
	}
	rs, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	if len(rs) != 1 || rs[0].ID != "alive" {
		b.Errorf("replicas %+v", rs)
	}
}

func clockBackWaiting(b *bundle) {
	b.SetClock(b, 0)
	b.serve("w", "q")
	b.sleep("w")
	b.enqueue(task.Spec{ID: "before", Queue: "q"})
	b.wantSignals("before", "w q:q")
	b.wantIDs(b.claimAs(task.Exchange{Replica: "w"}, "q", 1), "before")
	b.sleep("w")
	b.jump(-time.Hour)
	b.enqueue(task.Spec{ID: "after", Queue: "q"})
	b.wantSignals("after", "w q:q")
	b.wantIDs(b.claimAs(task.Exchange{Replica: "w"}, "q", 1), "after")
	for _, e := range b.events() {
		if e.Wait > time.Minute || e.Run > time.Minute {
			b.Errorf("event %+v", e)
		}
	}
}

func clockSchedule(b *bundle) {
	b.SetClock(b, 0)
	b.enqueueAll(task.Spec{ID: "soon", Delay: time.Minute}, task.Spec{ID: "late", Delay: 2 * time.Hour},
		task.Spec{ID: "bounded", Delay: 3 * time.Hour, TTL: 30 * time.Minute})
	b.jump(-time.Hour)
	b.wantIDs(b.claim(task.DefaultQueue, 9))
	b.jump(time.Hour)
	b.wantIDs(b.claim(task.DefaultQueue, 9), "soon")
	b.wantEnd("bounded", task.Expired, task.CodeExpired)
	b.wantState("late", task.Scheduled)
}
