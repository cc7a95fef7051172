package storetest

import (
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var holdRules = []rule{
	{"TaskOnHoldStartsWhenItIsStarted", taskOnHoldIsStarted},
	{"TaskOnHoldIsNoNextTask", taskOnHoldIsNoNextTask},
	{"TaskOnHoldExpires", taskOnHoldExpires},
	{"TaskOnHoldIsStoppedAndHoldsItsKey", taskOnHoldIsStopped},
	{"TaskOnHoldThatIsStartedKeepsTheLimitOfTheGroup", taskOnHoldInAGroup},
	{"HoldAndATimeAreRefused", holdAndATime},
	{"FilterSelectsTasksOnHold", filterSelectsTasksOnHold},
}

func taskOnHoldIsStarted(fx *fixture) {
	if r := fx.enqueueAll(task.Spec{ID: "a", Hold: true, Payload: []byte("p"), Priority: 1})[0]; r.State != task.Scheduled || r.Err != nil {
		fx.Errorf("receipt %+v", r)
	}
	fx.Push(fx, `{"kind":"k","id":"b","hold":true}`)
	fx.admit()
	for _, id := range []string{"a", "b"} {
		if got := fx.wantState(id, task.Scheduled); !got.Hold || !got.DueAt.IsZero() || got.Version != 1 {
			fx.Errorf("%+v", got)
		}
		if es := fx.eventsOf(id); len(es) != 1 || es[0].State != task.Scheduled {
			fx.Errorf("events %+v", es)
		}
	}
	fx.maintain()
	fx.wantIDs(fx.claim(task.DefaultQueue, 2))
	fx.change(task.Edit{Payload: []byte("q")}, "a")
	fx.enqueue(task.Spec{ID: "waits"})
	before := fx.Now(fx)
	for _, id := range []string{"b", "a"} {
		if c := fx.runNow(id); !c.Done || c.State != task.Waiting {
			fx.Errorf("change %+v", c)
		}
		if got := fx.wantState(id, task.Waiting); got.Hold || got.DueAt.Before(before.Truncate(time.Millisecond)) || got.Version != 2 {
			fx.Errorf("%+v", got)
		}
	}
	ts := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(ts, "a")
	if string(ts[0].Payload) != "q" || ts[0].Hold {
		fx.Errorf("started %+v", ts[0])
	}
	fx.accept(failIn(ts[0], time.Hour))
	if got := fx.wantState("a", task.Scheduled); got.Hold || got.DueAt.IsZero() {
		fx.Errorf("the task that waits for its retry: %+v", got)
	}
	fx.wantOrder(fx.drain(task.DefaultQueue), "waits", "b")
}

func taskOnHoldIsNoNextTask(fx *fixture) {
	fx.enqueue(task.Spec{ID: "held", Hold: true})
	next := func() time.Duration {
		return fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}).Next
	}
	if d := next(); d != 0 {
		fx.Errorf("next in %v", d)
	}
	if u := fx.maintain(); u.Next != 0 {
		fx.Errorf("maintenance %+v", u)
	}
	fx.enqueue(task.Spec{ID: "later", Delay: time.Minute})
	if d := next(); d <= 0 || d > time.Minute {
		fx.Errorf("next in %v, want about a minute", d)
	}
	if s := fx.stats(); s.Scheduled != 2 || s.Hold != 1 {
		fx.Errorf("%d scheduled, %d on hold", s.Scheduled, s.Hold)
	}
}

func taskOnHoldExpires(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "ttl", Hold: true, TTL: time.Millisecond}, task.Spec{ID: "deadline", Hold: true, Deadline: time.Millisecond},
		task.Spec{ID: "stays", Hold: true, TTL: time.Hour, Deadline: 2 * time.Hour})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantEnd("ttl", task.Expired, task.CodeExpired)
	fx.wantEnd("deadline", task.Expired, task.CodeExpired)
	if got := fx.wantState("stays", task.Scheduled); !got.Hold || got.ExpiresAt.IsZero() || got.DeadlineAt.IsZero() {
		fx.Errorf("%+v", got)
	}
}

func taskOnHoldIsStopped(fx *fixture) {
	fx.enqueue(task.Spec{ID: "a", Hold: true, Unique: "u"})
	if r := fx.enqueueAll(task.Spec{ID: "b", Hold: true, Unique: "u"})[0]; !r.Duplicate || r.ID != "a" || r.State != task.Scheduled {
		fx.Errorf("receipt %+v", r)
	}
	if c := fx.remove("a"); c.Done || c.State != task.Scheduled {
		fx.Errorf("delete %+v", c)
	}
	if c := fx.stop("a"); !c.Done || c.State != task.Stopped {
		fx.Errorf("stop %+v", c)
	}
	if c := fx.runNow("a"); c.Done || c.State != task.Stopped {
		fx.Errorf("start %+v", c)
	}
	if r := fx.enqueueAll(task.Spec{ID: "b", Hold: true, Unique: "u"})[0]; r.Duplicate {
		fx.Errorf("receipt %+v", r)
	}
	fx.stop("b")
	if c := fx.retry("a"); !c.Done || c.State != task.Waiting {
		fx.Errorf("retry %+v", c)
	}
	if got := fx.get("a"); got.Hold {
		fx.Errorf("the retried task is on hold: %+v", got)
	}
	fx.remove("b")
	fx.wantNoTrace("b")
}

func taskOnHoldInAGroup(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{ID: "a", Group: "g", Hold: true}, task.Spec{ID: "b", Group: "g"}, task.Spec{ID: "c", Group: "g", Hold: true})
	ts := fx.claim(task.DefaultQueue, 2)
	fx.wantIDs(ts, "b")
	_, err := fx.Store.RunNow(fx.ctx, "c", "a")
	fx.noError(err)
	fx.wantIDs(fx.claim(task.DefaultQueue, 2))
	fx.accept(succeed(ts[0]))
	fx.wantOrder(fx.drain(task.DefaultQueue), "c", "a")
}

func holdAndATime(fx *fixture) {
	for _, spec := range []task.Spec{{Kind: "k", Hold: true, Delay: time.Hour}, {Kind: "k", Hold: true, RunAt: fx.Now(fx).Add(time.Hour)}} {
		var field *task.FieldError
		if _, err := fx.Store.Enqueue(fx.ctx, []task.Spec{spec}); !errors.As(err, &field) {
			fx.Errorf("%+v: %v, want a field error", spec, err)
		}
	}
	fx.Push(fx, `{"kind":"k","hold":true,"delay_ms":5}`, `{"kind":"k","hold":true,"run_at_ms":5}`, `{"kind":"k","hold":1}`)
	fx.admit()
	want := []string{"delay_ms and hold cannot both be set", "run_at_ms and hold cannot both be set", "hold must be true or false"}
	got := fx.Rejects(fx)
	if len(got) != len(want) {
		fx.Fatalf("rejected %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			fx.Errorf("rejected because it %q, want %q", got[i], want[i])
		}
	}
}

func filterSelectsTasksOnHold(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a", Hold: true}, task.Spec{ID: "b", Delay: time.Hour}, task.Spec{ID: "c"}, task.Spec{ID: "d", Hold: true, Queue: "q"},
		task.Spec{ID: "e", Hold: true}, task.Spec{ID: "f", Hold: true})
	fx.stop("e")
	fx.runNow("f")
	for _, c := range []struct {
		f    task.Filter
		want []string
	}{
		{task.Filter{Hold: true}, []string{"a", "d"}},
		{task.Filter{Hold: true, Queues: []string{"q"}}, []string{"d"}},
		{task.Filter{Hold: true, IDs: []string{"b", "a", "e", "f"}}, []string{"a"}},
		{task.Filter{Hold: true, States: []task.State{task.Waiting}}, nil},
	} {
		var got []*task.Task
		for t, err := range fx.Store.Tasks(fx.ctx, c.f) {
			fx.noError(err)
			got = append(got, t)
		}
		fx.wantIDs(got, c.want...)
	}
}
