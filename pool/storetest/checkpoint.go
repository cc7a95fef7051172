package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var checkpointRules = []rule{
	{"NextAttemptGetsTheCheckpoint", nextAttemptGetsTheCheckpoint},
	{"FailureAndEndRemoveTheCheckpoint", failureAndEndRemoveTheCheckpoint},
	{"OnlyTheCurrentAttemptWritesACheckpoint", onlyTheCurrentAttemptWritesACheckpoint},
	{"RepeatedCheckpointHasOneEffect", repeatedCheckpointHasOneEffect},
	{"CheckpointIsBounded", checkpointIsBounded},
	{"ClaimOfLargeCheckpointsIsBounded", claimOfLargeCheckpoints},
	{"CheckpointLeavesOtherExtras", checkpointLeavesOtherExtras},
}

// save writes the n-th checkpoint of an attempt.
func (fx *fixture) save(t *task.Task, n int64, data string) {
	fx.Helper()
	fx.noError(fx.Store.Checkpoint(fx.ctx, t.Queue, attempt(t), n, []byte(data)))
}

// wantCheckpoint checks the checkpoint of a task that was read or claimed; "" for none.
func (fx *fixture) wantCheckpoint(t *task.Task, want string) {
	fx.Helper()
	if string(t.LastCheckpoint) != want || (t.LastCheckpoint == nil) != (want == "") || t.CheckpointAt.IsZero() != (want == "") {
		fx.Errorf("task %s (%s) has the checkpoint %.60q of %v, want %.60q", t.ID, t.State, t.LastCheckpoint, t.CheckpointAt, want)
	}
}

func nextAttemptGetsTheCheckpoint(fx *fixture) {
	for name, end := range map[string]func(t *task.Task){
		"lost":      func(t *task.Task) { fx.loseLeases(t) },
		"lost late": func(t *task.Task) { fx.sendUpdate(t, "half", true); fx.loseLeases(t) },
		"release":   func(t *task.Task) { fx.accept(release(t, 0)) },
		"log":       func(t *task.Task) { fx.accept(withLog(release(t, 0), "log\n", 4)) },
		"run now": func(t *task.Task) {
			fx.accept(release(t, time.Hour))
			fx.wantCheckpoint(fx.get(t.ID), "second\x00\n")
			_, err := fx.Store.RunNow(fx.ctx, t.ID)
			fx.noError(err)
		},
		"due": func(t *task.Task) { fx.accept(release(t, time.Millisecond)); fx.waitPast(time.Millisecond) },
	} {
		t := fx.start(task.Spec{ID: fmt.Sprint("x-", len(name)), Unique: "u", Deadline: 5 * time.Hour})
		fx.wantCheckpoint(t, "")
		version := fx.get(t.ID).Version
		fx.save(t, 1, "first")
		fx.wantCheckpoint(fx.get(t.ID), "first")
		fx.save(t, 2, "second\x00\n")
		if got := fx.wantState(t.ID, task.Running); got.Version != version {
			fx.Errorf("a checkpoint changed the version from %d to %d", version, got.Version)
		}
		end(t)
		t = fx.claim(task.DefaultQueue, 1)[0]
		fx.wantCheckpoint(t, "second\x00\n")
		fx.wantCheckpoint(fx.get(t.ID), "second\x00\n")
		fx.accept(release(t, 0)) // an attempt without a checkpoint of its own
		t = fx.claim(task.DefaultQueue, 1)[0]
		fx.wantCheckpoint(t, "second\x00\n")
		fx.save(t, 1, "third")
		fx.wantCheckpoint(fx.get(t.ID), "third")
		fx.save(t, 2, "")
		fx.wantCheckpoint(fx.get(t.ID), "")
		fx.loseLeases(t)
		t = fx.claimSoon()
		fx.wantCheckpoint(t, "")
		fx.save(t, 1, "last")
		fx.accept(succeed(t))
		fx.wantNoTrace(t.ID)
	}
}

// claimSoon claims the task of the default queue, if need be at once instead of after its backoff.
func (fx *fixture) claimSoon() *task.Task {
	fx.Helper()
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Scheduled}}) {
		fx.noError(err)
		_, err = fx.Store.RunNow(fx.ctx, t.ID)
		fx.noError(err)
	}
	return fx.claim(task.DefaultQueue, 1)[0]
}

func failureAndEndRemoveTheCheckpoint(fx *fixture) {
	fx.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{"k": {}, "fragile": {MaxLost: 1}}})
	result := func(t *task.Task) task.Report { r := succeed(t); r.Result = []byte("1"); return r }
	for name, end := range map[string]struct {
		spec task.Spec
		end  func(t *task.Task)
		want task.State
	}{
		"retried":        {end: func(t *task.Task) { fx.accept(failIn(t, time.Hour)) }, want: task.Scheduled},
		"retried-soon":   {end: func(t *task.Task) { fx.accept(failIn(t, 0)) }, want: task.Waiting},
		"failed":         {end: func(t *task.Task) { fx.accept(fail(t, task.CodePermanent)) }, want: task.Failed},
		"used-up":        {spec: task.Spec{MaxAttempts: 1}, end: func(t *task.Task) { fx.accept(failIn(t, 0)) }, want: task.Failed},
		"succeeded":      {spec: task.Spec{Retain: ptr(time.Hour)}, end: func(t *task.Task) { fx.accept(succeed(t)) }, want: task.Succeeded},
		"result":         {end: func(t *task.Task) { fx.accept(result(t)) }, want: task.Succeeded},
		"stopped":        {end: func(t *task.Task) { fx.stop(t.ID); fx.accept(release(t, 0)) }, want: task.Stopped},
		"stopped-lost":   {end: func(t *task.Task) { fx.stop(t.ID); fx.loseLeases(t) }, want: task.Stopped},
		"stopped-later":  {end: func(t *task.Task) { fx.accept(release(t, time.Hour)); fx.stop(t.ID) }, want: task.Stopped},
		"past-deadline":  {spec: task.Spec{Deadline: time.Hour}, end: func(t *task.Task) { fx.accept(release(t, 2*time.Hour)) }, want: task.Failed},
		"lost-too-often": {spec: task.Spec{Kind: "fragile"}, end: func(t *task.Task) { fx.loseTwice(t) }, want: task.Failed},
	} {
		end.spec.ID = name
		t := fx.start(end.spec)
		fx.save(t, 1, "some")
		end.end(t)
		fx.wantCheckpoint(fx.wantState(name, end.want), "")
		if end.want.Terminal() {
			fx.retry(name)
		}
		t = fx.claimSoon()
		fx.wantCheckpoint(t, "")
		fx.accept(fail(t, task.CodePermanent))
		fx.remove(name)
	}

	// A lease that the attempt's own bound has cut ends with a timeout, which is a failure.
	fx.enqueue(task.Spec{ID: "late", Timeout: 100 * time.Millisecond, Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	t := fx.claimAs(task.Exchange{Grace: time.Millisecond}, task.DefaultQueue, 1)[0]
	if err := fx.Store.Checkpoint(fx.ctx, t.Queue, attempt(t), 1, []byte("some")); err != nil && !errors.Is(err, task.ErrLeaseLost) {
		fx.Error(err)
	}
	fx.waitPast(110 * time.Millisecond)
	fx.maintain()
	fx.wantCheckpoint(fx.wantEnd("late", task.Scheduled, task.CodeTimeout), "")
}

// loseTwice loses the lease of an attempt and that of the next one.
func (fx *fixture) loseTwice(t *task.Task) {
	fx.Helper()
	fx.loseLeases(t)
	next := fx.claimSoon()
	fx.wantCheckpoint(next, "some")
	fx.loseLeases(next)
}

func onlyTheCurrentAttemptWritesACheckpoint(fx *fixture) {
	refused := func(t *task.Task) {
		fx.Helper()
		fx.unchanged(t.ID, func() {
			for _, n := range []int64{1, 9} {
				if err := fx.Store.Checkpoint(fx.ctx, t.Queue, attempt(t), n, []byte("stale")); !errors.Is(err, task.ErrLeaseLost) {
					fx.Errorf("a stale attempt wrote a checkpoint: %v", err)
				}
			}
		})
	}
	old := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	fx.save(old, 1, "old")
	for _, other := range []task.Task{{Spec: task.Spec{ID: "x", Queue: "other"}, Fence: old.Fence}, {Spec: task.Spec{ID: "x", Queue: old.Queue}, Fence: old.Fence + 1},
		{Spec: task.Spec{ID: "none", Queue: old.Queue}, Fence: old.Fence}} {
		refused(&other)
	}
	fx.wantNoTrace("none")
	fx.loseLeases(old)
	refused(old)
	now := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)[0]
	fx.wantCheckpoint(now, "old")
	refused(old)
	fx.save(now, 1, "new")
	refused(old)
	fx.wantCheckpoint(fx.get("x"), "new")
	fx.accept(release(now, 0))
	refused(now)
	now = fx.claim(task.DefaultQueue, 1)[0]
	fx.wantCheckpoint(now, "new")
	fx.accept(succeed(now))
	refused(now)
	fx.remove("x")
	refused(now)
	fx.wantNoTrace("x")
}

// A call whose reply was lost is repeated. A call that the network delays may arrive after later ones.
func repeatedCheckpointHasOneEffect(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.save(t, 1, "one")
	fx.unchanged("x", func() { fx.save(t, 1, "one") })
	fx.save(t, 2, "two")
	fx.unchanged("x", func() {
		fx.save(t, 1, "one")
		fx.save(t, 2, "two")
		fx.noError(fx.Peer.Checkpoint(fx.ctx, t.Queue, attempt(t), 1, []byte("one")))
	})
	fx.save(t, 3, "")
	fx.unchanged("x", func() { fx.save(t, 2, "two") })
	fx.save(t, 10, "ten")
	fx.unchanged("x", func() { fx.save(t, 9, "nine") })
	fx.loseLeases(t)
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.save(t, 1, "first of the next attempt")
	fx.wantCheckpoint(fx.get("x"), "first of the next attempt")
	fx.accept(succeed(t))
}

func checkpointIsBounded(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	large := string(bytes.Repeat([]byte{0, 0xff, '\n', ' '}, task.MaxCheckpoint/4))
	fx.save(t, 1, large)
	fx.unchanged("x", func() {
		if err := fx.Store.Checkpoint(fx.ctx, t.Queue, attempt(t), 2, []byte(large+"+")); err == nil {
			fx.Error("a checkpoint over the limit was written")
		}
	})
	for _, brief := range []bool{false, true} {
		for got, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Running}, Brief: brief}) {
			fx.noError(err)
			if has := got.LastCheckpoint != nil; has == brief || got.CheckpointAt.IsZero() {
				fx.Errorf("brief %v: a checkpoint of %d bytes at %v", brief, len(got.LastCheckpoint), got.CheckpointAt)
			}
		}
	}
	fx.accept(release(t, 0))
	fx.wantCheckpoint(fx.claim(task.DefaultQueue, 1)[0], large)
}

// The tasks of a claim bring their checkpoints along. The reply stays bounded.
func claimOfLargeCheckpoints(fx *fixture) {
	const n = 20
	large := string(bytes.Repeat([]byte{'c'}, task.MaxCheckpoint))
	ts := fx.startAll(n, task.Spec{ID: "t"})
	for _, t := range ts {
		fx.save(t, 1, large)
		fx.accept(release(t, 0))
	}
	for left := n; left > 0; {
		got := tasks(fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: n}}}))
		if len(got) == 0 || len(got)*len(large) > 1<<20 {
			fx.Fatalf("%d of %d tasks with checkpoints of %d bytes in one answer", len(got), left, len(large))
		}
		for _, t := range got {
			fx.wantCheckpoint(t, large)
		}
		left -= len(got)
	}
}

func checkpointLeavesOtherExtras(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Reply: true, Group: "g", Headers: map[string]string{"h": "v"}})
	fx.save(t, 1, "one") // the first extra of the task
	fx.sendUpdate(t, "half", true)
	fx.sendLog(t, "log\n", 4)
	fx.save(t, 2, "two")
	fx.stop("x")
	fx.save(t, 3, "three")
	got := fx.get("x")
	fx.wantCheckpoint(got, "three")
	if string(got.Progress) != "half" || got.Log != "log\n" || got.SlowAt.IsZero() || got.StopWhy != "enough" || got.Headers["h"] != "v" {
		fx.Errorf("task %+v", got)
	}
	fx.accept(succeed(t))
	if got := fx.wantEnd("x", task.Succeeded, task.CodeOK); string(got.Progress) != "half" {
		fx.Errorf("the ended task has the progress %q", got.Progress)
	}
	fx.wantCheckpoint(fx.get("x"), "")
	fx.remove("x")
	fx.wantNoTrace("x")
}
