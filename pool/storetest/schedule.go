package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var scheduleRules = []rule{
	{"ScheduledIsNeverEarly", scheduledIsNeverEarly},
	{"RunAtInThePastMeansAtOnce", runAtInThePastMeansAtOnce},
	{"ClaimSaysWhenTheNextIsDue", claimSaysWhenTheNextIsDue},
	{"SoonerOneAddedLaterStartsFirst", soonerOneAddedLaterStartsFirst},
	{"DueTasksStartByPriority", dueTasksStartByPriority},
	{"TTLEndsATaskThatNeverStarted", ttlEndsATaskThatNeverStarted},
	{"TTLDoesNotEndATaskThatStarted", ttlDoesNotEndATaskThatStarted},
	{"DeadlineBoundsAllAttempts", deadlineBoundsAllAttempts},
	{"ClaimNeverStartsATaskThatIsTooLate", claimNeverStartsATaskThatIsTooLate},
	{"ExpiryOfAGroupsHeadLetsTheNextForward", expiryOfAGroupsHeadLetsTheNextForward},
}

func scheduledIsNeverEarly(b *bundle) {
	var specs []task.Spec
	for i := range 100 {
		s := task.Spec{ID: fmt.Sprint("t", i), Retain: ptr(time.Hour)}
		if i%2 == 0 {
			s.Delay = time.Duration(i+1) * 300 * time.Microsecond
		} else {
			s.RunAt = b.Now(b).Add(time.Duration(i+1) * 300 * time.Microsecond)
		}
		specs = append(specs, s)
	}
	before := b.Now(b)
	b.enqueueAll(specs...)
	for started := 0; started < len(specs); {
		got := b.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 100}}})
		for _, t := range tasks(got) {
			var at int
			fmt.Sscanf(t.ID, "t%d", &at)
			due := specs[at].RunAt
			if due.IsZero() {
				due = before.Add(specs[at].Delay).Truncate(time.Millisecond)
			}
			if got.Now.Before(due) {
				b.Errorf("%s started at %v, due %v", t.ID, got.Now, due)
			}
		}
		started += len(tasks(got))
		if b.ctx.Err() != nil {
			b.Fatal(b.ctx.Err())
		}
	}
}

func runAtInThePastMeansAtOnce(b *bundle) {
	r := b.enqueueAll(task.Spec{ID: "x", RunAt: time.UnixMilli(1)})[0]
	if r.State != task.Waiting {
		b.Errorf("receipt %+v", r)
	}
	b.wantIDs(b.claim(task.DefaultQueue, 1), "x")
}

func claimSaysWhenTheNextIsDue(b *bundle) {
	next := func() time.Duration {
		return b.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}).Next
	}
	if d := next(); d != 0 {
		b.Errorf("nothing is scheduled, next in %v", d)
	}
	b.enqueueAll(task.Spec{Delay: time.Hour}, task.Spec{Delay: time.Minute, Queue: "q"})
	if d := next(); d <= 50*time.Second || d > time.Minute {
		b.Errorf("next in %v, want about a minute", d)
	}
	if u := b.maintain(); u.Next <= 0 || u.Next > time.Minute {
		b.Errorf("maintenance is due in %v, want about a minute", u.Next)
	}
}

func soonerOneAddedLaterStartsFirst(b *bundle) {
	b.enqueue(task.Spec{ID: "late", Delay: time.Hour})
	b.enqueue(task.Spec{ID: "soon", Delay: time.Millisecond})
	b.passes(time.Millisecond)
	b.wantIDs(b.claim(task.DefaultQueue, 2), "soon")
}

func dueTasksStartByPriority(b *bundle) {
	b.enqueue(task.Spec{ID: "low", Delay: time.Millisecond, Priority: -1})
	b.enqueue(task.Spec{ID: "waits"})
	b.enqueue(task.Spec{ID: "high", Delay: 2 * time.Millisecond, Priority: 1})
	b.passes(2 * time.Millisecond)
	b.wantIDs(b.claim(task.DefaultQueue, 1), "high")
	b.wantIDs(b.claim(task.DefaultQueue, 2), "waits", "low")
}

func ttlEndsATaskThatNeverStarted(b *bundle) {
	b.enqueueAll(
		task.Spec{ID: "waits", TTL: time.Millisecond},
		task.Spec{ID: "scheduled", TTL: time.Millisecond, Delay: time.Hour},
		task.Spec{ID: "deadline", Deadline: time.Millisecond},
		task.Spec{ID: "stays", TTL: time.Hour},
	)
	b.passes(time.Millisecond)
	b.maintain()
	for _, id := range []string{"waits", "scheduled", "deadline"} {
		b.wantEnd(id, task.Expired, task.CodeExpired)
		es := b.eventsOf(id)
		if last := es[len(es)-1]; last.State != task.Expired || last.Attempt != 0 {
			b.Errorf("last event of %s: %+v", id, last)
		}
	}
	b.wantState("stays", task.Waiting)
}

func ttlDoesNotEndATaskThatStarted(b *bundle) {
	t := b.start(task.Spec{ID: "x", TTL: patient})
	b.accept(release(t, 0))
	b.passes(patient)
	b.maintain()
	b.wantState("x", task.Waiting)
	b.wantIDs(b.claim(task.DefaultQueue, 1), "x")
}

func deadlineBoundsAllAttempts(b *bundle) {
	// A retry that would come too late is no retry.
	t, left := b.startBounded(task.Spec{ID: "retry", Deadline: time.Minute})
	if left > time.Minute {
		b.Errorf("the attempt may take %v", left)
	}
	b.accept(failIn(t, time.Hour))
	b.wantEnd("retry", task.Failed, task.CodeDeadline)
	t = b.start(task.Spec{ID: "release", Deadline: time.Minute})
	b.accept(release(t, time.Hour))
	b.wantEnd("release", task.Failed, task.CodeDeadline)
	// One that waits for its next attempt ends when it passes.
	t = b.start(task.Spec{ID: "waits", Deadline: patient})
	b.accept(release(t, 0))
	b.passes(patient)
	b.maintain()
	b.wantEnd("waits", task.Failed, task.CodeDeadline)
	// A running one is not taken away before its lease ends.
	t = b.start(task.Spec{ID: "runs", Deadline: patient})
	b.passes(patient)
	b.maintain()
	b.wantState("runs", task.Running)
	b.accept(fail(t, task.CodeTimeout))
	b.wantEnd("runs", task.Failed, task.CodeDeadline)
}

func claimNeverStartsATaskThatIsTooLate(b *bundle) {
	b.enqueueAll(task.Spec{ID: "late", TTL: time.Millisecond}, task.Spec{ID: "fine"})
	b.passes(time.Millisecond)
	b.wantIDs(b.claim(task.DefaultQueue, 1), "fine")
	b.wantEnd("late", task.Expired, task.CodeExpired)
}

func expiryOfAGroupsHeadLetsTheNextForward(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	for range 3 {
		b.enqueue(task.Spec{Group: "g", TTL: time.Millisecond})
	}
	b.enqueue(task.Spec{ID: "last", Group: "g"})
	b.passes(time.Millisecond)
	b.wantIDs(b.claim(task.DefaultQueue, 1), "last")

	t := b.enqueue(task.Spec{Group: "h", TTL: time.Millisecond})
	b.limit(task.GroupScope, "h", 1)
	b.enqueue(task.Spec{ID: "next", Group: "h"})
	b.passes(time.Millisecond)
	b.maintain()
	b.wantEnd(t, task.Expired, task.CodeExpired)
	b.wantIDs(b.claim(task.DefaultQueue, 1), "next")
}
