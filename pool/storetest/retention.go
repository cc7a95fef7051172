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

func retentionByAgeIsExact(b *bundle) {
	b.accept(succeed(b.start(task.Spec{ID: "short", Retain: ptr(20 * time.Millisecond)})))
	b.accept(fail(b.start(task.Spec{ID: "long", Retain: ptr(time.Hour)}), task.CodePermanent))
	b.accept(fail(b.start(task.Spec{ID: "forever", Retain: ptr(task.Forever)}), task.CodePermanent))
	ended := b.get("short").EndedAt
	if u := b.maintain(); b.Now(b).Before(ended.Add(20*time.Millisecond)) && (u.Next > 20*time.Millisecond || u.Next <= 0) {
		b.Errorf("maintenance is due in %v", u.Next)
	}
	for b.find("short") != nil {
		before := b.Now(b)
		b.maintain()
		if b.find("short") == nil && b.Now(b).Before(ended.Add(20*time.Millisecond)) {
			b.Errorf("removed %v after its end", before.Sub(ended))
		}
	}
	b.wantNoTrace("short")
	b.wantState("long", task.Failed)
	b.wantState("forever", task.Failed)
}

func retentionByCountIsExact(b *bundle) {
	const batch, over = 1000, 7
	b.enqueue(task.Spec{ID: "forever", Retain: ptr(task.Forever)})
	b.stop("forever")
	b.enqueue(task.Spec{ID: "first"})
	b.stop("first")
	b.passes(time.Millisecond)
	specs, all := make([]task.Spec, batch), make([]string, batch)
	for made := 0; made < task.RetainNewest; made += batch {
		for i := range specs {
			all[i] = fmt.Sprint("t", made+i)
			specs[i] = task.Spec{ID: all[i], Kind: "k"}
		}
		b.enqueueAll(specs...)
		b.stopAll(all...)
	}
	for i := range over - 2 {
		b.stop(b.enqueue(task.Spec{ID: fmt.Sprint("last", i)}))
	}
	if s := b.stats(); s.Kept[task.Stopped] != task.RetainNewest+1 {
		b.Errorf("%d stopped tasks are kept, want the newest %d and the one kept for ever", s.Kept[task.Stopped], task.RetainNewest)
	}
	b.wantNoTrace("first")
	b.wantState("last0", task.Stopped)
	b.wantState("forever", task.Stopped)
}

func defaultRetention(b *bundle) {
	b.accept(succeed(b.start(task.Spec{ID: "plain"})))
	b.wantNoTrace("plain")
	r := succeed(b.start(task.Spec{ID: "result"}))
	r.Result = []byte("r")
	b.accept(r)
	if u := b.maintain(); u.Next > task.RetainResult || u.Next < task.RetainResult-time.Minute {
		b.Errorf("a result is removed in %v", u.Next)
	}
	b.remove("result")
	b.accept(fail(b.start(task.Spec{ID: "failed"}), task.CodePermanent))
	if u := b.maintain(); u.Next > task.RetainFailed || u.Next < task.RetainFailed-time.Minute {
		b.Errorf("a failed task is removed in %v", u.Next)
	}
}

func noRetention(b *bundle) {
	none := ptr(time.Duration(0))
	b.accept(fail(b.start(task.Spec{ID: "x1", Retain: none, Unique: "u"}), task.CodePermanent))
	b.wantNoTrace("x1")
	r := succeed(b.start(task.Spec{ID: "x2", Retain: none}))
	r.Result = []byte("r")
	b.accept(r)
	b.wantNoTrace("x2")
	b.enqueue(task.Spec{ID: "x3", Retain: none, Deadline: time.Hour})
	if c := b.stop("x3"); !c.Done || c.State != task.Stopped {
		b.Errorf("change %+v", c)
	}
	b.wantNoTrace("x3")
	b.enqueue(task.Spec{ID: "x4", Retain: none, TTL: time.Millisecond})
	b.passes(time.Millisecond)
	b.maintain()
	b.wantNoTrace("x4")
	for _, id := range []string{"x1", "x2", "x3", "x4"} {
		es := b.eventsOf(id)
		if len(es) == 0 || !es[len(es)-1].State.Terminal() {
			b.Errorf("%s left no last event", id)
		}
	}
}

func retryLeavesTheRetention(b *bundle) {
	b.accept(fail(b.start(task.Spec{ID: "x", Retain: ptr(time.Millisecond)}), task.CodePermanent))
	b.retry("x")
	b.passes(time.Millisecond)
	b.maintain()
	b.wantState("x", task.Waiting)
}
