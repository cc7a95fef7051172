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

func queueLimitIsExact(b *bundle) {
	b.limit(task.QueueScope, "q", 3)
	for range 6 {
		b.enqueue(task.Spec{Queue: "q"})
		b.enqueue(task.Spec{Queue: "free"})
	}
	first := b.claim("q", 2)
	if n := len(b.claimAs(task.Exchange{Replica: "s"}, "q", 9)); n != 1 {
		b.Errorf("%d more started, want 1", n)
	}
	if n := len(b.claim("free", 9)); n != 6 {
		b.Errorf("%d started in a queue without a limit", n)
	}
	b.accept(succeed(first[0]))
	if n := len(b.claim("q", 9)); n != 1 {
		b.Errorf("%d started for one that ended", n)
	}
}

func poolLimitIsExact(b *bundle) {
	b.limit(task.PoolScope, "", 3)
	for range 3 {
		b.enqueueAll(task.Spec{Queue: "a"}, task.Spec{Queue: "b"})
	}
	got := b.send(task.Exchange{Claims: []task.Claim{{Queue: "a", N: 2}, {Queue: "b", N: 3}}})
	inA, inB := tasks(got, "a"), tasks(got, "b")
	if len(inA) != 2 || len(inB) != 1 {
		b.Errorf("%d and %d started, want 2 and 1", len(inA), len(inB))
	}
	b.accept(succeed(inA[0]))
	if n := len(b.claim("b", 3)); n != 1 {
		b.Errorf("%d started in b for one that ended in a", n)
	}
}

func limitsHoldUnderConcurrentClaims(b *bundle) {
	b.limit(task.QueueScope, "q", 7)
	b.limit(task.GroupsScope, "", 2)
	b.limit(task.PoolScope, "", 9)
	const n = 240
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Queue: []string{"q", "p"}[i%2], Priority: int8(i % 3)}
		if i%5 > 0 {
			specs[i].Group = fmt.Sprint("g", i%7)
		}
	}
	b.enqueueAll(specs...)
	var inQ, inPool, done atomic.Int64
	var inGroup [7]atomic.Int64
	var wg sync.WaitGroup
	for i := range 6 {
		replica := fmt.Sprint("r", i/2)
		b.present(replica)
		wg.Go(func() {
			var held []*task.Task
			for call := int64(1); done.Load() < n && b.ctx.Err() == nil; call++ {
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
				got, err := b.Store.Exchange(b.ctx, task.Exchange{Replica: replica, Sequence: 1 + i%2, Call: call, Lease: lease, Grace: grace,
					Reports: reports, Claims: []task.Claim{{Queue: "q", N: 2}, {Queue: "p", N: 2}}})
				if err != nil {
					b.Error(err)
					return
				}
				for _, t := range tasks(got) {
					if now := inPool.Add(1); now > 9 {
						b.Errorf("%d run in the pool", now)
					}
					if t.Queue == "q" {
						if now := inQ.Add(1); now > 7 {
							b.Errorf("%d run in q", now)
						}
					}
					if t.Group != "" {
						if now := inGroup[t.Group[1]-'0'].Add(1); now > 2 {
							b.Errorf("%d run of %s", now, t.Group)
						}
					}
					held = append(held, t)
				}
			}
		})
	}
	wg.Wait()
	if s := b.stats(); s.Running != 0 || s.Waiting != 0 || s.Ended[task.Succeeded] != n {
		b.Errorf("left: %d running, %d waiting, %d succeeded", s.Running, s.Waiting, s.Ended[task.Succeeded])
	}
}

func loweredLimitStartsNothing(b *bundle) {
	for range 9 {
		b.enqueue(task.Spec{Queue: "q", Group: "g"})
	}
	running := b.claim("q", 4)
	for _, s := range []task.Setting{
		{Scope: task.QueueScope, Name: "q"}, {Scope: task.PoolScope}, {Scope: task.GroupScope, Name: "g"}, {Scope: task.GroupsScope},
	} {
		s.Limit = ptr(2)
		b.configure(s)
		for range 2 {
			b.wantIDs(b.claim("q", 9))
			b.accept(succeed(running[0]))
			running = running[1:]
		}
		b.wantIDs(b.claim("q", 9))
		b.accept(succeed(running[0]))
		if n := len(b.claim("q", 9)); n != 1 {
			b.Errorf("%s: %d started below the limit, want 1", s.Scope, n)
		}
		s.Limit = ptr(0)
		b.configure(s)
		for _, t := range running[1:] {
			b.accept(succeed(t))
		}
		b.endAll("q")
		for range 9 {
			b.enqueue(task.Spec{Queue: "q", Group: "g"})
		}
		running = b.claim("q", 4)
	}
}

// endAll ends every task of the queue, running ones by reports.
func (b *bundle) endAll(queue string) {
	b.Helper()
	var all []string
	for t, err := range b.Store.Tasks(b.ctx, task.Filter{Queues: []string{queue}, States: []task.State{task.Waiting, task.Scheduled, task.Running}}) {
		b.ok(err)
		all = append(all, t.ID)
	}
	b.stopAll(all...)
	for _, id := range all {
		if t := b.get(id); t.State == task.Running {
			b.accept(fail(t, task.CodeStopped))
		}
	}
}

func raisedLimitIsUsedAtOnce(b *bundle) {
	b.serve("w", "q")
	for _, s := range []task.Setting{
		{Scope: task.QueueScope, Name: "q"}, {Scope: task.PoolScope}, {Scope: task.GroupScope, Name: "g"}, {Scope: task.GroupsScope},
	} {
		s.Limit = ptr(1)
		b.configure(s)
		for range 6 {
			b.enqueue(task.Spec{Queue: "q", Group: "g"})
		}
		if n := len(b.claim("q", 9)); n != 1 {
			b.Errorf("%s: %d started under a limit of 1", s.Scope, n)
		}
		s.Limit = ptr(3)
		b.sleep("w")
		b.configure(s)
		b.wantSignals(string(s.Scope)+" raised", "w q:q")
		if n := len(b.claim("q", 9)); n != 2 {
			b.Errorf("%s: %d more started, want 2", s.Scope, n)
		}
		s.Limit = ptr(0)
		b.configure(s)
		if n := len(b.claim("q", 9)); n != 3 {
			b.Errorf("%s: %d more started without a limit, want 3", s.Scope, n)
		}
		b.endAll("q")
	}
}

func pauseStartsNothing(b *bundle) {
	t := b.start(task.Spec{ID: "runs", Queue: "q"})
	b.enqueue(task.Spec{ID: "waits", Queue: "q"})
	b.enqueue(task.Spec{ID: "other", Queue: "p"})
	b.pause(task.QueueScope, "q", true)
	b.wantIDs(b.claim("q", 9))
	b.wantIDs(b.claim("p", 9), "other")
	b.serve("w", "q")
	b.sleep("w")
	b.accept(succeed(t))
	b.wantSignals("a slot is free in a paused queue")
	b.pause(task.QueueScope, "q", false)
	b.wantSignals("resumed", "w q:q")
	b.wantIDs(b.claim("q", 9), "waits")
}

func pausedPoolStartsNothing(b *bundle) {
	b.enqueueAll(task.Spec{ID: "a", Queue: "q"}, task.Spec{ID: "b", Queue: "p"})
	b.pause(task.PoolScope, "", true)
	b.wantIDs(b.claim("q", 9))
	b.wantIDs(b.claim("p", 9))
	if s := b.stats(); !s.Paused {
		b.Error("stats do not say that the pool is paused")
	}
	b.pause(task.PoolScope, "", false)
	b.wantIDs(b.claim("q", 9), "a")
	b.wantIDs(b.claim("p", 9), "b")
}
