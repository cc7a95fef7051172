package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// seen is an observer that records its calls as text.
type seen struct {
	task.Observer
	mu    sync.Mutex
	lines []string
}

func (s *seen) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *seen) Started(t *task.Task, queue string, _ time.Duration) {
	s.add("%s starts %d from %s", t.ID, t.Attempt, queue)
}

func (s *seen) Ended(t *task.Task, queue string, code task.Code, run time.Duration) {
	s.add("%s ends %d from %s: %s after %v", t.ID, t.Attempt, queue, code, run)
}

// of returns the lines about a task.
func (s *seen) of(id string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		if strings.HasPrefix(line, id+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Every attempt that starts ends once, with the code of its report and its own run time, also if
// its handler is given up or its lease ends.
func TestObserverGetsEveryAttemptOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{
			Queues:    map[string]task.QueueConfig{task.DefaultQueue: {Workers: 10}},
			StopGrace: 2 * time.Second,
			MaxStuck:  5,
			Policies:  map[string]task.Policy{"again": {InPlace: 1}},
		})
		var first, second seen
		tr.r.Observe(&first)
		tr.r.Observe(&second)
		sleep := func(d time.Duration, err error) task.Handler {
			return func(context.Context, *task.Task) ([]byte, error) {
				time.Sleep(d) // fake time: how long the handler runs
				return nil, err
			}
		}
		tr.r.Handle("ok", sleep(3*time.Second, nil))
		tr.r.Handle("again", sleep(time.Second, errors.New("boom")))
		tr.r.Handle("bad", func(context.Context, *task.Task) ([]byte, error) { panic("boom") })
		tr.r.Handle("deaf", sleep(time.Minute, nil))
		tr.put("ok", "again", "bad")
		tr.r.Handle("lost", untilCancelled)
		tr.store.put(task.Spec{ID: "deaf", Kind: "deaf", Timeout: 5 * time.Second, MaxAttempts: 1})
		tr.run()
		tr.advance(8 * time.Second)
		tr.put("lost")
		tr.advance(time.Second)
		tr.store.setFault(func(string) fault { return fail })
		tr.advance(2 * time.Minute) // the handler of deaf returns meanwhile

		for id, want := range map[string][]string{
			"ok":    {"ok starts 1 from default", "ok ends 1 from default: ok after 3s"},
			"again": {"again starts 1 from default", "again ends 1 from default: error after 1s", "again starts 2 from default", "again ends 2 from default: error after 1s"},
			"bad":   {"bad starts 1 from default", "bad ends 1 from default: panic after 0s"},
			"deaf":  {"deaf starts 1 from default", "deaf ends 1 from default: timeout_abandoned after 7s"},
		} {
			got := first.of(id)
			if id == "again" {
				got = got[:min(len(got), 4)] // the task is retried later
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
		lost := first.of("lost")
		if len(lost) != 2 || !strings.HasPrefix(lost[1], "lost ends 1 from default: lost after ") {
			t.Errorf("an attempt whose lease ends: %q", lost)
		}
		if len(first.lines) != len(second.lines) {
			t.Errorf("one observer got %d calls, the other one %d", len(first.lines), len(second.lines))
		}
		tr.store.setFault(func(string) fault { return none })
		tr.shutDown()
	})
}

func (tr *testReplica) put(kinds ...string) {
	for _, kind := range kinds {
		tr.store.put(task.Spec{ID: kind, Kind: kind})
	}
}

// The wait begins with the enqueue, or when the task became due after a delay. A retry in place
// and a save have none.
func TestWaitBeginsWhenTheTaskIsDue(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for name, c := range map[string]struct {
		task    task.Task
		inPlace bool
		want    time.Duration
	}{
		"plain":             {task.Task{CreatedAt: at(10), StartedAt: at(15)}, false, 5 * time.Second},
		"retried":           {task.Task{CreatedAt: at(10), DueAt: at(14), StartedAt: at(15)}, false, time.Second},
		"in place":          {task.Task{CreatedAt: at(10), StartedAt: at(15)}, true, -1},
		"a save":            {task.Task{State: task.Exporting, CreatedAt: at(10), StartedAt: at(15)}, false, -1},
		"a damaged time":    {task.Task{CreatedAt: at(20), StartedAt: at(15)}, false, 0},
		"without its times": {task.Task{}, false, -1},
	} {
		a := attempt{task: &c.task, inPlace: c.inPlace}
		if got := a.waited(); got != c.want {
			t.Errorf("%s: waited %v, want %v", name, got, c.want)
		}
	}
}

func TestObserveAfterRunPanics(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		defer tr.shutDown()
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		tr.r.Observe(&seen{})
	})
}
