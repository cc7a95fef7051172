package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// watch starts a Runner with a rule that does not apply and these receivers.
func watch(t *testing.T, f *fakeStore, to map[string]*fakeChannel) (stop func()) {
	t.Helper()
	o := Options{Rules: []Rule{dog()}, Receivers: map[string]Receiver{}, Interval: 10 * time.Second}
	for name, c := range to {
		o.Receivers[name] = Receiver{Channel: c}
	}
	stop = start(t, f, o)
	pass(time.Second) // so that the test does nothing at the time of an evaluation
	return stop
}

// remove removes a stored rule.
func remove(t *testing.T, f *fakeStore, name string) {
	t.Helper()
	if err := RemoveRule(t.Context(), f, name, ""); err != nil {
		t.Fatal(err)
	}
}

// A rule with another window counts the events of before.
func TestChangedWindowHasEarlierEvents(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, ops := newFakeStore(), &fakeChannel{}
		watch(t, f, map[string]*fakeChannel{"ops": ops})
		rule := Rule{Name: "failures", When: Failed, Threshold: 10, Window: 30 * time.Minute, Repeat: Never}
		store(t, f, rule)
		pass(time.Minute)
		fail := func(n int) {
			for range n {
				f.event(task.Event{ID: "t", State: task.Failed, Queue: "q", Kind: "k"})
				pass(time.Minute)
			}
		}
		fail(20)
		if n := one(t, ops); n.State != StateFiring {
			t.Errorf("%+v", n)
		}
		rule.Window += time.Minute
		store(t, f, rule)
		fail(20)
		if got := ops.messages(); len(got) > 0 {
			t.Errorf("while tasks fail: %s", texts(got))
		}
		s, err := ReadState(t.Context(), f)
		if err != nil || len(s.Firing) != 1 || s.Firing[0].Value < 30 || s.Firing[0].Value > 32 {
			t.Errorf("%+v, %v", s.Firing, err)
		}
	})
}

// Replicas that leave while no rule needs the replicas have not gone.
func TestReplicasThatLeftUnobservedHaveNotGone(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		list := func(lost int64, names ...string) {
			f.change(func() {
				f.replicas, f.stats.LeasesLost = nil, lost
				for _, name := range names {
					f.replicas = append(f.replicas, task.ReplicaInfo{ID: name, Host: name, SeenAt: time.Now(), Silent: time.Second, Lease: 30 * time.Second})
				}
			})
		}
		list(0, "r1", "r2")
		stop := watch(t, f, map[string]*fakeChannel{"ops": c})
		gone := Rule{Name: "gone", When: ReplicaGone}
		store(t, f, gone)
		pass(time.Minute)
		remove(t, f, "gone")
		pass(time.Minute)
		list(1, "r3")
		pass(time.Hour)
		list(1, "r3")
		store(t, f, gone)
		pass(time.Minute)
		stop()
		watch(t, f, map[string]*fakeChannel{"ops": c})
		pass(time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("got %s", texts(got))
		}
		list(2)
		pass(time.Minute)
		if n := one(t, c); n.Labels["host"] != "r3" {
			t.Errorf("%+v", n)
		}
	})
}

// Less severe alerts keep no place from a critical one. Those that are as severe do.
func TestCriticalAlertHasAPlace(t *testing.T) {
	for _, c := range []struct {
		held, new Severity
		place     bool
	}{{Info, Critical, true}, {Info, Warning, true}, {Warning, Critical, true}, {Info, Info, false}, {Critical, Critical, false}, {Critical, Info, false}} {
		j := &judge{now: time.Now(), alerts: map[string]*Alert{}, to: func(*Rule) []string { return []string{"ops"} }, beyond: map[string]int{}}
		for i := range maxAlerts {
			j.alerts[fmt.Sprint("a:noise", i)] = &Alert{Rule: fmt.Sprint("noise", i), Severity: c.held}
		}
		r := Rule{Name: "paused", When: PoolPaused, Severity: c.new}.WithDefaults()
		j.rule(&r, []sample{{value: 5}})
		if place := j.alerts["a:paused"] != nil; place != c.place || place == (j.beyond["paused"] == 1) {
			t.Errorf("%+v: a place %v, beyond %v", c, place, j.beyond)
		}
	}
}

// The pool is inspected while a rule needs it.
func TestInspectionsEndWithTheirLastRule(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		watch(t, f, map[string]*fakeChannel{"ops": c})
		for range 2 {
			store(t, f, Rule{Name: "doctor", When: Doctor})
			pass(time.Hour)
			before := f.inspected()
			remove(t, f, "doctor")
			pass(time.Hour)
			if after := f.inspected(); before == 0 || after > 1 {
				t.Errorf("%d inspections, later %d", before, after)
			}
		}
	})
}
