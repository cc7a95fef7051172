package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var logRules = []rule{
	{"LogCanBeReadWhileTheAttemptRuns", logOfARunningAttempt},
	{"LogStaysWithItsAttempt", logStaysWithItsAttempt},
	{"LogThatWasNotReportedIsTheLastOneSent", unreportedLog},
	{"LogOfALostAttemptIsNotWritten", logOfALostAttempt},
	{"NextAttemptBeginsWithoutALog", nextAttemptBeginsWithoutALog},
	{"SucceededTaskWithALogIsKept", succeededTaskWithALog},
	{"ReleasesDoNotRemoveFailuresFromTheHistory", releasesInTheHistory},
	{"LogsAreBounded", logsAreBounded},
}

// sendLog renews the claim of one task with the log of its attempt.
func (fx *fixture) sendLog(t *task.Task, log string, size int64) task.Verdict {
	fx.Helper()
	n := task.AttemptUpdate{ID: t.ID, Fence: t.Fence, Log: log, LogSize: size}
	return fx.heartbeat(task.Renewal{Replica: t.Replica, Held: held(t), Updates: []task.AttemptUpdate{n}}).Verdicts[0]
}

// wantLog checks the log of the running attempt.
func (fx *fixture) wantLog(id, log string, size int64) {
	fx.Helper()
	if t := fx.get(id); t.Log != log || t.LogSize != size {
		fx.Errorf("the log of %s is %.100q of %d bytes, want %.100q of %d", id, t.Log, t.LogSize, log, size)
	}
}

// wantLogs checks the attempts in the history: "ATTEMPT CODE LOG OF SIZE".
func (fx *fixture) wantLogs(id string, want ...string) {
	fx.Helper()
	var got []string
	for _, a := range fx.history(id) {
		got = append(got, fmt.Sprintf("%d %s %s of %d", a.Attempt, a.Code, a.Log, a.LogSize))
		if a.Replica != "r" || a.At.IsZero() || a.Run < 0 {
			fx.Errorf("entry %+v", a)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		fx.Errorf("history of %s (-want +got):\n%s", id, diff)
	}
}

func withLog(r task.Report, log string, size int64) task.Report {
	r.Log, r.LogSize = log, size
	return r
}

func logOfARunningAttempt(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.wantLog("x", "", 0)
	const odd = "log\x00\n\"é\x1b[31m"
	for i, log := range []string{"one\n", "one\ntwo\n", odd, ""} {
		if v := fx.sendLog(t, log, int64(100+i)); v != task.Kept {
			fx.Fatalf("verdict %s", v)
		}
		fx.wantLog("x", log, int64(100+i))
	}
	fx.sendLog(t, odd, 200)
	fx.sendUpdate(t, "50%", true) // does not change the log
	fx.wantLog("x", odd, 200)
	if got := fx.get("x"); string(got.Progress) != "50%" {
		fx.Errorf("progress %q", got.Progress)
	}
	if es := fx.eventsOf("x"); len(es) != 3 { // waiting, running, slow
		fx.Errorf("events %v", states(es))
	}
	for _, brief := range []bool{false, true} {
		for got, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Running}, Brief: brief}) {
			fx.noError(err)
			if has := got.Log != ""; has == brief {
				fx.Errorf("brief %v: the log is %q", brief, got.Log)
			}
		}
	}
}

func logStaysWithItsAttempt(fx *fixture) {
	for name, end := range map[string]struct {
		report func(*task.Task) task.Report
		stop   bool
		code   task.Code
	}{
		"ok":       {report: succeed, code: task.CodeOK},
		"result":   {report: func(t *task.Task) task.Report { r := succeed(t); r.Result = []byte(`{"a":1}`); return r }, code: task.CodeOK},
		"fail":     {report: func(t *task.Task) task.Report { return fail(t, task.CodePermanent) }, code: task.CodePermanent},
		"retry":    {report: func(t *task.Task) task.Report { return failIn(t, time.Hour) }, code: task.CodeError},
		"release":  {report: func(t *task.Task) task.Report { return release(t, time.Hour) }, code: task.CodeReleased},
		"stop":     {report: func(t *task.Task) task.Report { return fail(t, task.CodeStopped) }, stop: true, code: task.CodeStopped},
		"released": {report: func(t *task.Task) task.Report { return release(t, 0) }, stop: true, code: task.CodeReleased},
	} {
		for _, live := range []bool{false, true} {
			id := fmt.Sprint(name, live)
			t := fx.start(task.Spec{ID: id, Retain: ptr(time.Hour)})
			if live {
				fx.sendLog(t, "early\n", 6)
			}
			if end.stop {
				fx.stop(id)
			}
			fx.accept(withLog(end.report(t), "early\nlate\n", 11))
			fx.wantLogs(id, fmt.Sprintf("1 %s early\nlate\n of 11", end.code))
			if got := fx.get(id); got.Log != "" || got.State == task.Running {
				fx.Errorf("%s: %s with the log %q", id, got.State, got.Log)
			}
			if name == "result" && string(fx.get(id).Result) != `{"a":1}` {
				fx.Errorf("result %q", fx.get(id).Result)
			}
		}
	}
}

func unreportedLog(fx *fixture) {
	for _, r := range []func(*task.Task) task.Report{
		succeed, func(t *task.Task) task.Report { return fail(t, task.CodePermanent) },
		func(t *task.Task) task.Report { return release(t, time.Hour) },
	} {
		t := fx.start(task.Spec{Retain: ptr(time.Hour)})
		fx.sendLog(t, "early\n", 6)
		fx.accept(r(t))
		fx.wantLogs(t.ID, fmt.Sprintf("1 %s early\n of 6", r(t).Code))
	}
	t := fx.start(task.Spec{ID: "lost"})
	fx.sendLog(t, "early\n", 6)
	fx.loseLeases(t)
	fx.wantLogs("lost", "1 lost early\n of 6")

	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.sendLog(t, "again\n", 6)
	fx.stop("lost")
	fx.loseLeases(t)
	fx.wantEnd("lost", task.Stopped, task.CodeStopped)
	fx.wantLogs("lost", "1 lost early\n of 6", "2 stopped again\n of 6")
}

func logOfALostAttempt(fx *fixture) {
	stale := fx.start(task.Spec{ID: "x"})
	fx.loseLeases(stale)
	if v := fx.sendLog(stale, "stale\n", 6); v != task.LeaseLost {
		fx.Errorf("verdict %s", v)
	}
	fx.wantLog("x", "", 0)
	t := fx.claim(task.DefaultQueue, 1)[0]
	for range 2 {
		fx.sendLog(stale, "stale\n", 6)
		fx.wantLog("x", "", 0)
	}
	fx.sendLog(t, "own\n", 4)
	fx.sendLog(stale, "stale\n", 6)
	fx.wantLog("x", "own\n", 4)
	fx.verdict(withLog(succeed(stale), "stale\n", 6), task.LeaseLost)
	fx.verdict(withLog(fail(stale, task.CodeError), "stale\n", 6), task.LeaseLost)
	fx.verdict(withLog(release(stale, 0), "stale\n", 6), task.LeaseLost)
	fx.wantLogs("x", "1 lost  of 0")

	fx.accept(withLog(fail(t, task.CodePermanent), "own\n", 4))
	fx.sendLog(t, "late\n", 9)
	fx.wantLogs("x", "1 lost  of 0", "2 permanent own\n of 4")
	fx.remove("x")
	fx.sendLog(t, "late\n", 9)
	fx.wantNoTrace("x")
}

func nextAttemptBeginsWithoutALog(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.sendLog(t, "first\n", 6)
	fx.accept(withLog(failIn(t, 0), "first\n", 6))
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.wantLog("x", "", 0)
	fx.accept(fail(t, task.CodePermanent))
	fx.retry("x")
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.wantLog("x", "", 0)
	if t.Log != "" {
		fx.Errorf("the attempt has the log %q", t.Log)
	}
	fx.accept(withLog(fail(t, task.CodePermanent), "third\n", 6))
	fx.wantLogs("x", "1 error first\n of 6", "2 permanent  of 0", "3 permanent third\n of 6")
}

func succeededTaskWithALog(fx *fixture) {
	fx.accept(withLog(succeed(fx.start(task.Spec{ID: "kept"})), "done\n", 5))
	if got := fx.wantEnd("kept", task.Succeeded, task.CodeOK); got.Result != nil {
		fx.Errorf("result %q", got.Result)
	}
	fx.wantLogs("kept", "1 ok done\n of 5")
	fx.remove("kept")
	fx.wantNoTrace("kept")

	t := fx.start(task.Spec{ID: "none", Retain: ptr(time.Duration(0))})
	fx.sendLog(t, "done\n", 5)
	fx.accept(withLog(succeed(t), "done\n", 5))
	fx.wantNoTrace("none")

	t = fx.start(task.Spec{ID: "short", Retain: ptr(time.Millisecond)})
	fx.accept(withLog(succeed(t), "done\n", 5))
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantNoTrace("short")
}

func releasesInTheHistory(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.accept(withLog(failIn(t, 0), "failure\n", 8))
	for i := range 2 * task.MaxHistory {
		t = fx.claim(task.DefaultQueue, 1)[0]
		fx.accept(withLog(release(t, 0), fmt.Sprint("release ", i), 9))
	}
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.accept(release(t, 0)) // without a log
	fx.wantLogs("x", "1 error failure\n of 8", "21 released release 19 of 9")
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.accept(withLog(fail(t, task.CodePermanent), `"code":"released"`, 17))
	fx.retry("x")
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.accept(withLog(release(t, time.Hour), "last", 4))
	fx.wantLogs("x", "1 error failure\n of 8", "21 released release 19 of 9", `23 permanent "code":"released" of 17`, "24 released last of 4")
}

// A task keeps a bounded number of logs, and one of an attempt that runs.
func logsAreBounded(fx *fixture) {
	log := strings.Repeat("\x1bé\n", task.MaxLogLen/4)
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 100})
	for i := range task.MaxHistory + 3 {
		fx.sendLog(t, log, int64(i+len(log)))
		fx.sendLog(t, log, int64(i+2*len(log)))
		fx.wantLog("x", log, int64(i+2*len(log)))
		fx.accept(withLog(failIn(t, 0), log, int64(i+2*len(log))))
		t = fx.claim(task.DefaultQueue, 1)[0]
	}
	h := fx.history("x")
	if len(h) != task.MaxHistory || h[0].Log != log || h[0].Attempt != 4 {
		fx.Errorf("%d entries from attempt %d on", len(h), h[0].Attempt)
	}
}
