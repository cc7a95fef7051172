package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var jobTokenRules = []rule{
	{"TokenOfAJobStaysValidOverTakeOvers", tokenOverTakeOvers},
	{"ReportEndsATaskBetweenTwoOwners", reportBetweenOwners},
	{"ReportOfATaskWithAJobNeedsNoCleanUp", reportNeedsNoCleanUp},
	{"FailureEndsTheTokenOfAJob", failureEndsTheToken},
	{"RepeatedTokenReplacesNoOther", repeatedToken},
}

func tokenOverTakeOvers(fx *fixture) {
	ok := task.OutsideReport{State: task.ReportSucceeded, Result: []byte("7")}
	for name, leave := range map[string]func(t *task.Task){
		"lost": func(t *task.Task) { fx.loseLeases(t) }, "released": func(t *task.Task) { fx.accept(release(t, 0)) },
	} {
		t := fx.startJob(task.Spec{ID: name, Retain: ptr(time.Hour), Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}})
		token := fx.token(t)
		leave(t)
		fx.deliver(token, task.OutsideReport{State: task.ReportProgress, Progress: []byte("0.5")})
		next := fx.takeOverJob(name)
		if string(next.Progress) != "0.5" {
			fx.Errorf("progress %q", next.Progress)
		}
		second := fx.token(next) // such as one for a repeated start of the same job
		leave(next)
		next = fx.takeOverSoon(name)
		if name == "lost" {
			token = second
		}
		fx.deliver(token, ok)
		fx.deliver(token, ok)
		fx.unchanged(name, func() {
			fx.verdict(succeed(next), task.LeaseLost)
			fx.unknownToken(token, task.OutsideReport{State: task.ReportFailed, Error: "late"})
			fx.unknownToken(task.NewToken(name), ok)
		})
		if got := fx.wantEnd(name, task.Succeeded, task.CodeOK); string(got.Result) != "7" {
			fx.Errorf("result %q", got.Result)
		}
	}
}

func reportBetweenOwners(fx *fixture) {
	fx.limit(task.QueueScope, task.DefaultQueue, 1)
	for name, leave := range map[string]func(t *task.Task){
		"taken": func(t *task.Task) { fx.loseLeases(t) }, "delayed": func(t *task.Task) { fx.accept(release(t, time.Hour)) },
	} {
		t := fx.startJob(task.Spec{ID: name, Group: "g"})
		token := fx.token(t)
		fx.enqueue(task.Spec{ID: "next"})
		leave(t)
		fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
		fx.wantNoTraceBut(name, "reported:")
		got := fx.claim(task.DefaultQueue, 9)
		fx.wantIDs(got, "next")
		fx.accept(succeed(got[0]))
	}
}

// A report from outside says that the job is over.
func reportNeedsNoCleanUp(fx *fixture) {
	for r, want := range map[*task.OutsideReport]task.State{
		{State: task.ReportFailed, Error: "no", Permanent: true}:         task.Failed,
		{State: task.ReportFailed, Error: "no", DelaySet: true}:          task.Waiting,
		{State: task.ReportReleased, Delay: time.Hour}:                   task.Scheduled,
		{State: task.ReportFailed, DelaySet: true, Delay: 2 * time.Hour}: task.Scheduled,
	} {
		t := fx.startJob(task.Spec{ID: "x", Retain: ptr(time.Duration(0))})
		fx.deliver(fx.token(t), *r)
		if got := fx.find("x"); got == nil || got.State != want || got.Job != "" || got.LastCheckpoint != nil {
			if got != nil || !want.Terminal() {
				fx.Errorf("%+v: %+v", r, got)
			}
		}
		fx.stop("x")
	}
}

func failureEndsTheToken(fx *fixture) {
	t := fx.startJob(task.Spec{ID: "x"})
	token := fx.token(t)
	fx.job(t, 2, "")
	fx.accept(failIn(t, 0))
	fx.unchanged("x", func() { fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded}) })
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.job(t, 1, "job 8")
	fx.unchanged("x", func() { fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded}) })
	fx.accept(succeed(t))
}

func repeatedToken(fx *fixture) {
	t := fx.startJob(task.Spec{ID: "x"})
	token := fx.token(t)
	_, hash, err := task.ParseToken(task.NewToken("x"))
	fx.noError(err)
	for range 5 {
		fx.noError(fx.Store.IssueToken(fx.ctx, t.Queue, attempt(t), hash))
	}
	fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
}
