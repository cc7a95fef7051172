package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A task that comes into the state after the instant of the request is not counted, also if the
// count meets it.
func TestTasksAfterTheInstantAreNotCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.asker()
	make := func(id string, delay time.Duration) {
		t.Helper()
		if _, err := s.store.Enqueue(t.Context(), []task.Spec{{ID: id, Kind: "mail", Delay: delay}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		make(fmt.Sprint("waits", i), 0)
		make(fmt.Sprint("due", i), time.Hour)
	}
	if _, err := s.store.Stop(t.Context(), "", "waits0", "waits1"); err != nil {
		t.Fatal(err)
	}
	waiting := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	stopped := s.ask(bulk.Order{Verb: bulk.Retry, Query: "mail", State: task.Stopped})
	scheduled := s.ask(bulk.Order{Verb: bulk.Run, Query: "mail", State: task.Scheduled})
	time.Sleep(2 * time.Millisecond) // the next tasks are later: times have whole milliseconds
	make("late", 0)
	make("latedue", time.Hour)
	if _, err := s.store.RunNow(t.Context(), "due0", "due1", "due2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Stop(t.Context(), "", "waits2", "due3"); err != nil {
		t.Fatal(err)
	}
	s.console()
	for id, want := range map[string]int{waiting.ID: 17, stopped.ID: 2, scheduled.ID: 16} {
		if j := s.reached(id, bulk.Counted); j.Counted != want {
			t.Errorf("%d tasks of %s are counted, want %d", j.Counted, j.State, want)
		}
	}
}

// A task whose place in the index changes during the count is counted once.
func TestTaskThatIsMetTwiceIsCountedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	const n = 1200
	for i := range n / 100 {
		specs := make([]task.Spec, 100)
		for k := range specs {
			specs[k] = task.Spec{Kind: "mail", ID: fmt.Sprintf("t%d", 100*i+k)}
		}
		if _, err := s.store.Enqueue(t.Context(), specs); err != nil {
			t.Fatal(err)
		}
	}
	var once sync.Once
	moved := make(chan error, 1)
	m := bulk.New(s.store, bulk.Options{Select: func(string, task.State, time.Time) (task.PageQuery, error) {
		return task.PageQuery{Match: func(x *task.Task) bool {
			if x.ID == "t700" {
				once.Do(func() {
					low := int8(-5)
					_, err := s.store.Change(context.Background(), task.Edit{Priority: &low}, "t0", "t1", "t2")
					moved <- err
				})
			}
			return true
		}}, nil
	}})
	t.Cleanup(m.Close)
	s.m = m
	j := s.ask(bulk.Order{Verb: bulk.Change, Query: "", State: task.Waiting, Priority: 4})
	if j = s.reached(j.ID, bulk.Counted); j.Counted != n || j.Read != n+3 {
		t.Errorf("%d counted, %d read", j.Counted, j.Read)
	}
	if err := <-moved; err != nil {
		t.Error(err)
	}
	s.confirm(j.ID, n)
	if j = s.reached(j.ID, bulk.Done); j.Changed != n {
		t.Errorf("%+v", j)
	}
}

// A job stops running tasks. One that has ended meanwhile and runs again is left.
func TestJobStopsRunningTasks(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	worker, err := pool.New(s.store, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 12}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	worker.HandleKind("long", func(ctx context.Context, x *task.Task) ([]byte, error) {
		if x.ID == "restarts" && x.Attempt == 1 {
			select {
			case <-release:
			case <-ctx.Done(): // a test that has failed does not wait for the release
			}
			return nil, errors.New("once more")
		}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	defer func() {
		_, _ = s.store.Stop(context.WithoutCancel(t.Context()), "", "restarts") // else the worker waits for it
		stop()
		<-ended
	}()
	s.make(10, task.Spec{Kind: "long"})
	if _, err := s.store.Enqueue(t.Context(), []task.Spec{{ID: "restarts", Kind: "long", Backoff: task.Backoff{Base: time.Millisecond, Max: time.Millisecond}}}); err != nil {
		t.Fatal(err)
	}
	running := func(ok func(*task.Task) bool) {
		t.Helper()
		for late := time.Now().Add(patient); ; {
			got, err := s.store.Get(t.Context(), "restarts")
			if err != nil || time.Now().After(late) {
				t.Fatal(got, err)
			}
			if s.stats().Running == 11 && ok(got[0]) {
				return
			}
			time.Sleep(5 * time.Millisecond) // the worker claims them
		}
	}
	running(func(*task.Task) bool { return true })
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "long", State: task.Running})
	if j = s.reached(j.ID, bulk.Counted); j.Counted != 11 {
		t.Fatalf("%+v", j)
	}
	close(release)
	running(func(x *task.Task) bool { return x.Attempt == 2 })
	s.confirm(j.ID, 11)
	if j = s.reached(j.ID, bulk.Done); j.Changed != 10 || j.Left[bulk.LeftChanged] != 1 {
		t.Errorf("%+v", j)
	}
	for late := time.Now().Add(patient); s.stats().Kept[task.Stopped] < 10; {
		if time.Now().After(late) {
			t.Fatal("the running tasks do not stop")
		}
		time.Sleep(5 * time.Millisecond) // their handlers return
	}
	if got, err := s.store.Get(t.Context(), "restarts"); err != nil || got[0].State != task.Running {
		t.Errorf("%+v, %v", got[0], err)
	}
}
