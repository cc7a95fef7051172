package redisstore_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// stepTasks is the number of tasks of a step of TestStepOfManyTasksWritesTheKeysOfManySteps.
const stepTasks = 120

// stepSpec returns one of many tasks, each with a different mix of features.
func stepSpec(i int) task.Spec {
	s := task.Spec{ID: fmt.Sprint("t", i), Kind: fmt.Sprint("k", i%20), Queue: fmt.Sprint("q", i%5), Priority: int8(i%3 - 1),
		Payload: []byte(fmt.Sprint("payload ", i)), MaxAttempts: 1 + i%3, Backoff: walkBackoff}
	has := func(n int) bool { return i/5%n == n-1 }
	if has(2) {
		s.Group = fmt.Sprint("g", i%7)
	}
	if has(3) {
		s.Unique = fmt.Sprint("u", i/2) // in some pairs the second task is a duplicate
	}
	if has(4) {
		s.Headers = map[string]string{"trace": fmt.Sprint("a b ", i)}
	}
	if has(5) {
		s.Deadline = 2 * time.Hour
	}
	if has(6) {
		s.TTL = time.Hour
	}
	if has(7) {
		s.Retain = new([]time.Duration{0, time.Hour, task.Forever}[i%3])
	}
	if has(8) {
		s.Timeout = []time.Duration{time.Minute, task.Forever}[i%2]
	}
	s.Reply = has(9)
	return s
}

func stepReport(i int, t *task.Task) task.Report {
	r := reportOn(t, []task.Op{task.Succeed, task.Fail, task.Release}[i%3])
	switch {
	case r.Op == task.Succeed && i%2 == 0:
		r.Result = []byte(fmt.Sprintf(`{"n":%d}`, i))
	case r.Op == task.Fail:
		r.Error, r.Log, r.DelaySet, r.Delay = "broke", "log", true, []time.Duration{0, time.Hour}[i%2]
	case r.Op == task.Release:
		r.Delay = []time.Duration{0, time.Hour}[i%2]
	}
	return r
}

// stepped is a pool in which every step has a fixed number of tasks.
type stepped struct {
	*site
	t    *testing.T
	each int
	call int64
	held map[string]*task.Task
}

func (s *stepped) steps(n int, f func(first, last int)) {
	for first := 0; first < n; first += s.each {
		f(first, min(first+s.each, n))
	}
}

func (s *stepped) exchange(x task.Exchange) []*task.Task {
	s.t.Helper()
	s.call++
	x.Replica, x.Sequence, x.Call, x.Lease, x.Grace = "r", 1, s.call, time.Hour, time.Second
	got, err := s.store.Exchange(s.t.Context(), x)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, t := range tasksOf(got) {
		s.held[t.ID] = t
	}
	return tasksOf(got)
}

func (s *stepped) claim() {
	s.held = map[string]*task.Task{}
	if s.each > 1 {
		x := task.Exchange{}
		for q := range 5 {
			x.Claims = append(x.Claims, task.Claim{Queue: fmt.Sprint("q", q), N: stepTasks / 5})
		}
		s.exchange(x)
		return
	}
	for q := range 5 {
		for len(s.exchange(task.Exchange{Claims: []task.Claim{{Queue: fmt.Sprint("q", q), N: 1}}})) > 0 {
		}
	}
}

func (s *stepped) report(turn int) {
	var reports []task.Report
	for i := range stepTasks {
		if t := s.held[fmt.Sprint("t", i)]; t != nil {
			reports = append(reports, stepReport(i+turn, t))
		}
	}
	s.steps(len(reports), func(first, last int) { s.exchange(task.Exchange{Reports: reports[first:last]}) })
}

func (s *stepped) change(f func(ids ...string) ([]task.Change, error)) {
	s.t.Helper()
	s.steps(stepTasks, func(first, last int) {
		var ids []string
		for i := first; i < last; i++ {
			ids = append(ids, fmt.Sprint("t", i))
		}
		if _, err := f(ids...); err != nil {
			s.t.Fatal(err)
		}
	})
}

// times matches times in ms, fences (times in hundredths of a ms), and the durations of attempts.
var times = regexp.MustCompile(`\b(\d{13}|\d{15})\b|"run_ms":\d+`)

// keyed returns every key without claims, which differ, and without the parts that depend on calls
// and times.
func (s *stepped) keyed() map[string]map[string]string {
	out := map[string]map[string]string{}
	for key, v := range s.dump(s.t) {
		name := strings.TrimPrefix(key, s.prefix)
		switch kind, _, _ := strings.Cut(name, ":"); kind {
		case "claims", "leases", "call", "load", "replica", "replicas", "events", "lock", "signals":
			continue
		}
		out[name] = map[string]string{}
		for member, value := range v {
			if name == "meta" && (member == "fence" || member == "epoch" || strings.HasPrefix(member, "events:")) {
				continue
			}
			out[name][times.ReplaceAllString(member, "T")] = times.ReplaceAllString(value, "T")
		}
	}
	return out
}

// TestStepOfManyTasksWritesTheKeysOfManySteps runs tasks with all mixes of features in two pools.
// In one pool a step has all tasks, in the other it has one task. The keys of both pools are the
// same after every step.
func TestStepOfManyTasksWritesTheKeysOfManySteps(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		one, all := &stepped{t: t, site: newSite(t, rdb), each: 1}, &stepped{t: t, site: newSite(t, rdb), each: stepTasks}
		for _, s := range []*stepped{one, all} {
			s.join(t, "r")
		}
		for _, step := range []struct {
			name string
			do   func(s *stepped)
		}{
			{"enqueue", func(s *stepped) {
				specs := make([]task.Spec, stepTasks)
				for i := range specs {
					specs[i] = stepSpec(i)
				}
				s.steps(stepTasks, func(first, last int) { s.enqueue(t, specs[first:last]...) })
			}},
			{"claim", (*stepped).claim},
			{"report", func(s *stepped) { s.report(0) }},
			{"claim what came back", (*stepped).claim},
			{"stop", func(s *stepped) {
				odd := 0
				s.change(func(ids ...string) ([]task.Change, error) {
					var some []string
					for _, id := range ids {
						if odd++; odd%2 == 1 {
							some = append(some, id)
						}
					}
					return s.store.Stop(ctx, "why", some...)
				})
			}},
			{"report the rest", func(s *stepped) { s.report(1) }},
			{"retry", func(s *stepped) {
				s.change(func(ids ...string) ([]task.Change, error) { return s.store.Retry(ctx, task.Edit{}, ids...) })
			}},
			{"change", func(s *stepped) {
				s.change(func(ids ...string) ([]task.Change, error) {
					return s.store.Change(ctx, task.Edit{Priority: new(int8(1)), Payload: []byte("changed")}, ids...)
				})
			}},
			{"claim what was retried", (*stepped).claim},
			{"report again", func(s *stepped) { s.report(0) }},
			{"run now", func(s *stepped) {
				s.change(func(ids ...string) ([]task.Change, error) { return s.store.RunNow(ctx, ids...) })
			}},
			{"stop all", func(s *stepped) {
				s.change(func(ids ...string) ([]task.Change, error) { return s.store.Stop(ctx, "why", ids...) })
			}},
			{"delete", func(s *stepped) {
				s.change(func(ids ...string) ([]task.Change, error) { return s.store.Delete(ctx, ids...) })
			}},
		} {
			step.do(one)
			step.do(all)
			if d := cmp.Diff(one.keyed(), all.keyed()); d != "" {
				t.Fatalf("%s in one step (-one by one +all at once):\n%s", step.name, d)
			}
		}
	})
}
