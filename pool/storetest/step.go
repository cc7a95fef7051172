package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

var stepRules = []rule{
	{"StepOfManyTasksHasTheEffectsOfManySteps", stepOfMany},
}

const (
	stepTasks  = 200
	stepQueues = 5
	stepKinds  = 20
)

// stepSpec returns the i-th of many specs, each with another mix of features.
func stepSpec(i int) task.Spec {
	s := task.Spec{
		ID: fmt.Sprint("t", i), Kind: fmt.Sprint("k", i%stepKinds), Queue: fmt.Sprint("q", i%stepQueues), Priority: int8(i%3 - 1),
		Payload: []byte(fmt.Sprint("payload\x00\n", i)), MaxAttempts: 1 + i%3, Backoff: task.Backoff{Fixed: true, Base: time.Hour},
	}
	has := func(n int) bool { return i/stepQueues%n == n-1 }
	if has(2) {
		s.Group = fmt.Sprint("g", i%7)
	}
	if has(3) {
		s.Unique = fmt.Sprint("u", i/2) // the second spec of some pairs is a duplicate
	}
	if has(4) {
		s.Headers = map[string]string{"trace": fmt.Sprint("é ", i)}
	}
	if has(5) {
		s.Deadline = time.Duration(1+i%2) * time.Hour
	}
	if has(6) {
		s.TTL = time.Hour
	}
	if has(7) {
		s.Retain = ptr([]time.Duration{0, time.Hour, task.Forever}[i%3])
	}
	if has(8) {
		s.Timeout = []time.Duration{time.Minute, task.Forever}[i%2]
	}
	if has(9) {
		s.Reply = true
	}
	return s
}

// stepReport returns the i-th of many reports, of every kind in turn.
func stepReport(i int, t *task.Task) task.Report {
	switch i % 12 {
	case 0:
		r := succeed(t)
		r.Result = []byte(fmt.Sprintf(`{"n":%d}`, i))
		return r
	case 1:
		r := succeed(t)
		r.Result = make([]byte, task.MaxEventResult+i)
		return r
	case 2:
		return failIn(t, 0)
	case 3:
		return fail(t, task.CodeTimeout)
	case 4:
		r := fail(t, task.CodePermanent)
		r.Error, r.Log = fmt.Sprint("error ", i), "log"
		return r
	case 5:
		return release(t, 0)
	case 6:
		return release(t, time.Hour)
	case 7:
		stale := succeed(t)
		stale.Fence--
		return stale
	}
	if i%12 == 8 {
		return withMeta(succeed(t), task.Meta{"step": fmt.Sprint(i)})
	}
	return succeed(t)
}

// steps runs many tasks, with at of them in each step.
type steps struct {
	*fixture
	at   int                   // tasks per step
	held map[string]*task.Task // as claimed last; some have ended
}

func (s *steps) each(n int, f func(first, last int)) {
	for first := 0; first < n; first += s.at {
		f(first, min(first+s.at, n))
	}
}

func (s *steps) enqueueTasks() {
	specs := make([]task.Spec, stepTasks)
	for i := range specs {
		specs[i] = stepSpec(i)
	}
	s.each(stepTasks, func(first, last int) { s.enqueueAll(specs[first:last]...) })
}

// claimTasks claims all tasks, in the same order of queues for every at.
func (s *steps) claimTasks() {
	if s.held == nil {
		s.held = map[string]*task.Task{}
	}
	take := func(got task.Exchanged) int {
		for _, t := range tasks(got) {
			s.held[t.ID] = t
		}
		return len(tasks(got))
	}
	if s.at > 1 {
		x := task.Exchange{}
		for q := range stepQueues {
			x.Claims = append(x.Claims, task.Claim{Queue: fmt.Sprint("q", q), N: stepTasks / stepQueues})
		}
		take(s.send(x))
		return
	}
	for q := range stepQueues {
		for take(s.send(task.Exchange{Claims: []task.Claim{{Queue: fmt.Sprint("q", q), N: 1}}})) > 0 {
		}
	}
}

func (s *steps) reportTasks(report func(i int, t *task.Task) task.Report) (verdicts []task.Verdict) {
	var reports []task.Report
	for i := range stepTasks {
		if t := s.held[fmt.Sprint("t", i)]; t != nil {
			reports = append(reports, report(i, t))
		}
	}
	s.each(len(reports), func(first, last int) { verdicts = append(verdicts, s.report(reports[first:last]...)...) })
	return verdicts
}

func (s *steps) change(f func(ids []string)) {
	all := make([]string, stepTasks)
	for i := range all {
		all[i] = fmt.Sprint("t", i)
	}
	s.each(stepTasks, func(first, last int) { f(all[first:last]) })
}

// outcome is everything that can be read of the tasks, without times and fences.
type outcome struct {
	Verdicts []task.Verdict
	Tasks    map[string]*task.Task
	Events   map[string][]task.Event
	History  map[string]int
	Replies  map[string]int
	Stats    task.Stats
	Groups   []task.GroupInfo
}

func (s *steps) outcome(verdicts []task.Verdict) outcome {
	o := outcome{Verdicts: verdicts, Tasks: map[string]*task.Task{}, Events: map[string][]task.Event{}, History: map[string]int{},
		Replies: map[string]int{}, Stats: s.stats()}
	var groups []string
	for i := range 7 {
		groups = append(groups, fmt.Sprint("g", i))
	}
	_, infos, err := s.Store.Groups(s.ctx, groups...)
	s.noError(err)
	o.Groups = infos
	for _, e := range s.events() {
		if e.At.IsZero() || e.Wait < 0 || e.Run < 0 || e.Broken != nil {
			s.Errorf("event %+v", e)
		}
		e.At, e.Wait, e.Run, e.Cursor = time.Time{}, 0, 0, ""
		o.Events[e.ID] = append(o.Events[e.ID], e)
	}
	for i := range stepTasks {
		id := fmt.Sprint("t", i)
		o.History[id] = len(s.history(id))
		replies, _ := s.Replies(s, id)
		o.Replies[id] = len(replies)
		if t := s.find(id); t != nil {
			for _, at := range []*time.Time{&t.DueAt, &t.StartedAt, &t.EndedAt, &t.ExpiresAt, &t.DeadlineAt, &t.CreatedAt} {
				if !at.IsZero() {
					*at = time.Unix(1, 0) // compare only whether it is set
				}
			}
			t.Fence = min(t.Fence, 1)
			o.Tasks[id] = t
		}
	}
	return o
}

func stepOfMany(fx *fixture) {
	all, one := &steps{fixture: fx, at: stepTasks}, &steps{fixture: fx.withNewPool(), at: 1}
	compare := func(what string, f func(s *steps) []task.Verdict) {
		fx.Helper()
		want, got := one.outcome(f(one)), all.outcome(f(all))
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(task.Task{}), cmpopts.EquateEmpty()); d != "" {
			fx.Fatalf("%s in one step (-one by one +all at once):\n%s", what, d)
		}
	}
	compare("enqueue", func(s *steps) []task.Verdict { s.enqueueTasks(); return nil })
	compare("claim", func(s *steps) []task.Verdict { s.claimTasks(); return nil })
	compare("report", func(s *steps) []task.Verdict { return s.reportTasks(stepReport) })
	compare("claim released and retried tasks", func(s *steps) []task.Verdict { s.claimTasks(); return nil })
	compare("stop", func(s *steps) []task.Verdict {
		s.change(func(ids []string) {
			var some []string
			for _, id := range ids {
				if len(id)%2 == 0 {
					some = append(some, id)
				}
			}
			s.stopAll(some...)
		})
		return nil
	})
	compare("report the rest", func(s *steps) []task.Verdict {
		return s.reportTasks(func(i int, t *task.Task) task.Report { return stepReport(i+2, t) })
	})
	compare("retry", func(s *steps) []task.Verdict {
		s.change(func(ids []string) { _, err := s.Store.Retry(s.ctx, task.Edit{}, ids...); s.noError(err) })
		return nil
	})
	compare("fail with a delay", func(s *steps) []task.Verdict {
		s.claimTasks()
		return s.reportTasks(func(_ int, t *task.Task) task.Report { return failIn(t, time.Hour) })
	})
	compare("run now", func(s *steps) []task.Verdict {
		s.change(func(ids []string) { _, err := s.Store.RunNow(s.ctx, ids...); s.noError(err) })
		return nil
	})
	compare("delete", func(s *steps) []task.Verdict {
		s.change(func(ids []string) { s.stopAll(ids...) })
		s.change(func(ids []string) { _, err := s.Store.Delete(s.ctx, ids...); s.noError(err) })
		return nil
	})
	for _, i := range []int{0, 7, 99, 123, 249} {
		all.wantNoTrace(fmt.Sprint("t", i))
	}
	one.checkInspection()
}
