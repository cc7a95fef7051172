package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

var stopRules = []rule{
	{"StopEndsWhatDoesNotRunAtOnce", stopEndsAtOnce},
	{"StopAsksForTheEndOfWhatRuns", stopAsks},
	{"StopOfAnEndedTaskIsNothing", stopOfAnEndedTask},
	{"StoppedTaskIsNeverRetried", stoppedTaskIsNeverRetried},
	{"StopOfAMissingTaskSaysSo", stopOfAMissingTask},
	{"StopOfManyAnswersInOrder", stopOfMany},
}

func stopEndsAtOnce(b *bundle) {
	b.limit(worker.GroupScope, "g", 1)
	b.enqueueAll(worker.Spec{ID: "waits"}, worker.Spec{ID: "scheduled", Delay: time.Hour},
		worker.Spec{ID: "head", Group: "g", TTL: time.Hour}, worker.Spec{ID: "parked", Group: "g", Deadline: time.Hour})
	for _, id := range []string{"waits", "scheduled", "parked", "head"} {
		if c := b.stop(id); !c.Done || c.State != worker.Stopped {
			b.Errorf("%s: %+v", id, c)
		}
		if t := b.wantEnd(id, worker.Stopped, worker.CodeStopped); t.Error != "enough" || t.StopWhy != "enough" {
			b.Errorf("%s: error %q, reason %q", id, t.Error, t.StopWhy)
		}
	}
	b.wantIDs(b.claim(worker.DefaultQueue, 9))
	b.maintain()
	b.wantState("head", worker.Stopped)
}

func stopAsks(b *bundle) {
	t := b.start(worker.Spec{ID: "x"})
	if c := b.stop("x"); !c.Done || c.State != worker.Running {
		b.Errorf("change %+v", c)
	}
	if n := b.Rings(b, "r"); n != 1 {
		b.Errorf("%d rings at the replica's door", n)
	}
	if got := b.get("x"); got.StopWhy != "enough" {
		b.Errorf("reason %q", got.StopWhy)
	}
	if v := b.renew("r", lease, held(t)); v[0] != worker.StopRequested {
		b.Errorf("renewal: %s", v[0])
	}
	b.accept(fail(t, worker.CodeStopAbandoned))
	b.wantEnd("x", worker.Stopped, worker.CodeStopAbandoned)
}

func stopOfAnEndedTask(b *bundle) {
	b.accept(fail(b.start(worker.Spec{ID: "x"}), worker.CodePermanent))
	b.unchanged("x", func() {
		if c := b.stop("x"); c.Done || c.State != worker.Failed {
			b.Errorf("change %+v", c)
		}
	})
}

func stoppedTaskIsNeverRetried(b *bundle) {
	for i, end := range []func(*worker.Task){
		func(t *worker.Task) { b.accept(fail(t, worker.CodeError)) },
		func(t *worker.Task) { b.accept(failIn(t, 0)) },
		func(t *worker.Task) { b.accept(release(t, 0)) },
		func(t *worker.Task) { b.loseWith(t, worker.StopRequested) },
	} {
		t := b.start(worker.Spec{ID: fmt.Sprint("x", i)})
		b.stop(t.ID)
		end(t)
		b.wantEnd(t.ID, worker.Stopped, worker.CodeStopped)
		b.wantIDs(b.claim(worker.DefaultQueue, 1))
	}
}

func stopOfAMissingTask(b *bundle) {
	if c := b.stop("none"); c.Done || c.State != "" || c.ID != "none" {
		b.Errorf("change %+v", c)
	}
	b.wantNoTrace("none")
}

func stopOfMany(b *bundle) {
	const n = 1200
	all := make([]string, n)
	specs := make([]worker.Spec, n)
	for i := range specs {
		all[i] = fmt.Sprint("t", i)
		specs[i].ID = all[i]
		specs[i].Retain = ptr(time.Duration(0))
	}
	b.enqueueAll(specs...)
	cs, err := b.Store.Stop(b.ctx, "", all...)
	b.ok(err)
	if len(cs) != n {
		b.Fatalf("%d answers", len(cs))
	}
	for i, c := range cs {
		if c.ID != all[i] || !c.Done {
			b.Fatalf("answer %d: %+v", i, c)
		}
	}
	b.wantNoTrace("t1")
}
