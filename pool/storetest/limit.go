package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ltsworker/ltsworker/task"
)

var limitRules = []rule{
	{"QueueLimitIsExact", queueLimitIsExact},
	{"PoolLimitIsExact", poolLimitIsExact},
	{"LimitsHoldUnderConcurrentClaims", limitsHoldUnderConcurrentClaims},
	{"LoweredLimitStartsNothingUntilBelow", loweredLimitStartsNothing},
	{"RaisedLimitIsUsedAtOnce", raisedLimitIsUsedAtOnce},
	{"PauseStartsNothing", pauseStartsNothing},
	{"PausedPoolStartsNothing", pausedPoolStartsNothing},
}

func queueLimitIsExact(fx *fixture) {
	fx.limit(task.QueueScope, "q", 3)
	for range 6 {
		fx.enqueue(task.Spec{Queue: "q"})
		fx.enqueue(task.Spec{Queue: "free"})
	}
	first := fx.claim("q", 2)
	if n := len(fx.claimAs(task.Exchange{Replica: "s"}, "q", 9)); n != 1 {
		fx.Errorf("%d more started, want 1", n)
	}
	if n := len(fx.claim("free", 9)); n != 6 {
		fx.Errorf("%d started in a queue without a limit", n)
	}
	fx.accept(succeed(first[0]))
	if n := len(fx.claim("q", 9)); n != 1 {
		fx.Errorf("%d started for one that ended", n)
	}
}

func poolLimitIsExact(fx *fixture) {
	fx.limit(task.PoolScope, "", 3)
	for range 3 {
		fx.enqueueAll(task.Spec{Queue: "a"}, task.Spec{Queue: "b"})
	}
	got := fx.send(task.Exchange{Claims: []task.Claim{{Queue: "a", N: 2}, {Queue: "b", N: 3}}})
	inA, inB := tasks(got, "a"), tasks(got, "b")
	if len(inA) != 2 || len(inB) != 1 {
		fx.Errorf("%d and %d started, want 2 and 1", len(inA), len(inB))
	}
	fx.accept(succeed(inA[0]))
	if n := len(fx.claim("b", 3)); n != 1 {
		fx.Errorf("%d started in b for one that ended in a", n)
	}
}

func limitsHoldUnderConcurrentClaims(fx *fixture) {
	fx.limit(task.QueueScope, "q", 7)
	fx.limit(task.GroupsScope, "", 2)
	fx.limit(task.PoolScope, "", 9)
	const n = 240
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Queue: []string{"q", "p"}[i%2], Priority: int8(i % 3)}
		if i%5 > 0 {
			specs[i].Group = fmt.Sprint("g", i%7)
		}
	}
	fx.enqueueAll(specs...)
	var inQ, inPool, done atomic.Int64
	var inGroup [7]atomic.Int64
	var wg sync.WaitGroup
	for i := range 6 {
		replica := fmt.Sprint("r", i/2)
		fx.ensureJoined(replica)
		wg.Go(func() {
			var held []*task.Task
			for call := int64(1); done.Load() < n && fx.ctx.Err() == nil; call++ {
				var reports []task.Report
				for len(held) > 0 && (len(held) > 2 || call%3 == 0) {
					t := held[0]
					held = held[1:]
					inPool.Add(-1)
					if t.Queue == "q" {
						inQ.Add(-1)
					}
					if t.Group != "" {
						inGroup[t.Group[1]-'0'].Add(-1)
					}
					reports = append(reports, succeed(t))
				}
				done.Add(int64(len(reports)))
				got, err := fx.Store.Exchange(fx.ctx, task.Exchange{Replica: replica, Sequence: 1 + i%2, Call: call, Lease: lease, Grace: grace,
					Reports: reports, Claims: []task.Claim{{Queue: "q", N: 2}, {Queue: "p", N: 2}}})
				if err != nil {
					fx.Error(err)
					return
				}
				for _, t := range tasks(got) {
					if now := inPool.Add(1); now > 9 {
						fx.Errorf("%d run in the pool", now)
					}
					if t.Queue == "q" {
						if now := inQ.Add(1); now > 7 {
							fx.Errorf("%d run in q", now)
						}
					}
					if t.Group != "" {
						if now := inGroup[t.Group[1]-'0'].Add(1); now > 2 {
							fx.Errorf("%d run of %s", now, t.Group)
						}
					}
					held = append(held, t)
				}
			}
		})
	}
	wg.Wait()
	if s := fx.stats(); s.Running != 0 || s.Waiting != 0 || s.Ended[task.Succeeded] != n {
		fx.Errorf("left: %d running, %d waiting, %d succeeded", s.Running, s.Waiting, s.Ended[task.Succeeded])
	}
}

func loweredLimitStartsNothing(fx *fixture) {
	for range 9 {
		fx.enqueue(task.Spec{Queue: "q", Group: "g"})
	}
	running := fx.claim("q", 4)
	for _, s := range []task.Setting{
		{Scope: task.QueueScope, Name: "q"}, {Scope: task.PoolScope}, {Scope: task.GroupScope, Name: "g"}, {Scope: task.GroupsScope},
	} {
		s.Limit = ptr(2)
		fx.configure(s)
		for range 2 {
			fx.wantIDs(fx.claim("q", 9))
			fx.accept(succeed(running[0]))
			running = running[1:]
		}
		fx.wantIDs(fx.claim("q", 9))
		fx.accept(succeed(running[0]))
		if n := len(fx.claim("q", 9)); n != 1 {
			fx.Errorf("%s: %d started below the limit, want 1", s.Scope, n)
		}
		s.Limit = ptr(0)
		fx.configure(s)
		for _, t := range running[1:] {
			fx.accept(succeed(t))
		}
		fx.endAll("q")
		for range 9 {
			fx.enqueue(task.Spec{Queue: "q", Group: "g"})
		}
		running = fx.claim("q", 4)
	}
}

// endAll ends every task of the queue; running ones with a report.
func (fx *fixture) endAll(queue string) {
	fx.Helper()
	var all []string
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{Queues: []string{queue}, States: []task.State{task.Waiting, task.Scheduled, task.Running}}) {
		fx.noError(err)
		all = append(all, t.ID)
	}
	fx.stopAll(all...)
	for _, id := range all {
		if t := fx.get(id); t.State == task.Running {
			fx.accept(fail(t, task.CodeStopped))
		}
	}
}

func raisedLimitIsUsedAtOnce(fx *fixture) {
	fx.serve("w", "q")
	for _, s := range []task.Setting{
		{Scope: task.QueueScope, Name: "q"}, {Scope: task.PoolScope}, {Scope: task.GroupScope, Name: "g"}, {Scope: task.GroupsScope},
	} {
		s.Limit = ptr(1)
		fx.configure(s)
		for range 6 {
			fx.enqueue(task.Spec{Queue: "q", Group: "g"})
		}
		if n := len(fx.claim("q", 9)); n != 1 {
			fx.Errorf("%s: %d started under a limit of 1", s.Scope, n)
		}
		s.Limit = ptr(3)
		fx.becomeIdle("w")
		fx.configure(s)
		fx.wantSignals(string(s.Scope)+" raised", "w q:q")
		if n := len(fx.claim("q", 9)); n != 2 {
			fx.Errorf("%s: %d more started, want 2", s.Scope, n)
		}
		s.Limit = ptr(0)
		fx.configure(s)
		if n := len(fx.claim("q", 9)); n != 3 {
			fx.Errorf("%s: %d more started without a limit, want 3", s.Scope, n)
		}
		fx.endAll("q")
	}
}

func pauseStartsNothing(fx *fixture) {
	t := fx.start(task.Spec{ID: "runs", Queue: "q"})
	fx.enqueue(task.Spec{ID: "waits", Queue: "q"})
	fx.enqueue(task.Spec{ID: "other", Queue: "p"})
	fx.pause(task.QueueScope, "q", true)
	fx.wantIDs(fx.claim("q", 9))
	fx.wantIDs(fx.claim("p", 9), "other")
	fx.serve("w", "q")
	fx.becomeIdle("w")
	fx.accept(succeed(t))
	fx.wantSignals("a slot is free in a paused queue")
	fx.pause(task.QueueScope, "q", false)
	fx.wantSignals("resumed", "w q:q")
	fx.wantIDs(fx.claim("q", 9), "waits")
}

func pausedPoolStartsNothing(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a", Queue: "q"}, task.Spec{ID: "b", Queue: "p"})
	fx.pause(task.PoolScope, "", true)
	fx.wantIDs(fx.claim("q", 9))
	fx.wantIDs(fx.claim("p", 9))
	if s := fx.stats(); !s.Paused {
		fx.Error("the stats do not show that the pool is paused")
	}
	fx.pause(task.PoolScope, "", false)
	fx.wantIDs(fx.claim("q", 9), "a")
	fx.wantIDs(fx.claim("p", 9), "b")
}
