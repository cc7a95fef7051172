package storetest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var exportRules = []rule{
	{"ResultIsStagedUntilItIsSaved", resultIsStaged},
	{"StagingFreesSlotLimitsAndGroup", stagingFreesLimits},
	{"StagingKeepsTheUniqueKey", stagingKeepsTheUniqueKey},
	{"FailedSaveIsRepeatedAndTheHandlerIsNot", failedSaveIsRepeated},
	{"SaveThatFailsForGoodKeepsTheResult", saveThatFailsForGood},
	{"RetryExportsAgainAndRerunRuns", retryExportsAgain},
	{"LostSaveCountsAndAnOldFenceIsRefused", lostSave},
	{"StopEndsAnExport", stopEndsAnExport},
	{"ReleasedSaveUsesNoAttempt", releasedSave},
	{"SavesObeyPauseAndLimitOfTheirQueue", savesObeyTheirQueue},
	{"DeadlineDoesNotEndAnExport", deadlineDoesNotEndAnExport},
	{"ReportFromOutsideIsStaged", reportFromOutsideIsStaged},
	{"ReplyAndEventFollowTheSave", replyFollowsTheSave},
	{"ExportingTasksAreListed", exportingTasksAreListed},
	{"KindWithoutRoomForResultsWaits", kindWithoutRoomWaits},
	{"JobIsOverWhenTheResultIsStaged", stagedResultEndsTheJob},
	{"KindWithoutRoomForResultsIsTakenOver", takeOverWithoutRoom},
}

const exportLine = task.ExportQueue + "k"

// staging makes the kind "k" one with an exporter.
func (fx *fixture) staging(e task.Export) {
	fx.Helper()
	_, err := fx.Store.Join(fx.ctx, task.Registration{Replica: "saver", Lease: time.Hour,
		Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}, exportLine: {Workers: 9}},
		Kinds:  map[string]task.Policy{"k": {}}, Exports: map[string]task.Export{"k": e}})
	fx.noError(err)
}

// stage reports a success whose result has to be saved.
func stage(t *task.Task, result string) task.Report {
	r := succeed(t)
	r.Result, r.Stage = []byte(result), true
	return r
}

// staged starts a task and stages its result.
func (fx *fixture) staged(spec task.Spec, result string) *task.Task {
	fx.Helper()
	t, _ := fx.stagedShort(func(time.Duration) task.Spec { return spec }, result)
	return t
}

// stagedShort is like staged, for a spec with a short bound: see startShort.
func (fx *fixture) stagedShort(spec func(short time.Duration) task.Spec, result string) (*task.Task, time.Duration) {
	fx.Helper()
	fx.staging(task.Export{Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	t, short := fx.startShort(spec)
	fx.accept(stage(t, result))
	return t, short
}

// toSave claims the one task that waits to be saved.
func (fx *fixture) toSave() *task.Task {
	fx.Helper()
	got := fx.claim(exportLine, 5)
	if len(got) != 1 {
		fx.Fatalf("claimed %v for saves, want one", ids(got))
	}
	return got[0]
}

// ofSave returns a report on a save.
func ofSave(r task.Report) task.Report {
	r.Queue = exportLine
	return r
}

// saved reports that a result was saved.
func saved(t *task.Task, ref string) task.Report {
	r := ofSave(succeed(t))
	r.Result = []byte(ref)
	return r
}

func resultIsStaged(fx *fixture) {
	for i, result := range []string{"", `{"n":1}`, "text", "\xff\x00", string(bytes.Repeat([]byte{'x'}, task.MaxStagedResult))} {
		id := fmt.Sprint("x", i)
		r := fx.staged(task.Spec{ID: id, Headers: map[string]string{"h": "v"}, Payload: []byte("p")}, result)
		fx.verdict(stage(r, "again"), task.LeaseLost)
		got := fx.wantEnd(id, task.Exporting, task.CodeOK)
		if got.Result != nil || got.Staged != nil || got.StagedBytes != int64(len(result)) || got.Attempt != 1 || got.Queue != task.DefaultQueue {
			fx.Errorf("%d bytes, staged: %+v", len(result), got)
		}
		s := fx.toSave()
		if s.State != task.Exporting || string(s.Staged) != result || s.Attempt != 1 || s.Fence <= r.Fence || string(s.Payload) != "p" ||
			s.Queue != task.DefaultQueue || s.TimeLeft != task.DefaultExportTimeout || s.StagedGeneration != 0 {
			fx.Errorf("%d bytes, to save: state %s, %d bytes, attempt %d, fence %d after %d, left %v, queue %s", len(result), s.State, len(s.Staged), s.Attempt, s.Fence, r.Fence, s.TimeLeft, s.Queue)
		}
		fx.wantState(id, task.Exporting)
		fx.accept(saved(s, `{"at":7}`))
		got = fx.wantEnd(id, task.Succeeded, task.CodeOK)
		if string(got.Result) != `{"at":7}` || !got.Exported || got.StagedBytes != 0 || got.Replica != r.Replica || got.Fence != r.Fence {
			fx.Errorf("%d bytes, saved: %+v", len(result), got)
		}
		fx.remove(id)
		fx.wantNoTrace(id)
	}
}

func stagingFreesLimits(fx *fixture) {
	fx.limit(task.PoolScope, "", 1)
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{ID: "a", Group: "g"}, task.Spec{ID: "b", Group: "g"})
	fx.staging(task.Export{})
	a := fx.claim(task.DefaultQueue, 2)
	fx.wantIDs(a, "a")
	fx.accept(stage(a[0], "1"))
	b := fx.claim(task.DefaultQueue, 2)
	fx.wantIDs(b, "b")
	s := fx.toSave() // although the limit of the pool is used up
	if s.Group != "g" {
		fx.Errorf("the save is of the group %q", s.Group)
	}
	fx.accept(stage(b[0], "2"))
	fx.accept(saved(s, "{}"))
	fx.accept(saved(fx.toSave(), "{}"))
	es := fx.eventsOf("a")
	if last := es[len(es)-1]; last.Group != "g" || last.Queue != task.DefaultQueue || last.State != task.Succeeded {
		fx.Errorf("the last event is %+v", last)
	}
}

func stagingKeepsTheUniqueKey(fx *fixture) {
	fx.staged(task.Spec{ID: "a", Unique: "u"}, "1")
	if r := fx.enqueueAll(task.Spec{ID: "b", Unique: "u"})[0]; !r.Duplicate || r.ID != "a" || r.State != task.Exporting {
		fx.Errorf("receipt %+v", r)
	}
	fx.accept(saved(fx.toSave(), "{}"))
	if r := fx.enqueueAll(task.Spec{ID: "b", Unique: "u"})[0]; r.Duplicate {
		fx.Errorf("receipt %+v", r)
	}
}

func failedSaveIsRepeated(fx *fixture) {
	fx.staged(task.Spec{ID: "x", MaxAttempts: 1}, "1")
	fx.accept(ofSave(fail(fx.toSave(), task.CodeError)))
	if got := fx.wantEnd("x", task.Exporting, task.CodeExport); got.SavesFailed != 1 || got.Failures != 0 || got.SaveAt.Sub(fx.Now(fx)) < time.Minute {
		fx.Errorf("after a failed save: %+v", got)
	}
	if ts := fx.claim(exportLine, 1); len(ts) > 0 {
		fx.Error("saved before its backoff")
	}
	fx.stop("x")
	fx.retry("x")
	fx.staging(task.Export{Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}})
	for n := 1; n <= 3; n++ {
		fx.accept(ofSave(fail(fx.toSave(), task.CodeTimeout)))
		if got := fx.wantEnd("x", task.Exporting, task.CodeExport); got.SavesFailed != n || got.Error != "it broke" {
			fx.Errorf("after failure %d: %+v", n, got)
		}
		fx.waitPast(2 * time.Millisecond)
		fx.maintain()
	}
	if ts := fx.claim(task.DefaultQueue, 5); len(ts) > 0 {
		fx.Errorf("runs again: %+v", ts[0])
	}
	fx.accept(saved(fx.toSave(), "{}"))
	if got := fx.wantEnd("x", task.Succeeded, task.CodeOK); got.Attempt != 1 || got.Error != "" || got.SavesFailed != 0 {
		fx.Errorf("saved: %+v", got)
	}
}

func saveThatFailsForGood(fx *fixture) {
	fx.staging(task.Export{MaxAttempts: 1})
	for _, code := range []task.Code{task.CodeError, task.CodePermanent, task.CodeBadPayload} {
		id := string(code)
		t := fx.start(task.Spec{ID: id, Headers: map[string]string{"h": "v"}})
		r := stage(t, "the result")
		r.Meta = task.Meta{"m": "w"}
		fx.accept(r)
		fx.accept(ofSave(fail(fx.toSave(), code)))
		got := fx.wantEnd(id, task.Failed, task.CodeExport)
		if got.StagedBytes != 10 || got.Result != nil || got.Failures != 0 {
			fx.Errorf("%s: %+v", code, got)
		}
		es := fx.eventsOf(id)
		last := es[len(es)-1]
		if d := cmp.Diff(map[string]string{"h": "v", "m": "w"}, last.Meta); d != "" || last.Error == "" || last.Attempt != 1 || last.Replica != t.Replica {
			fx.Errorf("%s: the last event is %+v; meta (-want +got):\n%s", code, last, d)
		}
	}
}

func retryExportsAgain(fx *fixture) {
	fx.staging(task.Export{MaxAttempts: 1})
	fail := func() {
		fx.Helper()
		fx.accept(ofSave(fail(fx.toSave(), task.CodePermanent)))
		fx.wantEnd("x", task.Failed, task.CodeExport)
	}
	fx.accept(stage(fx.start(task.Spec{ID: "x", Unique: "u"}), "first"))
	fail()
	if c := fx.retry("x"); c.State != task.Exporting || !c.Done {
		fx.Errorf("retry: %+v", c)
	}
	if r := fx.enqueueAll(task.Spec{ID: "y", Unique: "u"})[0]; !r.Duplicate {
		fx.Error("the unique key is free")
	}
	s := fx.toSave()
	if string(s.Staged) != "first" || s.Generation != 1 || s.StagedGeneration != 0 || s.SavesFailed != 0 {
		fx.Errorf("exported again: %+v", s)
	}
	fx.accept(ofSave(release(s, 0)))
	fail()
	for _, e := range []task.Edit{{Rerun: true}, {Payload: []byte("new")}} {
		cs, err := fx.Store.Retry(fx.ctx, e, "x")
		fx.noError(err)
		if cs[0].State != task.Waiting {
			fx.Errorf("%+v: %+v", e, cs[0])
		}
		t := fx.claim(task.DefaultQueue, 1)[0]
		if t.StagedBytes != 0 || t.State != task.Running || e.Payload != nil && string(t.Payload) != "new" {
			fx.Errorf("%+v: %+v", e, t)
		}
		fx.accept(stage(t, "second"))
		if s := fx.toSave(); string(s.Staged) != "second" || s.StagedGeneration != s.Generation {
			fx.Errorf("%+v: saves %+v", e, s)
		} else {
			fx.accept(ofSave(failPermanently(s)))
		}
	}
	fx.retry("x")
	fx.accept(saved(fx.toSave(), "{}"))
	if got := fx.wantEnd("x", task.Succeeded, task.CodeOK); got.Generation != 4 || got.Error != "" {
		fx.Errorf("saved: %+v", got)
	}
	if c := fx.retry("x"); c.State != task.Waiting { // nothing is staged any more
		fx.Errorf("retry: %+v", c)
	}
}
