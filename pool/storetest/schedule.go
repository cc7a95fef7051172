package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var scheduleRules = []rule{
	{"ScheduledIsNeverEarly", scheduledIsNeverEarly},
	{"RunAtInThePastMeansAtOnce", runAtInThePastMeansAtOnce},
	{"AnswerContainsTheTimeOfTheNextScheduledTask", answerHasTheNextDueTime},
	{"EarlierTaskAddedLaterStartsFirst", earlierTaskAddedLater},
	{"DueTasksStartByPriority", dueTasksStartByPriority},
	{"TTLEndsATaskThatNeverStarted", ttlEndsATaskThatNeverStarted},
	{"TTLOrDeadlineThatPassesBeforeRunAtIsRefused", boundBeforeRunAtIsRefused},
	{"TTLDoesNotEndATaskThatStarted", ttlDoesNotEndATaskThatStarted},
	{"DeadlineBoundsAllAttempts", deadlineBoundsAllAttempts},
	{"ClaimNeverStartsATaskThatIsTooLate", claimNeverStartsATaskThatIsTooLate},
	{"ExpiryOfAGroupsHeadUnblocksTheNext", expiredHeadUnblocksTheNext},
}

func scheduledIsNeverEarly(fx *fixture) {
	var specs []task.Spec
	for i := range 100 {
		s := task.Spec{ID: fmt.Sprint("t", i), Retain: ptr(time.Hour)}
		if i%2 == 0 {
			s.Delay = time.Duration(i+1) * 300 * time.Microsecond
		} else {
			s.RunAt = fx.Now(fx).Add(time.Duration(i+1) * 300 * time.Microsecond)
		}
		specs = append(specs, s)
	}
	before := fx.Now(fx)
	fx.enqueueAll(specs...)
	for started := 0; started < len(specs); {
		got := fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 100}}})
		for _, t := range tasks(got) {
			var at int
			fmt.Sscanf(t.ID, "t%d", &at)
			due := specs[at].RunAt
			if due.IsZero() {
				due = before.Add(specs[at].Delay).Truncate(time.Millisecond)
			}
			if got.Now.Before(due) {
				fx.Errorf("%s started at %v, due %v", t.ID, got.Now, due)
			}
		}
		started += len(tasks(got))
		if fx.ctx.Err() != nil {
			fx.Fatal(fx.ctx.Err())
		}
	}
}

func runAtInThePastMeansAtOnce(fx *fixture) {
	r := fx.enqueueAll(task.Spec{ID: "x", RunAt: time.UnixMilli(1)})[0]
	if r.State != task.Waiting {
		fx.Errorf("receipt %+v", r)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "x")
}

func answerHasTheNextDueTime(fx *fixture) {
	next := func() time.Duration {
		return fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}).Next
	}
	if d := next(); d != 0 {
		fx.Errorf("nothing is scheduled, next in %v", d)
	}
	fx.enqueueAll(task.Spec{Delay: time.Hour}, task.Spec{Delay: time.Minute, Queue: "q"})
	if d := next(); d <= 50*time.Second || d > time.Minute {
		fx.Errorf("next in %v, want about a minute", d)
	}
	if u := fx.maintain(); u.Next <= 0 || u.Next > time.Minute {
		fx.Errorf("maintenance is due in %v, want about a minute", u.Next)
	}
}

func earlierTaskAddedLater(fx *fixture) {
	fx.enqueue(task.Spec{ID: "late", Delay: time.Hour})
	fx.enqueue(task.Spec{ID: "soon", Delay: time.Millisecond})
	fx.waitPast(time.Millisecond)
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "soon")
}

func dueTasksStartByPriority(fx *fixture) {
	fx.enqueue(task.Spec{ID: "low", Delay: time.Millisecond, Priority: -1})
	fx.enqueue(task.Spec{ID: "waits"})
	fx.enqueue(task.Spec{ID: "high", Delay: 2 * time.Millisecond, Priority: 1})
	fx.waitPast(2 * time.Millisecond)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "high")
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "waits", "low")
}

func ttlEndsATaskThatNeverStarted(fx *fixture) {
	fx.enqueueAll(
		task.Spec{ID: "waits", TTL: time.Millisecond},
		task.Spec{ID: "scheduled", Delay: time.Millisecond, TTL: 2 * time.Millisecond},
		task.Spec{ID: "deadline", Deadline: time.Millisecond},
		task.Spec{ID: "stays", TTL: time.Hour},
	)
	fx.waitPast(2 * time.Millisecond)
	fx.maintain()
	for _, id := range []string{"waits", "scheduled", "deadline"} {
		fx.wantEnd(id, task.Expired, task.CodeExpired)
		es := fx.eventsOf(id)
		if last := es[len(es)-1]; last.State != task.Expired || last.Attempt != 0 {
			fx.Errorf("last event of %s: %+v", id, last)
		}
	}
	fx.wantState("stays", task.Waiting)
}

func boundBeforeRunAtIsRefused(fx *fixture) {
	const says = "must be longer than the time until run_at: the task would end before it may start"
	at := fx.Now(fx).Add(time.Hour)
	specs := []task.Spec{
		{ID: "ttl", RunAt: at, TTL: 30 * time.Minute},
		{ID: "deadline", RunAt: at, TTL: 2 * time.Hour, Deadline: 30 * time.Minute, Unique: "u"},
		{ID: "both", RunAt: at, TTL: time.Minute, Deadline: time.Millisecond},
		{ID: "longer", RunAt: at, TTL: 2 * time.Hour, Deadline: 3 * time.Hour, Unique: "u"},
		{ID: "past", RunAt: fx.Now(fx).Add(-time.Hour), TTL: time.Minute},
		{RunAt: at, TTL: time.Minute},
	}
	want := []string{"ttl " + says, "deadline " + says, "ttl " + says + "\ndeadline " + says, "", "", "ttl " + says}
	for i, r := range fx.enqueueAll(specs...) {
		var field *task.FieldError
		switch {
		case want[i] == "" && (r.Err != nil || r.State == ""):
			fx.Errorf("%s: %+v", specs[i].ID, r)
		case want[i] != "" && (r.Err == nil || r.Err.Error() != want[i] || !errors.As(r.Err, &field) || r.State != "" || r.Duplicate):
			fx.Errorf("%s: %+v, want the error %q", specs[i].ID, r, want[i])
		}
	}
	if s := fx.stats(); s.Enqueued != 2 {
		fx.Errorf("%d tasks were made", s.Enqueued)
	}
	ms := at.UnixMilli()
	fx.Push(fx, fmt.Sprintf(`{"kind":"k","id":"ttl","run_at_ms":%d,"ttl_ms":60000,"deadline_ms":1,"reply":true}`, ms),
		fmt.Sprintf(`{"kind":"k","id":"made","run_at_ms":%d,"ttl_ms":7200000}`, ms))
	fx.admit()
	rejected := "ttl_ms " + says + "; deadline_ms " + says
	rejected = strings.ReplaceAll(rejected, "run_at", "run_at_ms")
	if got := fx.Rejects(fx); len(got) != 1 || got[0] != rejected {
		fx.Errorf("rejected %q, want %q", got, rejected)
	}
	if got, _ := fx.Replies(fx, "ttl"); len(got) != 1 || !strings.Contains(got[0], `"code":"invalid"`) || !strings.Contains(got[0], rejected) {
		fx.Errorf("replies %q", got)
	}
	fx.wantState("made", task.Scheduled)
}

func ttlDoesNotEndATaskThatStarted(fx *fixture) {
	t, ttl := fx.startShort(func(short time.Duration) task.Spec { return task.Spec{ID: "x", TTL: short} })
	fx.accept(release(t, 0))
	fx.waitPast(ttl)
	fx.maintain()
	fx.wantState("x", task.Waiting)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "x")
}

func deadlineBoundsAllAttempts(fx *fixture) {
	// A retry that would start after the deadline is not made.
	t, left := fx.startBounded(task.Spec{ID: "retry", Deadline: time.Minute})
	if left > time.Minute {
		fx.Errorf("the attempt may take %v", left)
	}
	fx.accept(failIn(t, time.Hour))
	fx.wantEnd("retry", task.Failed, task.CodeDeadline)
	t = fx.start(task.Spec{ID: "release", Deadline: time.Minute})
	fx.accept(release(t, time.Hour))
	fx.wantEnd("release", task.Failed, task.CodeDeadline)
	// A task that waits for its next attempt ends at the deadline.
	t, deadline := fx.startShort(func(short time.Duration) task.Spec { return task.Spec{ID: "waits", Deadline: short} })
	fx.accept(release(t, 0))
	fx.waitPast(deadline)
	fx.maintain()
	fx.wantEnd("waits", task.Failed, task.CodeDeadline)
	// A running task keeps running until its lease ends.
	t, _ = fx.startShort(func(short time.Duration) task.Spec { return task.Spec{ID: "runs", Deadline: short} })
	fx.waitPast(t.DeadlineAt.Sub(fx.Now(fx)))
	fx.maintain()
	fx.wantState("runs", task.Running)
	fx.accept(fail(t, task.CodeTimeout))
	fx.wantEnd("runs", task.Failed, task.CodeDeadline)
}

func claimNeverStartsATaskThatIsTooLate(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "late", TTL: time.Millisecond}, task.Spec{ID: "fine"})
	fx.waitPast(time.Millisecond)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "fine")
	fx.wantEnd("late", task.Expired, task.CodeExpired)
}

func expiredHeadUnblocksTheNext(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	for range 3 {
		fx.enqueue(task.Spec{Group: "g", TTL: time.Millisecond})
	}
	fx.enqueue(task.Spec{ID: "last", Group: "g"})
	fx.waitPast(time.Millisecond)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "last")

	t := fx.enqueue(task.Spec{Group: "h", TTL: time.Millisecond})
	fx.limit(task.GroupScope, "h", 1)
	fx.enqueue(task.Spec{ID: "next", Group: "h"})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantEnd(t, task.Expired, task.CodeExpired)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "next")
}
