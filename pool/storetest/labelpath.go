package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func lineIsSignalled(fx *fixture) {
	fx.labelled("plain")
	fx.labelled("gpu", "gpu")
	fx.joinLabelled(task.Registration{Replica: "x", Labels: []string{"gpu", "eu"}, Exclusive: true})
	for _, c := range []struct {
		labels []string
		want   []string
	}{
		{nil, []string{"gpu", "plain"}}, {[]string{"gpu"}, []string{"gpu", "x"}}, {[]string{"eu", "gpu"}, []string{"x"}}, {[]string{"cpu"}, nil},
	} {
		fx.becomeIdle("plain", "gpu", "x")
		fx.put("", c.labels...)
		got := fx.signalledFor("q")
		slices.Sort(got)
		if d := cmp.Diff(c.want, got); d != "" {
			fx.Errorf("signalled for %v (-want +got):\n%s", c.labels, d)
		}
		for _, r := range []string{"plain", "gpu", "x"} {
			for _, t := range fx.take(r, 9) {
				fx.accept(succeed(t))
			}
		}
	}
}

func everyPathThatMakesALineClaimable(fx *fixture) {
	sleep := func() { fx.becomeIdle("w") }
	start := func(spec task.Spec) *task.Task {
		spec.Queue, spec.Labels = "q", []string{"gpu"}
		fx.enqueue(spec)
		fx.labelled("s", "gpu", "other")
		return fx.take("s", 1)[0]
	}
	later := task.Spec{Queue: "q", Delay: time.Hour, Labels: []string{"gpu"}}
	paths := map[string]func(){
		"enqueue":              func() { sleep(); fx.put("", "gpu") },
		"grouped":              func() { sleep(); fx.enqueue(task.Spec{Queue: "q", Group: "g", Labels: []string{"gpu"}}) },
		"inbox":                func() { sleep(); fx.Push(fx, `{"kind":"k","queue":"q","labels":["gpu"]}`); fx.admit() },
		"due":                  func() { fx.idleBefore("w", "gpu"); fx.maintain() },
		"retry by an operator": func() { id := fx.put("", "gpu"); fx.stop(id); sleep(); fx.retry(id) },
		"run now":              func() { id := fx.enqueue(later); sleep(); fx.runNow(id) },
		"release":              func() { t := start(task.Spec{}); sleep(); fx.acceptOf("s", release(t, 0)) },
		"retry at once":        func() { t := start(task.Spec{}); sleep(); fx.acceptOf("s", failIn(t, 0)) },
		"lost lease":           func() { t := start(task.Spec{}); sleep(); fx.loseLeases(t) },
		"resume": func() {
			fx.pause(task.QueueScope, "q", true)
			fx.put("", "gpu")
			sleep()
			fx.pause(task.QueueScope, "q", false)
		},
		"resume of the pool": func() {
			fx.pause(task.PoolScope, "", true)
			fx.put("", "gpu")
			sleep()
			fx.pause(task.PoolScope, "", false)
		},
	}
	for _, exclusive := range []bool{false, true} {
		fx.joinLabelled(task.Registration{Replica: "w", Labels: []string{"gpu"}, Exclusive: exclusive})
		for path, f := range paths {
			f()
			if !slices.Contains(fx.signalledFor("q"), "w") {
				fx.Errorf("%s, exclusive %v: not signalled", path, exclusive)
			}
			got := fx.take("w", 5)
			if len(got) != 1 {
				fx.Errorf("%s, exclusive %v: %d started", path, exclusive, len(got))
			}
			for _, t := range got {
				fx.acceptOf("w", succeed(t))
			}
		}
		fx.noError(fx.Store.Leave(fx.ctx, "w"))
	}
}

// acceptOf sends a report of a replica.
func (fx *fixture) acceptOf(replica string, r task.Report) {
	fx.Helper()
	if got := fx.send(task.Exchange{Replica: replica, Reports: []task.Report{r}}); got.Verdicts[0] != task.Accepted {
		fx.Fatalf("report on %s: %s", r.ID, got.Verdicts[0])
	}
}

func roomIsSignalledToLines(fx *fixture) {
	fx.labelled("r")
	fx.joinLabelled(task.Registration{Replica: "x", Labels: []string{"gpu"}, Host: "h", Exclusive: true})
	for name, s := range map[string]task.Setting{
		"queue": {Scope: task.QueueScope, Name: "q"}, "pool": {Scope: task.PoolScope}, "group": {Scope: task.GroupScope, Name: "g"},
	} {
		for _, label := range []string{"gpu", "id=x", "host=h"} {
			s.Limit = ptr(1)
			fx.configure(s)
			fx.enqueue(task.Spec{Queue: "q", Group: "g"})
			running := fx.take("r", 1)
			fx.enqueue(task.Spec{ID: "waits", Queue: "q", Group: "g", Labels: []string{label}})
			fx.wantIDs(fx.take("x", 1))
			fx.becomeIdle("x")
			fx.acceptOf("r", succeed(running[0]))
			if !slices.Contains(fx.signalledFor("q"), "x") {
				fx.Errorf("limit of the %s: %s was not signalled", name, label)
			}
			got := fx.take("x", 1)
			fx.wantIDs(got, "waits")
			fx.acceptOf("x", succeed(got[0]))
			s.Limit = ptr(0)
			fx.configure(s)
		}
	}
}

// Each replica has a line of its own. The idle one is signalled after all busy ones.
func roomIsSignalledToManyLines(fx *fixture) {
	const busy = 70
	for i := range busy {
		r := fmt.Sprint("busy", i)
		fx.labelled(r)
		fx.put(fmt.Sprint(i), "id="+r)
	}
	fx.labelled("idle")
	fx.becomeIdle("idle")
	fx.pause(task.QueueScope, "q", true)
	fx.put("last", "id=idle")
	fx.pause(task.QueueScope, "q", false)
	fx.wantSignalled("resume", "idle")
	fx.limit(task.QueueScope, "q", 1)
	for range 3 {
		running := fx.take("busy0", 1)
		fx.wantIDs(running, "0")
		fx.wantIDs(fx.take("idle", 1))
		fx.becomeIdle("idle")
		fx.acceptOf("busy0", release(running[0], time.Hour))
		fx.wantSignalled("a free place", "idle")
		fx.runNow("0")
	}
	fx.wantIDs(fx.take("idle", 1), "last")
}

func limitsHoldOverLines(fx *fixture) {
	fx.limit(task.QueueScope, "q", 5)
	fx.labelled("a", "a")
	fx.labelled("b", "b")
	for range 6 {
		fx.put("", "a")
		fx.put("", "b")
		fx.put("")
	}
	if n := len(fx.take("a", 4)) + len(fx.take("b", 4)) + len(fx.take("a", 4)); n != 5 {
		fx.Errorf("%d run, the limit is 5", n)
	}
}

func groupLimitHoldsOverLines(fx *fixture) {
	fx.limit(task.GroupScope, "g", 2)
	fx.labelled("a", "a")
	fx.labelled("ab", "a", "b")
	for i := range 12 {
		fx.enqueue(task.Spec{ID: fmt.Sprint(i), Queue: "q", Group: "g", Labels: [][]string{{"a"}, {"b"}, nil}[i%3]})
	}
	running := append(fx.take("ab", 9), fx.take("a", 9)...)
	for left := 10; ; left-- {
		if len(running) != min(2, left+2) {
			fx.Fatalf("%d run, %d wait", len(running), left)
		}
		if left <= 0 {
			return
		}
		fx.acceptOf(running[0].Replica, succeed(running[0]))
		running = append(running[1:], fx.take("ab", 9)...)
	}
}

func blockedHeadStarvesNoOtherLine(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	fx.labelled("a", "a")
	group := func(id string, labels ...string) {
		fx.enqueue(task.Spec{ID: id, Queue: "q", Group: "g", Labels: labels})
	}
	group("first")
	running := fx.take("a", 9)
	group("nowhere", "nowhere")
	group("second", "a")
	group("third")
	for _, next := range []string{"second", "third"} {
		fx.wantIDs(fx.take("a", 9))
		fx.acceptOf("a", succeed(running[0]))
		running = fx.take("a", 9)
		fx.wantIDs(running, next)
	}
}

func capCountsAllLines(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(4)})
	fx.limit(task.GroupScope, "g", 1)
	fx.put("1")
	fx.put("2", "a")
	fx.enqueue(task.Spec{Queue: "q", Group: "g", Labels: []string{"a"}})
	fx.enqueue(task.Spec{Queue: "q", Group: "g", Labels: []string{"a"}})
	for _, labels := range [][]string{nil, {"a"}, {"b"}} {
		r := fx.enqueueAll(task.Spec{Queue: "q", Labels: labels})[0]
		if !errors.Is(r.Err, task.ErrQueueFull) {
			fx.Errorf("labels %v: %v", labels, r.Err)
		}
	}
	fx.stop("2")
	fx.put("5", "b")
}

func labelledTaskReturnsToItsLine(fx *fixture) {
	fx.labelled("plain")
	fx.labelled("gpu", "gpu")
	again := map[string]func(t *task.Task){
		"failure": func(t *task.Task) { fx.acceptOf("gpu", failIn(t, 0)) },
		"release": func(t *task.Task) { fx.acceptOf("gpu", release(t, 0)) },
		"loss": func(t *task.Task) {
			fx.loseLeases(t) // of the replica, too
			fx.labelled("gpu", "gpu")
		},
		"later": func(t *task.Task) {
			fx.acceptOf("gpu", failIn(t, time.Hour))
			fx.runNow(t.ID)
		},
		"priority": func(t *task.Task) {
			fx.acceptOf("gpu", release(t, 0))
			fx.reprioritize(7, t.ID)
		},
		"stop and retry": func(t *task.Task) {
			fx.acceptOf("gpu", release(t, 0))
			fx.stop(t.ID)
			fx.retry(t.ID)
		},
	}
	for _, f := range again {
		for _, group := range []string{"", "g"} {
			fx.limit(task.GroupScope, "g", 1)
			id := fx.enqueue(task.Spec{Queue: "q", Group: group, Labels: []string{"gpu"}})
			got := fx.take("gpu", 1)
			fx.wantIDs(got, id)
			f(got[0])
			fx.wantIDs(fx.take("plain", 1))
			got = fx.take("gpu", 1)
			fx.wantIDs(got, id)
			fx.acceptOf("gpu", succeed(got[0]))
		}
	}
}

func jobIsTakenOverWhereTheLabelsAre(fx *fixture) {
	fx.labelled("plain")
	fx.labelled("a", "gpu")
	fx.joinLabelled(task.Registration{Replica: "x", Labels: []string{"gpu"}, Exclusive: true})
	fx.put("t", "gpu")
	got := fx.take("a", 1)
	fx.job(got[0], 1, "job 7")
	fx.becomeIdle("x", "plain")
	fx.limit(task.QueueScope, "q", 1)
	fx.acceptOf("a", release(got[0], 0))
	if s := fx.signalledFor("q"); !slices.Contains(s, "x") || slices.Contains(s, "plain") {
		fx.Errorf("signalled: %v", s)
	}
	fx.wantIDs(fx.take("plain", 1))
	got = fx.take("x", 1)
	fx.wantIDs(got, "t")
	fx.acceptOf("x", succeed(got[0]))
}

func noHandlerWhereTheLabelsAre(fx *fixture) {
	fx.labelled("plain")
	fx.joinLabelled(task.Registration{Replica: "gpu", Labels: []string{"gpu"}, Kinds: map[string]task.Policy{"other": {}}})
	fx.enqueue(task.Spec{ID: "t", Queue: "q", Labels: []string{"gpu"}, MaxAttempts: 1})
	got := fx.take("gpu", 1)
	fx.acceptOf("gpu", reportOn(got[0], task.Release, task.CodeNoHandler))
	fx.wantEnd("t", task.Failed, task.CodeNoHandler)
}

func statsAndListsHaveAllLines(fx *fixture) {
	fx.put("1")
	fx.put("2", "b", "a")
	fx.put("3", "a", "b")
	fx.put("4", "id=x", "a")
	q := fx.stats().Queues[0]
	want := []task.LineInfo{{Labels: []string{"a", "b"}, Waiting: 2}, {Labels: []string{"id=x", "a"}, Waiting: 1}}
	if d := cmp.Diff(want, q.Lines); d != "" || q.Waiting != 4 || q.MoreLines != 0 || q.GroupsFull {
		fx.Errorf("%+v (-want +got):\n%s", q, d)
	}
	var ids []string
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Waiting}, Queues: []string{"q"}}) {
		fx.noError(err)
		ids = append(ids, t.ID)
	}
	if d := cmp.Diff([]string{"1", "2", "3", "4"}, ids); d != "" {
		fx.Errorf("waiting (-want +got):\n%s", d)
	}
	since, _, err := fx.Store.WaitingSince(fx.ctx, "q")
	fx.noError(err)
	fx.stop("1")
	second, _, err := fx.Store.WaitingSince(fx.ctx, "q")
	fx.noError(err)
	if since["q"].IsZero() || second["q"].Before(since["q"]) {
		fx.Errorf("waiting since %v, then %v", since["q"], second["q"])
	}
}

func emptyLineLeavesNoTrace(fx *fixture) {
	fx.labelled("r", "lbl")
	for _, labels := range [][]string{{"lbl"}, {"lbl", "elsewhere"}} {
		for _, end := range []func(id string){
			func(id string) { fx.stop(id) },
			func(id string) {
				fx.waitPast(shortLease)
				fx.maintain()
			},
			func(id string) {
				for _, t := range fx.take("r", 1) {
					fx.acceptOf("r", succeed(t))
				}
				fx.stop(id)
			},
		} {
			id := fx.enqueue(task.Spec{Queue: "q", Group: "g", Labels: labels, TTL: shortLease, Retain: ptr(time.Duration(0))})
			end(id)
			fx.wantNoTrace(id)
			if left := fx.Traces(fx, "q#lbl"); len(left) > 0 {
				fx.Errorf("the line %v left %v", labels, left)
			}
		}
	}
}

func savesNeedNoLabels(fx *fixture) {
	kinds := map[string]task.Policy{"k": {}}
	fx.join(task.Registration{Replica: "gpu", Lease: time.Hour, Labels: []string{"gpu"}, Exclusive: true, Kinds: kinds,
		Exports: map[string]task.Export{"k": {}}, Queues: map[string]task.QueueConfig{"q": {Workers: 1}, "export:k": {Workers: 1}}})
	fx.put("t", "gpu")
	got := fx.take("gpu", 1)
	r := succeed(got[0])
	r.Stage, r.Result = true, []byte("1")
	fx.acceptOf("gpu", r)
	saves := fx.claimAs(task.Exchange{Replica: "gpu"}, "export:k", 1)
	fx.wantIDs(saves, "t")
	done := succeed(saves[0])
	done.Queue, done.Result = "export:k", []byte("ref")
	fx.acceptOf("gpu", done)
	fx.wantEnd("t", task.Succeeded, task.CodeOK)
}
