package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

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
	r := ofSave(elsewhere(fx.toSave()))
	r.Delay = 0
	fx.accept(r)
	if got := fx.wantEnd("x", task.Exporting, task.CodeReleased); got.Error != "" {
		fx.Errorf("released because of another remote: error %q", got.Error)
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
	t, short := fx.stagedShort(func(short time.Duration) task.Spec { return task.Spec{ID: "x", Deadline: short, TTL: short / 2} }, "1")
	fx.waitPast(short)
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
		{ID: "b5"}, {ID: "b6", Queue: "q"}}
	fx.enqueueAll(specs...)
	a, b := start(task.DefaultQueue), start(task.DefaultQueue)
	fx.accept(stage(a, "1"), stage(b, "2"))

	// The group's first task of another kind starts, although tasks of the kind are ahead.
	other := fx.claim(task.DefaultQueue, 9)
	fx.wantIDs(other, "other")
	fx.wantIDs(fx.claim("q", 9))
	for _, id := range []string{"b1", "b2", "b3", "b5", "b6"} {
		fx.wantState(id, task.Waiting)
	}
	n := 0
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Waiting}, Groups: []string{"g"}}) {
		fx.noError(err)
		if n++; t.Group != "g" {
			fx.Errorf("lists %+v", t)
		}
	}
	if st := fx.checkTotals(); st.Waiting != 7 || n != 2 { // five of the kind, and two to be saved
		fx.Errorf("%d wait, want 7; lists %d of the group, want 2", st.Waiting, n)
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
	fx.enqueue(task.Spec{ID: "b4", TTL: time.Millisecond})
	fx.waitPast(time.Millisecond)
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

// A result of a task with a job is staged when the job is over, also by a report from outside
// between two owners. A success of a clean-up stages nothing.
func stagedResultEndsTheJob(fx *fixture) {
	fx.staging(task.Export{})
	for id, end := range map[string]func(*task.Task){
		"reported": func(t *task.Task) { fx.accept(stage(t, "data")) },
		"outside": func(t *task.Task) {
			token := fx.token(t)
			fx.loseLeases(t)
			fx.noError(fx.Store.Report(fx.ctx, token, task.OutsideReport{State: task.ReportSucceeded, Result: []byte("data")}))
		},
	} {
		t := fx.startJob(task.Spec{ID: id})
		end(t)
		if got := fx.wantEnd(id, task.Exporting, task.CodeOK); got.Job != "" {
			fx.Errorf("%s has the job %q", id, got.Job)
		}
		s := fx.toSave()
		if string(s.Staged) != "data" || s.Job != "" {
			fx.Errorf("%s: saves %q with the job %q", id, s.Staged, s.Job)
		}
		fx.accept(saved(s, "{}"))
		fx.wantEnd(id, task.Succeeded, task.CodeOK)
	}
	t := fx.startJob(task.Spec{ID: "stopped"})
	fx.loseLeases(t)
	fx.stop("stopped")
	fx.accept(stage(fx.cleanUp("stopped", task.CodeStopped), "data"))
	fx.wantEnd("stopped", task.Stopped, task.CodeStopped)
}

// A task of a kind without room for results that has a job is taken over: it runs already.
func takeOverWithoutRoom(fx *fixture) {
	fx.staging(task.Export{MaxStaged: 1})
	job := fx.startJob(task.Spec{ID: "job"})
	fx.accept(stage(fx.start(task.Spec{ID: "first"}), "1"))
	fx.loseLeases(job)
	fx.takeOverJob("job")
}
