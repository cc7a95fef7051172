package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// planner fires each trigger once, except those that it cannot compute.
type planner struct{}

func (planner) Fire(t task.StoredTrigger, _ time.Time) (task.TriggerFiring, error) {
	if t.Name == "broken" {
		return task.TriggerFiring{}, errors.New("no such calendar")
	}
	return task.TriggerFiring{Read: t, Op: task.FireTrigger}, nil
}

func (planner) CalendarEnds() map[string]time.Time {
	return map[string]time.Time{"cn": time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)}
}

func TestReplicaFiresTriggersWhenTheyAreDue(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Triggers: planner{}})
		begin := time.Now()
		due := map[string]time.Duration{"a": time.Minute, "b": time.Minute, "c": 2 * time.Minute, "broken": 90 * time.Second}
		fired := map[string]time.Duration{}
		calls := 0
		tr.store.triggers = func(firings []task.TriggerFiring) (got task.FiredTriggers) {
			calls++
			now := time.Since(begin)
			for _, f := range firings {
				fired[f.Read.Name] = now
				delete(due, f.Read.Name)
			}
			got.Now = time.Now()
			for name, at := range due {
				switch {
				case at <= now:
					got.Due = append(got.Due, task.StoredTrigger{Name: name})
					due[name] = now + 2*time.Second // reserved
				case got.Next == 0 || at-now < got.Next:
					got.Next = at - now
				}
			}
			return got
		}
		tr.r.Handle("k", noop)
		tr.run()
		tr.advance(3 * time.Minute)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if n := tr.log.count("a trigger cannot be fired here"); n < 1 || n > 2 {
			t.Errorf("the problem was logged %d times", n)
		}
		if fired["a"] != time.Minute || fired["b"] != time.Minute || fired["c"] != 2*time.Minute || len(fired) != 3 {
			t.Errorf("fired %v", fired)
		}
		if ends := tr.store.joins[0].CalendarEnds; ends["cn"].IsZero() {
			t.Errorf("it joined with the ends of calendars %v", ends)
		}
		if calls > 100 {
			t.Errorf("%d calls in three minutes", calls)
		}
	})
}
