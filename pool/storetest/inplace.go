package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var inPlaceRules = []rule{
	{"NextAttemptFollowsInPlace", nextAttemptFollowsInPlace},
	{"LastAttemptIsNotRetriedInPlace", lastAttemptInPlace},
	{"StoppedTaskIsNotRetriedInPlace", stoppedTaskInPlace},
	{"RetryInPlaceNeedsTheCurrentFence", staleRetryInPlace},
	{"RetryInPlaceKeepsTheOthersOfItsClaim", othersOfAClaimInPlace},
	{"RepeatedRetryInPlaceCountsOnce", repeatedRetryInPlace},
	{"UpdateOfAnEarlierAttemptInPlaceIsDropped", updatesInPlace},
	{"CheckpointOfAnEarlierAttemptInPlaceIsRefused", checkpointsInPlace},
	{"TokenOfAnEarlierAttemptInPlaceIsRefused", tokensInPlace},
	{"LostRetryInPlaceIsTakenBack", lostRetryInPlace},
}

// failInPlace returns the report of a failure after which the next attempt can follow.
func failInPlace(t *task.Task) task.Report {
	r := fail(t, task.CodeError)
	r.InPlace = true
	return r
}

func nextAttemptFollowsInPlace(fx *fixture) {
	fx.limit(task.PoolScope, "", 1)
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 3, Group: "g", Payload: []byte("{}")})
	fx.enqueue(task.Spec{ID: "y"})
	fx.verdict(withLog(failInPlace(t), "first", 5), task.Again)
	got := fx.wantState("x", task.Running)
	if got.Attempt != 2 || got.Failures != 1 || got.Fence != t.Fence || got.Code != task.CodeError || got.Error != "it broke" || got.Log != "" {
		fx.Errorf("after a failure: %+v", got)
	}
	if now := fx.Now(fx); got.StartedAt.Before(t.StartedAt) || got.StartedAt.After(now) {
		fx.Errorf("started at %v, claimed at %v, now it is %v", got.StartedAt, t.StartedAt, now)
	}
	fx.wantLogs("x", "1 error first of 5")
	if more := fx.claim(task.DefaultQueue, 1); len(more) > 0 {
		fx.Error("the place of the task was given away")
	}
	if v := fx.renew("r", lease, held(t)...); v[0] != task.Kept {
		fx.Errorf("renewal: %s", v[0])
	}
	fx.verdict(withLog(failInPlace(t), "second", 6), task.Again)
	fx.accept(succeed(t))
	fx.wantNoTrace("x")
	var events []string
	for _, e := range fx.eventsOf("x") {
		events = append(events, strings.TrimSpace(fmt.Sprint(e.Version, " ", e.State, " ", e.Attempt, " ", e.Code)))
	}
	want := []string{"1 waiting 0", "2 running 1", "3 waiting 1 error", "4 running 2", "5 waiting 2 error", "6 running 3", "7 succeeded 3 ok"}
	if d := cmp.Diff(want, events); d != "" {
		fx.Error("events (-want +got):\n", d)
	}
	if v := fx.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
		fx.Errorf("renewal after the end: %s", v[0])
	}
	if got := fx.claim(task.DefaultQueue, 1); len(got) != 1 {
		fx.Error("the place of the ended task was not freed")
	}
}

func lastAttemptInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 2})
	fx.verdict(failInPlace(t), task.Again)
	fx.accept(failInPlace(t))
	if got := fx.wantEnd("x", task.Failed, task.CodeError); got.Failures != 2 || got.Attempt != 2 {
		fx.Errorf("at the end: %+v", got)
	}
	fx.verdict(failInPlace(t), task.LeaseLost)

	late, deadline := fx.startShort(func(short time.Duration) task.Spec { return task.Spec{ID: "late", Deadline: short} })
	fx.waitPast(deadline)
	fx.accept(failInPlace(late))
	fx.wantEnd("late", task.Failed, task.CodeDeadline)
}

func stoppedTaskInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.stop("x")
	fx.accept(failInPlace(t))
	fx.wantEnd("x", task.Stopped, task.CodeStopped)

	t = fx.start(task.Spec{ID: "y"})
	fx.verdict(failInPlace(t), task.Again)
	fx.stop("y")
	if got := fx.heartbeat(task.Renewal{Held: held(t)}).Stops; !cmp.Equal(got, []task.Attempt{attempt(t)}) {
		fx.Errorf("stops %v", got)
	}
	fx.accept(fail(t, task.CodeStopped))
	fx.wantEnd("y", task.Stopped, task.CodeStopped)
}

func staleRetryInPlace(fx *fixture) {
	old := fx.start(task.Spec{ID: "x"})
	fx.loseLeases(old)
	t := fx.claim(task.DefaultQueue, 1)[0]
	fx.unchanged("x", func() { fx.verdict(failInPlace(old), task.LeaseLost) })
	if got := fx.report(failInPlace(t), failInPlace(t), succeed(t)); !cmp.Equal(got, []task.Verdict{task.LeaseLost, task.LeaseLost, task.Accepted}) &&
		!cmp.Equal(got, []task.Verdict{task.Again, task.LeaseLost, task.LeaseLost}) {
		fx.Errorf("verdicts %v: one report of an attempt counts", got)
	}
	fx.verdict(failInPlace(&task.Task{Spec: task.Spec{ID: "none", Queue: task.DefaultQueue}, Fence: t.Fence}), task.Gone)
}

func othersOfAClaimInPlace(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	ts := fx.claim(task.DefaultQueue, 3)
	reports := []task.Report{succeed(ts[0]), failInPlace(ts[1]), fail(ts[2], task.CodePermanent)}
	if got := fx.report(reports...); !cmp.Equal(got, []task.Verdict{task.Accepted, task.Again, task.Accepted}) {
		fx.Errorf("verdicts %v", got)
	}
	if v := fx.renew("r", lease, held(ts[1])...); v[0] != task.Kept {
		fx.Errorf("renewal: %s", v[0])
	}
	fx.accept(succeed(ts[1]))
	if v := fx.renew("r", lease, held(ts[1])...); v[0] != task.LeaseLost {
		fx.Errorf("renewal after the end: %s", v[0])
	}
}

func repeatedRetryInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	x := fx.complete(task.Exchange{Reports: []task.Report{failInPlace(t)}, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 3}}})
	first := fx.send(x)
	if first.Verdicts[0] != task.Again {
		fx.Fatalf("verdict %s", first.Verdicts[0])
	}
	fx.unchanged("x", func() { fx.repeat(x, first) })
}

func updatesInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	update := func(attempt int64, text string) {
		n := task.AttemptUpdate{ID: "x", Fence: t.Fence, Attempt: attempt, Progress: []byte(text), Log: text, LogSize: 9}
		fx.heartbeat(task.Renewal{Held: held(t), Updates: []task.AttemptUpdate{n}})
	}
	update(1, "one")
	fx.wantLog("x", "one", 9)
	fx.verdict(failInPlace(t), task.Again)
	fx.wantLogs("x", "1 error one of 9") // it was not reported
	fx.unchanged("x", func() { update(1, "late") })
	update(2, "two")
	fx.wantLog("x", "two", 9)
	fx.accept(failIn(t, 0))
	fx.wantLogs("x", "1 error one of 9", "2 error two of 9")
}

func checkpointsInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	write := func(number, n int64, data string) error {
		return fx.Store.Checkpoint(fx.ctx, t.Queue, task.Attempt{ID: "x", Fence: t.Fence, Number: number}, n, []byte(data))
	}
	want := func(data string) {
		fx.Helper()
		if got := fx.get("x").LastCheckpoint; string(got) != data {
			fx.Errorf("checkpoint %q, want %q", got, data)
		}
	}
	fx.noError(write(1, 7, "one"))
	want("one")
	failed := failInPlace(t)
	failed.Meta = task.Meta{"a": "b"}
	fx.verdict(failed, task.Again)
	want("") // as after any failure
	if err := write(1, 8, "late"); !errors.Is(err, task.ErrLeaseLost) {
		fx.Errorf("a late checkpoint: %v", err)
	}
	want("")
	fx.noError(write(2, 1, "two"))
	fx.noError(write(2, 1, "repeated"))
	want("two")
	fx.accept(succeed(t))
}

func tokensInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	issue := func(number int64) (token string, err error) {
		token = task.NewToken("x")
		_, hash, err := task.ParseToken(token)
		fx.noError(err)
		return token, fx.Store.IssueToken(fx.ctx, t.Queue, task.Attempt{ID: "x", Fence: t.Fence, Number: number}, hash)
	}
	first, err := issue(1)
	fx.noError(err)
	fx.verdict(failInPlace(t), task.Again)
	second, err := issue(2)
	fx.noError(err)
	late, err := issue(1)
	if !errors.Is(err, task.ErrLeaseLost) {
		fx.Errorf("a late token: %v", err)
	}
	done := task.OutsideReport{State: task.ReportSucceeded}
	for name, token := range map[string]string{"first": first, "late": late} {
		if err := fx.Store.Report(fx.ctx, token, done); !errors.Is(err, task.ErrUnknownToken) {
			fx.Errorf("a report with the %s token: %v", name, err)
		}
	}
	fx.noError(fx.Store.Report(fx.ctx, second, done))
}

func lostRetryInPlace(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.verdict(failInPlace(t), task.Again)
	fx.loseLeases(t)
	got := fx.wantState("x", task.Waiting)
	if got.Attempt != 2 || got.Failures != 1 || got.Lost != 1 {
		fx.Errorf("after the loss: %+v", got)
	}
	if next := fx.claim(task.DefaultQueue, 1)[0]; next.Attempt != 3 {
		fx.Errorf("attempt %d follows the second", next.Attempt)
	}
}
