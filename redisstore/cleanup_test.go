package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
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

// The host of the job has had no replica for a week, in which others ran.
func TestJobOfAHostWithoutReplicasForAWeekIsAnOrphan(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	join := func(replica, host string) {
		_, err := w.store.Join(t.Context(), task.Registration{Replica: replica, Host: host, Lease: time.Hour, Queues: wreckQueues})
		w.must(err)
	}
	const week, step = 7 * 24 * time.Hour, 10 * time.Minute
	const field = "unserved:q2#host=h"
	unserved := func(since, sum time.Duration) {
		t.Helper()
		w.do("HSET", "meta", field, fmt.Sprint(w.now(t).Add(-since).UnixMilli(), " ", sum.Milliseconds()))
		w.do("ZADD", "spreading", 1, "line q2#host=h")
		if next, err := w.store.Spread(t.Context()); err != nil || next > step || w.state("ends") == task.Running && next < step-time.Minute {
			t.Errorf("the host is looked for again in %v, %v", next, err)
		}
	}
	running := func() {
		t.Helper()
		for _, id := range []string{"ends", "stops", "fails"} {
			if got := w.task(id); got.State != task.Running || !got.Unowned {
				t.Errorf("%s is %s", id, got.State)
			}
		}
	}
	join("far", "h")
	var calls int64
	exchange := func(x task.Exchange) []*task.Task {
		calls++
		x.Replica, x.Sequence, x.Call, x.Lease, x.Grace = "far", 1, calls, time.Hour, time.Second
		got, err := w.store.Exchange(t.Context(), x)
		w.must(err)
		return tasksOf(got)
	}
	for _, id := range []string{"ends", "stops", "fails"} {
		w.enqueue(task.Spec{ID: id, Queue: "q2", Labels: []string{"host=h"}, Retain: new(time.Hour)})
	}
	for _, g := range exchange(task.Exchange{Claims: []task.Claim{{Queue: "q2", N: 3}}}) {
		w.must(w.store.SaveJob(t.Context(), "q2", task.Attempt{ID: g.ID, Fence: g.Fence}, 1, nil, "job"))
		r := reportOn(g, task.Release)
		if g.ID == "fails" {
			r = reportOn(g, task.Fail)
		}
		exchange(task.Exchange{Reports: []task.Report{r}})
	}
	w.stop("stops")
	w.must(w.store.Leave(t.Context(), "far"))
	if next, err := w.store.Spread(t.Context()); err != nil || next > step || next < step-time.Minute {
		t.Errorf("the host is looked for again in %v, %v", next, err)
	}
	w.findsNothing()
	named := false
	for f, err := range w.store.Inspect(t.Context(), task.Inspection{}) {
		w.must(err)
		named = named || strings.Contains(f.What, "with the labels host=h, such as") && strings.HasSuffix(f.Do, "After 7 days without one the task ends")
	}
	if !named {
		t.Error("the inspection does not say when the tasks end")
	}
	unserved(0, 0)
	unserved(20*week, week-step-1) // counts as ten minutes
	running()
	unserved(-time.Hour, week-1) // the clock was set back
	running()

	join("far2", "h")
	w.must(w.store.Leave(t.Context(), "far2"))
	_, err := w.store.Spread(t.Context())
	w.must(err)
	if sum := strings.Fields(w.rdb.HGet(t.Context(), w.prefix+"meta", field).Val()); len(sum) != 2 || sum[1] != "0" {
		t.Errorf("after a replica of the host: %v", sum)
	}
	unserved(step-time.Minute, week-step)
	running()
	unserved(step, week-step)
	for id, want := range map[string]task.Code{"ends": task.CodeLost, "stops": task.CodeStopped, "fails": task.CodeError} {
		got := w.task(id)
		if !got.State.Terminal() || got.Code != want || got.Orphan != "job" || w.rdb.HExists(t.Context(), w.prefix+"run:q2", id).Val() {
			t.Errorf("%s is %s with %s, orphan %q", id, got.State, got.Code, got.Orphan)
		}
	}
	if why := w.task("ends").Error; why != "no replica of queue q2 has had the labels host=h for 7 days" {
		t.Errorf("error %q", why)
	}
	if w.rdb.HExists(t.Context(), w.prefix+"meta", field).Val() {
		t.Error("the count is left")
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
