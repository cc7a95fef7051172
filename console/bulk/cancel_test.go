package bulk_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// cancelling adds a console in which a user cancels the job while the count compares its first task.
func (s *site) cancelling() (cancelled chan error) {
	cancelled = make(chan error, 1)
	var once sync.Once
	s.m = bulk.New(s.store, bulk.Options{Select: func(_ string, _ task.State, at time.Time) (task.PageQuery, error) {
		return task.PageQuery{Match: func(*task.Task) bool {
			once.Do(func() {
				jobs, _, err := s.m.List(context.Background())
				if err == nil {
					_, err = s.m.Cancel(context.Background(), jobs[0].ID, "eve", "password")
				}
				cancelled <- err
			})
			return true
		}}, nil
	}})
	s.t.Cleanup(s.m.Close)
	return cancelled
}

// A user who cancels a job during the last step of its count finds it cancelled, and its count
// cannot be confirmed.
func TestCancelDuringTheLastStepOfACountCounts(t *testing.T) {
	t.Parallel()
	for _, state := range []task.State{task.Waiting, task.Running} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, redisserver.Shared(t))
			s.make(5, task.Spec{Kind: "mail"})
			if state == task.Running {
				s.work()
			}
			cancelled := s.cancelling()
			j := s.ask(bulk.Order{Verb: bulk.Stop, State: state})
			if err := <-cancelled; err != nil {
				t.Fatal(err)
			}
			j = s.until(j.ID, "counted or cancelled", func(j *bulk.Job) bool { return j.Phase != bulk.Counting })
			if j.Phase != bulk.Cancelled || j.CancelledBy != "eve" || j.Ended.IsZero() {
				t.Errorf("%+v", j)
			}
			if _, err := s.m.Confirm(t.Context(), j.ID, bulk.Confirmation{Count: 5, Reason: "x", User: "bob"}); !errors.Is(err, bulk.ErrPhase) {
				t.Errorf("the count is confirmed: %v", err)
			}
			if open, err := s.store.OpenBulkJobs(t.Context()); err != nil || len(open) > 0 {
				t.Errorf("open jobs: %v, %v", open, err)
			}
		})
	}
}

// A record of an earlier version may be counted and have been cancelled: it cannot be confirmed, and
// can be cancelled again.
func TestCountedJobThatWasCancelledIsCancelledAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	s.make(1, task.Spec{Kind: "mail"})
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.reached(j.ID, bulk.Counted)
	key := s.key("bulk:" + j.ID)
	text := s.rdb.HGet(t.Context(), key, "job").Val()
	s.do("HSET", key, "job", text[:len(text)-1]+`,"cancelled_by":"eve"}`)
	if _, err := s.m.Confirm(t.Context(), j.ID, bulk.Confirmation{Count: 1, Reason: "x", User: "bob"}); !errors.Is(err, bulk.ErrPhase) {
		t.Errorf("the count is confirmed: %v", err)
	}
	if got, err := s.m.Cancel(t.Context(), j.ID, "bob", "password"); err != nil || got.Phase != bulk.Cancelled {
		t.Errorf("%+v, %v", got, err)
	}
}

// A damaged record is shown as failed and does not stop the other jobs.
func TestDamagedRecordStopsNoOtherJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.asker()
	s.make(3, task.Spec{Kind: "mail"})
	text := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	list := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	good := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.do("HSET", s.key("bulk:"+text.ID), "job", "{")
	s.do("DEL", s.key("bulk:"+list.ID))
	s.do("RPUSH", s.key("bulk:"+list.ID), "x")
	s.console()
	s.reached(good.ID, bulk.Counted)
	jobs, _, err := s.m.List(t.Context())
	if err != nil || len(jobs) != 3 {
		t.Fatalf("%v, %v", jobs, err)
	}
	for _, id := range []string{text.ID, list.ID} {
		if j, err := s.m.Get(t.Context(), id); err != nil || j.Phase != bulk.Failed || j.ID != id || !strings.Contains(j.Error, "damaged") {
			t.Errorf("%+v, %v", j, err)
		}
		if _, err := s.m.Cancel(t.Context(), id, "eve", ""); !errors.Is(err, bulk.ErrPhase) {
			t.Errorf("the damaged job is cancelled: %v", err)
		}
	}
}

func TestJobOfADeadConsoleGoesOnAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.asker()
	s.make(3, task.Spec{Kind: "mail"})
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	j.Holder, j.Until = "dead", s.m.Now().Add(time.Hour)
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	s.do("HSET", s.key("bulk:"+j.ID), "job", text)
	s.console()
	s.reached(j.ID, bulk.Counted)
}

// work adds a replica and waits until all tasks run.
func (s *site) work() {
	s.t.Helper()
	worker, err := pool.New(s.store, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 12}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	worker.HandleKind("mail", func(ctx context.Context, _ *task.Task) ([]byte, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	s.t.Cleanup(func() {
		for x := range s.store.Tasks(context.Background(), task.Filter{Kinds: []string{"mail"}, States: []task.State{task.Running}, Brief: true}) {
			_, _ = s.store.Stop(context.Background(), "", x.ID) // else the replica waits for it
		}
		stop()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	for late := time.Now().Add(patient); s.stats().Running < 5; {
		if time.Now().After(late) {
			s.t.Fatal("the tasks do not run")
		}
		time.Sleep(5 * time.Millisecond) // the replica claims them
	}
}
