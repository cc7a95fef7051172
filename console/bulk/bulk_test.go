package bulk_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A job counts exactly, waits for the count to be confirmed, and changes what it has counted.
// Tasks that match and come later, and those that change meanwhile, stay as they are. The audit
// stream has one entry with query, count and reason, and one outcome.
func TestJobChangesOnlyWhatItHasCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	const n = 3000
	s.make(n, task.Spec{Kind: "mail"})
	s.make(700, task.Spec{Kind: "other"})
	if _, err := s.store.Enqueue(t.Context(), []task.Spec{{ID: "gone", Kind: "mail"}, {ID: "again", Kind: "mail"}, {ID: "stopped", Kind: "mail"}}); err != nil {
		t.Fatal(err)
	}
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	if j = s.reached(j.ID, bulk.Counted); j.Counted != n+3 || j.Total != n+703 || j.Read != n+703 || j.Changed != 0 {
		t.Fatalf("counted %+v", j)
	}
	if got := s.stats(); got.Waiting != n+703 {
		t.Errorf("%d tasks wait after the count", got.Waiting)
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.store.Stop(t.Context(), "", "gone", "again", "stopped"))
	must(s.store.Delete(t.Context(), "gone"))
	must(s.store.Retry(t.Context(), task.Edit{}, "again"))
	s.make(50, task.Spec{Kind: "mail"})

	for _, y := range []bulk.Confirmation{{Count: n + 2, Reason: "x"}, {Count: n + 3}} {
		var field *task.FieldError
		if _, err := s.m.Confirm(t.Context(), j.ID, y); !errors.As(err, &field) {
			t.Errorf("confirmed with %+v: %v", y, err)
		}
	}
	if entries := s.audit(); len(entries) != 1 || entries[0].User != "ann" || entries[0].Method != "password" || entries[0].Action != "bulk/count" ||
		!strings.HasPrefix(entries[0].Target, "stop, state waiting") || !strings.Contains(entries[0].Target, j.ID) {
		t.Errorf("before the confirmation the audit stream has %+v", entries)
	}
	s.confirm(j.ID, n+3)
	j = s.reached(j.ID, bulk.Done)
	if j.Changed != n || j.Handled != n+3 || j.Left[bulk.LeftGone] != 1 || j.Left[bulk.LeftChanged] != 2 || len(j.Samples) != 3 || j.User != "ann" || j.ConfirmedBy != "bob" {
		t.Errorf("done: %+v", j)
	}
	got := s.stats()
	if got.Waiting != 700+1+50 || got.Kept[task.Stopped] != n+1 {
		t.Errorf("%d wait, %d are stopped", got.Waiting, got.Kept[task.Stopped])
	}
	entries := s.changes()
	if len(entries) != 2 {
		t.Fatalf("audit %+v", entries)
	}
	if e := entries[0]; e.User != "bob" || e.Method != "oidc" || e.Action != "bulk/stop" || e.Count != n+3 || e.Reason != "a test" ||
		!strings.Contains(e.Target, "`mail`") || !strings.Contains(e.Target, j.ID) {
		t.Errorf("audit %+v", e)
	}
	if e := entries[1]; e.Of != entries[0].ID || e.Done != n || e.Error != "" || !strings.Contains(e.Target, "gone 1") {
		t.Errorf("outcome %+v", e)
	}
	if _, err := s.m.Confirm(t.Context(), j.ID, bulk.Confirmation{Count: n + 3, Reason: "x"}); !errors.Is(err, bulk.ErrPhase) {
		t.Errorf("confirmed twice: %v", err)
	}
	if keys := s.rdb.Exists(t.Context(), s.key("bulklist:"+j.ID)).Val(); keys != 0 {
		t.Error("the list is still there")
	}
}

// A task that fails again after its retry is not retried a second time by the same job.
func TestTaskThatFailsAgainIsRetriedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	const n = 1500
	worker, err := pool.New(s.store, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 20}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var again atomic.Int64
	worker.HandleKind("bad", func(context.Context, *task.Task) ([]byte, error) {
		again.Add(1)
		return nil, pool.Permanent(errors.New("no disk"))
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	failed := func(runs int64) {
		t.Helper()
		for late := time.Now().Add(patient); again.Load() < runs || s.stats().Kept[task.Failed] < n; {
			if time.Now().After(late) {
				t.Fatalf("%d runs, want %d", again.Load(), runs)
			}
			time.Sleep(10 * time.Millisecond) // the worker runs them
		}
	}
	s.make(n, task.Spec{Kind: "bad"})
	failed(n)
	j := s.ask(bulk.Order{Verb: bulk.Retry, Query: "bad", State: task.Failed})
	s.confirm(j.ID, s.reached(j.ID, bulk.Counted).Counted)
	if j = s.reached(j.ID, bulk.Done); j.Counted != n || j.Changed != n {
		t.Errorf("%+v", j)
	}
	failed(2 * n)
	for x, err := range s.store.Tasks(t.Context(), task.Filter{Kinds: []string{"bad"}, Brief: true}) {
		if err != nil || x.Generation != 1 {
			t.Fatalf("generation %d, %v", x.Generation, err)
		}
	}
	if runs := again.Load(); runs != 2*n {
		t.Errorf("%d runs, want %d", runs, 2*n)
	}
}

// What cannot be changed is refused at once.
func TestOrdersThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	for _, o := range []bulk.Order{
		{Verb: bulk.Stop, Query: "k", State: task.Failed},
		{Verb: bulk.Delete, Query: "k", State: task.Waiting},
		{Verb: bulk.Run, Query: "k", State: task.Waiting},
		{Verb: bulk.Change, Query: "k", State: task.Running},
		{Verb: "purge", Query: "k", State: task.Failed},
		{Verb: bulk.Stop, Query: "k", State: "lost"},
		{Verb: bulk.Stop, Query: "no name", State: task.Waiting},
	} {
		var field *task.FieldError
		if _, err := s.m.Ask(t.Context(), o); !errors.As(err, &field) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if jobs, _, err := s.m.List(t.Context()); err != nil || len(jobs) > 0 {
		t.Errorf("jobs %v, %v", jobs, err)
	}
	if _, err := s.m.Get(t.Context(), "absent"); !errors.Is(err, bulk.ErrNoJob) {
		t.Errorf("%v", err)
	}
}

// A count of nothing ends the job.
func TestJobWithoutTasksIsDone(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	s.make(1, task.Spec{Kind: "other"})
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	if j = s.reached(j.ID, bulk.Done); j.Counted != 0 || j.Read != 1 {
		t.Errorf("%+v", j)
	}
	if entries := s.changes(); len(entries) > 0 {
		t.Errorf("audit %+v", entries)
	}
}

// A paused pool starts no task, and jobs run all the same.
func TestJobRunsWhileThePoolIsPaused(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	if err := s.pool.Pause(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.make(250, task.Spec{Kind: "mail", Delay: time.Hour})
	j := s.ask(bulk.Order{Verb: bulk.Change, Query: "mail", State: task.Scheduled, Priority: 7})
	s.confirm(j.ID, s.reached(j.ID, bulk.Counted).Counted)
	if j = s.reached(j.ID, bulk.Done); j.Changed != 250 {
		t.Errorf("%+v", j)
	}
	for x, err := range s.store.Tasks(t.Context(), task.Filter{Kinds: []string{"mail"}}) {
		if err != nil || x.Priority != 7 {
			t.Fatalf("%+v, %v", x, err)
		}
	}
}
