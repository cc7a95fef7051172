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
	fx.staging(task.Export{Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	t := fx.start(spec)
	fx.accept(stage(t, result))
	return t
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

func failPermanently(t *task.Task) task.Report { return fail(t, task.CodePermanent) }

func lostSave(fx *fixture) {
	fx.staged(task.Spec{ID: "x"}, "1")
	late := fx.claimAs(task.Exchange{Replica: "short", Lease: shortLease}, exportLine, 1)[0]
	fx.waitPast(shortLease)
	fx.maintain()
	got := fx.wantEnd("x", task.Exporting, task.CodeExport)
	if got.SavesFailed != 1 || got.Lost != 0 || got.Attempt != 1 {
		fx.Errorf("after a lost save: %+v", got)
	}
	fx.stop("x")
	fx.retry("x")
	s := fx.toSave()
	if s.Fence <= late.Fence {
		fx.Errorf("fence %d after %d", s.Fence, late.Fence)
	}
	for _, r := range []task.Report{saved(late, `"late"`), ofSave(fail(late, task.CodePermanent)), ofSave(release(late, 0))} {
		fx.unchanged("x", func() { fx.verdict(r, task.LeaseLost) })
	}
	fx.accept(saved(s, `"new"`))
	for _, r := range []task.Report{saved(late, `"late"`), ofSave(fail(late, task.CodePermanent))} {
		fx.unchanged("x", func() { fx.verdict(r, task.LeaseLost) })
	}
	if got := fx.wantEnd("x", task.Succeeded, task.CodeOK); string(got.Result) != `"new"` {
		fx.Errorf("saved %+v", got)
	}
}

func stopEndsAnExport(fx *fixture) {
	fx.staged(task.Spec{ID: "x"}, "1")
	if c := fx.stop("x"); !c.Done || c.State != task.Stopped {
		fx.Errorf("stop: %+v", c)
	}
	if got := fx.wantEnd("x", task.Stopped, task.CodeStopped); got.StagedBytes != 1 || got.StopWhy != "enough" {
		fx.Errorf("stopped: %+v", got)
	}
	fx.retry("x")
	s := fx.toSave()
	if c := fx.stop("x"); !c.Done || c.State != task.Exporting {
		fx.Errorf("stop of a save: %+v", c)
	}
	fx.accept(ofSave(fail(s, task.CodeStopped)))
	if got := fx.wantEnd("x", task.Stopped, task.CodeStopped); got.StagedBytes != 1 || got.StopWhy != "enough" {
		fx.Errorf("stopped: %+v", got)
	}
	fx.retry("x")
	s = fx.toSave()
	fx.stop("x")
	fx.accept(saved(s, "{}")) // the save wins
	fx.wantEnd("x", task.Succeeded, task.CodeOK)
}

func releasedSave(fx *fixture) {
	fx.staged(task.Spec{ID: "x"}, "1")
	for range 3 {
		fx.accept(ofSave(release(fx.toSave(), 0)))
	}
	fx.accept(ofSave(release(fx.toSave(), time.Hour)))
	if got := fx.wantState("x", task.Exporting); got.SavesFailed != 0 || got.Attempt != 1 || got.SaveAt.Before(fx.Now(fx)) {
		fx.Errorf("released: %+v", got)
	}
	if ts := fx.claim(exportLine, 1); len(ts) > 0 {
		fx.Error("saved before its delay")
	}
}

func savesObeyTheirQueue(fx *fixture) {
	fx.staging(task.Export{})
	for _, id := range []string{"a", "b", "c"} {
		fx.accept(stage(fx.start(task.Spec{ID: id}), id))
	}
	fx.pause(task.QueueScope, exportLine, true)
	if ts := fx.claim(exportLine, 5); len(ts) > 0 {
		fx.Errorf("saves %v while paused", ids(ts))
	}
	fx.pause(task.QueueScope, exportLine, false)
	fx.limit(task.QueueScope, exportLine, 2)
	first := fx.claim(exportLine, 5)
	fx.wantIDs(first, "a", "b")
	fx.accept(saved(first[0], "{}"))
	fx.wantIDs(fx.claim(exportLine, 5), "c")
}

func deadlineDoesNotEndAnExport(fx *fixture) {
	t := fx.staged(task.Spec{ID: "x", Deadline: shortLease, TTL: shortLease / 2}, "1")
	fx.waitPast(shortLease)
	fx.maintain()
	fx.wantEnd("x", task.Exporting, task.CodeOK)
	fx.accept(saved(fx.toSave(), "{}"))
	if got := fx.wantEnd("x", task.Succeeded, task.CodeOK); got.Fence != t.Fence {
		fx.Errorf("saved: %+v", got)
	}
}

func reportFromOutsideIsStaged(fx *fixture) {
	fx.staging(task.Export{})
	t := fx.start(task.Spec{ID: "x"})
	token := fx.token(t)
	detach := task.Report{ID: t.ID, Queue: t.Queue, Fence: t.Fence, Op: task.Detached, Code: task.CodeDetached, Delay: time.Hour,
		Meta: task.Meta{"m": "w"}}
	fx.accept(detach)
	r := task.OutsideReport{State: task.ReportSucceeded, Result: []byte(`{"n":1}`)}
	fx.noError(fx.Store.Report(fx.ctx, token, r))
	fx.noError(fx.Store.Report(fx.ctx, token, r)) // again
	fx.wantEnd("x", task.Exporting, task.CodeOK)
	s := fx.toSave()
	if string(s.Staged) != `{"n":1}` {
		fx.Errorf("saves %q", s.Staged)
	}
	fx.accept(saved(s, "{}"))
	fx.wantEnd("x", task.Succeeded, task.CodeOK)
	es := fx.eventsOf("x")
	if last := es[len(es)-1]; last.Meta["m"] != "w" {
		fx.Errorf("the last event is %+v", last)
	}
}

func replyFollowsTheSave(fx *fixture) {
	fx.staged(task.Spec{ID: "x", Reply: true}, `{"secret":1}`)
	fx.wantNoReply("x")
	s := fx.toSave()
	fx.wantNoReply("x")
	fx.accept(saved(s, `{"at":7}`))
	if r := fx.wantReply("x", "succeeded", ""); string(r.Result) != `{"at":7}` {
		fx.Errorf("the reply is %+v", r)
	}
	var states []task.State
	for _, e := range fx.eventsOf("x") {
		states = append(states, e.State)
		if terminal := e.State == task.Succeeded; terminal != (e.Result != nil) || terminal != e.Exported {
			fx.Errorf("event %+v", e)
		}
	}
	if d := cmp.Diff([]task.State{task.Waiting, task.Running, task.Exporting, task.Succeeded}, states); d != "" {
		fx.Errorf("states (-want +got):\n%s", d)
	}
}

func exportingTasksAreListed(fx *fixture) {
	fx.staging(task.Export{})
	for _, id := range []string{"a", "b", "c"} {
		fx.accept(stage(fx.start(task.Spec{ID: id}), id))
	}
	s := fx.claim(exportLine, 2)
	fx.accept(ofSave(release(s[0], time.Hour)))
	for _, f := range []task.Filter{{States: []task.State{task.Exporting}}, {Queues: []string{task.DefaultQueue}}, {Kinds: []string{"k"}}} {
		n := 0
		for t, err := range fx.Store.Tasks(fx.ctx, f) {
			fx.noError(err)
			if t.State != task.Exporting {
				fx.Errorf("lists %+v", t)
			}
			n++
		}
		if n != 3 {
			fx.Errorf("%+v lists %d tasks, want 3", f, n)
		}
	}
	if st := fx.stats(); st.Waiting != 1 || st.Running != 1 || st.Scheduled != 1 {
		fx.Errorf("stats %+v", st)
	}
	if cs, err := fx.Store.Delete(fx.ctx, "a", "b"); err != nil || cs[0].Done || cs[1].Done {
		fx.Errorf("deleted: %+v, %v", cs, err)
	}
	if cs, err := fx.Store.Change(fx.ctx, task.Edit{Payload: []byte("x")}, "a", "b", "c"); err != nil || cs[0].Done || cs[1].Done || cs[2].Done {
		fx.Errorf("changed: %+v, %v", cs, err)
	}
}

func kindWithoutRoomWaits(fx *fixture) {
	fx.staging(task.Export{MaxStaged: 2})
	fx.limit(task.GroupScope, "g", 1)
	start := func(queue string) *task.Task {
		fx.Helper()
		ts := fx.claim(queue, 1)
		if len(ts) != 1 {
			fx.Fatalf("claimed %v", ids(ts))
		}
		return ts[0]
	}
	specs := []task.Spec{{ID: "s1"}, {ID: "s2"}, {ID: "b1", Group: "g"}, {ID: "b2"}, {ID: "b3", Group: "g"}, {ID: "other", Kind: "x", Group: "g"},
		{ID: "b4", TTL: shortLease}, {ID: "b5"}, {ID: "b6", Queue: "q"}}
	fx.enqueueAll(specs...)
	a, b := start(task.DefaultQueue), start(task.DefaultQueue)
	fx.accept(stage(a, "1"), stage(b, "2"))

	// The group's first task of another kind starts, although tasks of the kind are ahead.
	other := fx.claim(task.DefaultQueue, 9)
	fx.wantIDs(other, "other")
	fx.wantIDs(fx.claim("q", 9))
	for _, id := range []string{"b1", "b2", "b3", "b4", "b5", "b6"} {
		fx.wantState(id, task.Waiting)
	}
	n := 0
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Waiting}, Groups: []string{"g"}}) {
		fx.noError(err)
		if n++; t.Group != "g" {
			fx.Errorf("lists %+v", t)
		}
	}
	if st := fx.checkTotals(); st.Waiting != 8 || n != 2 { // six of the kind, and two to be saved
		fx.Errorf("%d wait, want 8; lists %d of the group, want 2", st.Waiting, n)
	}
	if st := fx.stats(); len(st.Full) != 1 || st.Full[0] != "k" {
		fx.Errorf("full are %v", st.Full)
	}
	fx.checkInspection()
	if c := fx.stop("b2"); !c.Done {
		fx.Errorf("stop: %+v", c)
	}
	fx.limit(task.GroupsScope, "", 7)
	if cs, err := fx.Store.Change(fx.ctx, task.Edit{Priority: ptr[int8](5)}, "b5"); err != nil || !cs[0].Done {
		fx.Errorf("change: %+v, %v", cs, err)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.waitPast(shortLease)
	fx.maintain()
	fx.wantEnd("b4", task.Expired, task.CodeExpired)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))

	// One save makes room for tasks of the kind, best first.
	fx.accept(saved(fx.claim(exportLine, 1)[0], "{}"))
	if got := ids(append(fx.claim(task.DefaultQueue, 9), fx.claim("q", 9)...)); len(got) != 1 || got[0] != "b5" && got[0] != "b6" {
		fx.Errorf("claimed %v, want b5 or b6", got)
	}

	// Without staged results and saves, maintenance unblocks the others.
	fx.accept(saved(fx.claim(exportLine, 1)[0], "{}"))
	fx.staging(task.Export{})
	fx.accept(succeed(other[0]))
	fx.maintain()
	got := append(fx.claim(task.DefaultQueue, 9), fx.claim("q", 9)...)
	if len(got) != 2 { // b1, and what is left of b5 and b6
		fx.Fatalf("claimed %v", ids(got))
	}
	for _, t := range got {
		fx.accept(succeed(t))
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "b3")
}
