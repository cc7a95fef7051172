package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var retentionRules = []rule{
	{"RetentionByAgeIsExact", retentionByAgeIsExact},
	{"RetentionByCountIsExact", retentionByCountIsExact},
	{"DefaultRetention", defaultRetention},
	{"NoRetentionRemovesWithTheEnd", noRetention},
	{"RetryLeavesTheRetention", retryLeavesTheRetention},
}

func retentionByAgeIsExact(fx *fixture) {
	fx.accept(succeed(fx.start(task.Spec{ID: "short", Retain: ptr(20 * time.Millisecond)})))
	fx.accept(fail(fx.start(task.Spec{ID: "long", Retain: ptr(time.Hour)}), task.CodePermanent))
	fx.accept(fail(fx.start(task.Spec{ID: "forever", Retain: ptr(task.Forever)}), task.CodePermanent))
	ended := fx.get("short").EndedAt
	if u := fx.maintain(); fx.Now(fx).Before(ended.Add(20*time.Millisecond)) && (u.Next > 20*time.Millisecond || u.Next <= 0) {
		fx.Errorf("maintenance is due in %v", u.Next)
	}
	for fx.find("short") != nil {
		before := fx.Now(fx)
		fx.maintain()
		if fx.find("short") == nil && fx.Now(fx).Before(ended.Add(20*time.Millisecond)) {
			fx.Errorf("removed %v after its end", before.Sub(ended))
		}
	}
	fx.wantNoTrace("short")
	fx.wantState("long", task.Failed)
	fx.wantState("forever", task.Failed)
}

func retentionByCountIsExact(fx *fixture) {
	const batch, over = 1000, 7
	fx.enqueue(task.Spec{ID: "forever", Retain: ptr(task.Forever)})
	fx.stop("forever")
	fx.enqueue(task.Spec{ID: "first"})
	fx.stop("first")
	fx.waitPast(time.Millisecond)
	specs, all := make([]task.Spec, batch), make([]string, batch)
	for made := 0; made < task.RetainNewest; made += batch {
		for i := range specs {
			all[i] = fmt.Sprint("t", made+i)
			specs[i] = task.Spec{ID: all[i], Kind: "k"}
		}
		fx.enqueueAll(specs...)
		fx.stopAll(all...)
	}
	for i := range over - 2 {
		fx.stop(fx.enqueue(task.Spec{ID: fmt.Sprint("last", i)}))
	}
	if s := fx.stats(); s.Kept[task.Stopped] != task.RetainNewest+1 {
		fx.Errorf("%d stopped tasks are kept, want the newest %d and the one kept forever", s.Kept[task.Stopped], task.RetainNewest)
	}
	fx.wantNoTrace("first")
	fx.wantState("last0", task.Stopped)
	fx.wantState("forever", task.Stopped)
}

func defaultRetention(fx *fixture) {
	fx.accept(succeed(fx.start(task.Spec{ID: "plain"})))
	fx.wantNoTrace("plain")
	r := succeed(fx.start(task.Spec{ID: "result"}))
	r.Result = []byte("r")
	fx.accept(r)
	if u := fx.maintain(); u.Next > task.RetainResult || u.Next < task.RetainResult-time.Minute {
		fx.Errorf("a result is removed in %v", u.Next)
	}
	fx.remove("result")
	fx.accept(fail(fx.start(task.Spec{ID: "failed"}), task.CodePermanent))
	if u := fx.maintain(); u.Next > task.RetainFailed || u.Next < task.RetainFailed-time.Minute {
		fx.Errorf("a failed task is removed in %v", u.Next)
	}
}

func noRetention(fx *fixture) {
	none := ptr(time.Duration(0))
	fx.accept(fail(fx.start(task.Spec{ID: "x1", Retain: none, Unique: "u"}), task.CodePermanent))
	fx.wantNoTrace("x1")
	r := succeed(fx.start(task.Spec{ID: "x2", Retain: none}))
	r.Result = []byte("r")
	fx.accept(r)
	fx.wantNoTrace("x2")
	fx.enqueue(task.Spec{ID: "x3", Retain: none, Deadline: time.Hour})
	if c := fx.stop("x3"); !c.Done || c.State != task.Stopped {
		fx.Errorf("change %+v", c)
	}
	fx.wantNoTrace("x3")
	fx.enqueue(task.Spec{ID: "x4", Retain: none, TTL: time.Millisecond})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantNoTrace("x4")
	for _, id := range []string{"x1", "x2", "x3", "x4"} {
		es := fx.eventsOf(id)
		if len(es) == 0 || !es[len(es)-1].State.Terminal() {
			fx.Errorf("%s left no last event", id)
		}
	}
}

func retryLeavesTheRetention(fx *fixture) {
	fx.accept(fail(fx.start(task.Spec{ID: "x", Retain: ptr(time.Millisecond)}), task.CodePermanent))
	fx.retry("x")
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantState("x", task.Waiting)
}
