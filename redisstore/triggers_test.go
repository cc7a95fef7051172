package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// setTrigger sets a trigger that is due in an hour.
func (s *site) setTrigger(t testing.TB, name string, due time.Time) {
	t.Helper()
	done, err := s.store.SetTrigger(t.Context(), task.TriggerChange{Name: name, Definition: "{}", Planned: due, Due: due, Anchor: due})
	if err != nil || !done {
		t.Fatal(done, err)
	}
}

func (w *wreck) setTrigger(name string) { w.site.setTrigger(w.t, name, time.Now().Add(time.Hour)) }

// A trigger that no replica can compute is handed out again and again. It is found, too.
func TestTriggerThatShouldHaveFiredIsFound(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	now := s.now(t)
	s.setTrigger(t, "late", now.Add(-2*time.Minute))
	s.setTrigger(t, "due", now.Add(-time.Second))
	s.setTrigger(t, "later", now.Add(time.Hour))
	s.setTrigger(t, "paused", now.Add(-time.Hour))
	if err := s.store.PauseTrigger(t.Context(), "paused"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.store.FireTriggers(t.Context(), nil, 10); err != nil || len(got.Due) != 2 {
		t.Fatal(got, err)
	}
	if late, at, err := s.store.LateTriggers(t.Context()); err != nil || len(late) != 1 || late[0].Name != "late" || at.Before(now) {
		t.Errorf("late: %+v at %v, %v", late, at, err)
	}
	found := s.findings(t, "triggers")
	if len(found) != 1 || found[0].Severity != task.SeverityWarning || !strings.HasPrefix(found[0].What, "trigger late should have fired at ") || found[0].Do == "" {
		t.Errorf("found %+v", found)
	}
	// It is reported once, as an event about no task.
	s.enqueue(t, task.Spec{Kind: "k", ID: "a"})
	for i := range 3 {
		m, err := s.store.Maintain(t.Context(), "r")
		if err != nil || m.Busy || (len(m.LateTriggers) == 1 && m.LateTriggers[0] == "late") != (i == 0) {
			t.Errorf("%+v, %v", m, err)
		}
		s.rdb.Del(t.Context(), s.prefix+"lock:maintenance")
	}
	events, err := s.store.ReadEvents(t.Context(), "0", 10, 0)
	if err != nil || len(events) != 2 {
		t.Fatal(events, err)
	}
	e := events[1]
	if e.Trigger != "late" || e.Planned.UnixMilli() != now.Add(-2*time.Minute).UnixMilli() || e.At.Before(e.Planned) || e.ID != "" || e.State != "" || e.Broken != nil {
		t.Errorf("%+v", e)
	}
	if events[0].Trigger != "" {
		t.Errorf("%+v", events[0])
	}
}

// A run whose reply was lost makes one task, even if that was removed and the trigger has changed
// and run again before the call was repeated.
func TestRunOfATriggerIsRepeatedOnce(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	s.setTrigger(t, "t", time.Now().Add(time.Hour))
	read, _, err := s.store.Triggers(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	run := firing(read[0], time.Time{})
	run.Op = task.RunTriggerOnce
	var made []string
	meanwhile := func() {
		got, err := s.store.Exchange(t.Context(), claimOf(1, "q", 9))
		if err != nil || len(tasksOf(got)) != 1 {
			t.Fatal(got, err)
		}
		made = append(made, tasksOf(got)[0].ID)
		if _, err := s.store.Exchange(t.Context(), reportsOf(1, reportOn(tasksOf(got)[0], task.Succeed))); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Delete(t.Context(), made[0]); err != nil {
			t.Fatal(err)
		}
		other, err := s.store.FireTriggers(t.Context(), []task.TriggerFiring{run}, 0)
		if err != nil || len(other.Fired[0]) != 1 {
			t.Fatal(other, err)
		}
		made = append(made, other.Fired[0][0].Task)
		if err := s.store.PauseTrigger(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.with(t, &between{script: "fire", f: meanwhile}).FireTriggers(t.Context(), []task.TriggerFiring{run}, 0)
	if err != nil || got.Changed[0] || len(got.Fired[0]) != 1 || got.Fired[0][0].Task != made[0] || got.Fired[0][0].Outcome != task.TriggerEnqueued {
		t.Errorf("%+v, %v; made %v", got, err, made)
	}
	after, err := s.store.Exchange(t.Context(), claimOf(2, "q", 9))
	if ts := tasksOf(after); err != nil || len(ts) != 1 || ts[0].ID != made[1] {
		t.Errorf("%d tasks, %v; made %v", len(ts), err, made)
	}
	if records, err := s.store.TriggerHistory(t.Context(), "t"); err != nil || len(records) != 2 {
		t.Errorf("history %+v, %v", records, err)
	}
}
