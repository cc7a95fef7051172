package pooltest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

func TestRequireEnqueuedMatchesArgumentsAndOptions(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	handleMail(p.Pool)
	r := mustEnqueue(t, p, Mail{"ann"}, pool.Group("acme"), pool.Delay(time.Hour), pool.Headers(map[string]string{"a": "1", "b": "2"}))
	if e := p.RequireEnqueued(t, Mail{"ann"}); e.ID != r.ID || e.Queue != pool.DefaultQueue {
		t.Errorf("found %+v", e)
	}
	p.RequireEnqueued(t, pooltest.Kind("mail"), pool.Group("acme"), pool.InQueue("default"))
	p.RequireEnqueued(t, Mail{"ann"}, pool.Delay(time.Hour), pool.Headers(map[string]string{"b": "2"}), pool.ID(r.ID))
	p.RequireNotEnqueued(t, Mail{"bob"})
	p.RequireNotEnqueued(t, Mail{"ann"}, pool.Group("birch"))
	p.RequireNotEnqueued(t, pooltest.Kind("sum"))

	p.Advance(t, time.Hour)
	p.Drain(t).RequireOK(t)
	p.RequireEnqueued(t, Mail{"ann"}) // also after it has run and was removed
}

func TestRequireEnqueuedListsTheEnqueuedTasks(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	text := failureOf(t, func(t testing.TB) { p.RequireEnqueued(t, Mail{"ann"}) })
	if d := cmp.Diff("pooltest: not enqueued:\n    mail {\"to\":\"ann\"}\nNothing was enqueued.", text); d != "" {
		t.Error(d)
	}

	mustEnqueue(t, p, Mail{"ann"}, pool.Group("birch"), pool.Unique("u"))
	mustEnqueue(t, p, Mail{"bob"}, pool.Group("acme"), pool.Priority(3), pool.ID("b"), pool.Timeout(pool.Forever), pool.InQueue("post"), pool.Retain(0))
	mustEnqueue(t, p, Sum{1, 2})
	mustEnqueue(t, p, Mail{"ann"}, pool.Group("acme"), pool.Unique("u"), pool.ID("c"))
	text = failureOf(t, func(t testing.TB) {
		p.RequireEnqueued(t, Mail{"ann"}, pool.Group("acme"), pool.Headers(map[string]string{"lang": "fr"}))
	})
	want := `pooltest: not enqueued:
    mail {"to":"ann"} group=acme header lang="fr"
The 4 tasks that were enqueued:
  1. mail {"to":"ann"} group=birch unique=u (differs in: group, headers)
  2. mail {"to":"bob"} id=b queue=post priority=3 group=acme timeout=forever retain=none (differs in: payload, headers)
  3. sum {"A":1,"B":2} (differs in: kind, group, headers)
  4. mail {"to":"ann"} id=c group=acme unique=u (not made: a duplicate of ` + p.Enqueued()[0].ID + `)`
	if d := cmp.Diff(want, text); d != "" {
		t.Error(d)
	}
}

func TestRequireNotEnqueuedListsTheMatchingTasks(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	mustEnqueue(t, p, Sum{1, 2})
	mustEnqueue(t, p, Mail{"ann"}, pool.Priority(1))
	text := failureOf(t, func(t testing.TB) { p.RequireNotEnqueued(t, pooltest.Kind("mail")) })
	if d := cmp.Diff("pooltest: must not be enqueued:\n    mail\nWhat was enqueued:\n  1. mail {\"to\":\"ann\"} priority=1", text); d != "" {
		t.Error(d)
	}
}
