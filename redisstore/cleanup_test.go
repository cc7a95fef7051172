package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// No replica that takes the task uses the remote of its job.
func TestCleanUpThatIsReleasedForADayLeavesAnOrphan(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.abandonJob("run")
	w.stop("run")
	release := func() {
		got := w.claim(1)
		if len(got) != 1 || got[0].ID != "run" || got[0].CleanUp != task.CodeStopped {
			t.Fatalf("claimed %+v", got)
		}
		r := reportOn(got[0], task.Release)
		r.Delay, r.Elsewhere = time.Second, true
		w.exchange(nil, r)
	}
	released := func(sum time.Duration) {
		w.do("HSET", "more:run", "cleanup_at", w.now(t).UnixMilli(), "cleanup_ms", sum.Milliseconds())
	}
	for sum, want := range map[time.Duration]time.Duration{0: time.Second, 80 * time.Second: 10 * time.Second, 23 * time.Hour: time.Minute} {
		released(sum)
		release()
		if in := w.task("run").DueAt.Sub(w.now(t)); in > want+time.Second || in < want-10*time.Second {
			t.Errorf("after %v the next clean-up follows in %v, want %v", sum, in, want)
		}
		w.do("ZADD", "outside", 1, "run")
		w.maintain()
	}
	released(24 * time.Hour)
	release()
	if got := w.task("run"); got.State != task.Stopped || got.Orphan == "" {
		t.Errorf("after a day: %s, orphan %q", got.State, got.Orphan)
	}
	w.findsNothing()
}

// Its replica has gone, and no other one has its labels.
func TestTakeOverThatNoReplicaCanMakeIsNamed(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	join := func(replica string, labels ...string) {
		_, err := s.store.Join(t.Context(), task.Registration{Replica: replica, Lease: time.Hour, Labels: labels, Queues: wreckQueues, Kinds: map[string]task.Policy{"k": {}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	join("gpu", "gpu")
	join("plain")
	s.enqueue(t, task.Spec{ID: "x", Labels: []string{"gpu"}})
	exchange := func(e task.Exchange) []*task.Task {
		e.Replica, e.Sequence, e.Lease, e.Grace = "gpu", 1, time.Hour, time.Second
		got, err := s.store.Exchange(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return tasksOf(got)
	}
	c := exchange(task.Exchange{Call: 1, Claims: []task.Claim{{Queue: "default", N: 1}}})[0]
	if err := s.store.SaveJob(t.Context(), "default", task.Attempt{ID: "x", Fence: c.Fence}, 1, nil, "job"); err != nil {
		t.Fatal(err)
	}
	read := func() *task.Task {
		got, err := s.store.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	if read().Unowned {
		t.Error("a running task with a job has no owner")
	}
	exchange(task.Exchange{Call: 2, Reports: []task.Report{reportOn(c, task.Release)}})
	if err := s.store.Leave(t.Context(), "gpu"); err != nil {
		t.Fatal(err)
	}
	if got := read(); !got.Unowned || got.State != task.Running {
		t.Errorf("it is %s, unowned: %v", got.State, got.Unowned)
	}
	const want = "no live replica takes the tasks of queue default with the labels gpu, such as x: replica plain lacks gpu; it runs, and waits for a take-over of its job"
	var found []string
	for f, err := range s.store.Inspect(t.Context(), task.Inspection{}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, f.What)
	}
	if !slices.Contains(found, want) {
		t.Errorf("found %q", found)
	}
}
