package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// A receiver that a rule no longer has gets the end of its alerts, and a new one gets those that fire.
func TestChangedReceiversAreInformed(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, a, b, both := newFakeStore(), &fakeChannel{}, &fakeChannel{}, &fakeChannel{again: time.Minute}
		f.waits("q", 50)
		watch(t, f, map[string]*fakeChannel{"a": a, "b": b, "both": both})
		store(t, f, Rule{Name: "depth", When: Waiting, Threshold: 10, Repeat: Never, To: []string{"a", "both"}})
		pass(time.Minute)
		if n := one(t, a); n.State != StateFiring {
			t.Errorf("%+v", n)
		}
		began := one(t, both).Since
		store(t, f, Rule{Name: "depth", When: Waiting, Threshold: 10, Repeat: Never, To: []string{"b", "both"}})
		pass(25 * time.Second)
		if n := one(t, a); n.State != StateEnded || !n.Changed || !strings.Contains(n.Text(English), "because the rule was changed") {
			t.Errorf("%+v: %s", n, n.Text(English))
		}
		if n := one(t, b); n.State != StateFiring || n.Again || !n.Since.Equal(began) {
			t.Errorf("%+v", n)
		}
		for _, m := range both.messages() {
			for i := range m.Notices {
				if !m.Notices[i].Resend {
					t.Errorf("a receiver that stays got %+v", m.Notices[i])
				}
			}
		}
		f.waits("q", 0)
		pass(5 * time.Minute)
		if n := one(t, b); n.State != StateEnded || n.Changed {
			t.Errorf("%+v", n)
		}
		if got := a.messages(); len(got) > 0 {
			t.Errorf("the earlier receiver got %s", texts(got))
		}
	})
}

// The alerts of a rule end when its condition, its labels or its queues are changed so that they no
// longer belong to it. An alert that becomes more severe is announced as a new one.
func TestChangedRuleHasOtherAlerts(t *testing.T) {
	changed := func(n Notice) bool { return n.State == StateEnded && n.Changed }
	for _, c := range []struct {
		name          string
		before, after Rule
		ends          bool
		fires         Severity
	}{
		{"when", Rule{When: Waiting, Threshold: 10}, Rule{When: OldestWait, Threshold: 60, Severity: Critical}, true, Critical},
		{"when with for", Rule{When: Waiting, Threshold: 10}, Rule{When: OldestWait, Threshold: 60, For: time.Hour}, true, ""},
		{"queues", Rule{When: Waiting, Threshold: 10}, Rule{When: Waiting, Threshold: 10, Queues: []string{"other"}}, true, ""},
		{"by", Rule{When: Failed, Threshold: 1}, Rule{When: Failed, Threshold: 1, By: []string{"queue"}}, true, Warning},
		{"by group", Rule{When: Failed, Threshold: 1}, Rule{When: Failed, Threshold: 1, By: []string{"group", "kind"}}, true, Warning},
		{"order of by", Rule{When: Failed, Threshold: 1, By: []string{"queue", "kind"}}, Rule{When: Failed, Threshold: 1, By: []string{"kind", "queue"}}, false, ""},
		{"higher severity", Rule{When: Waiting, Threshold: 10}, Rule{When: Waiting, Threshold: 10, Severity: Critical}, false, Critical},
		{"lower severity", Rule{When: Waiting, Threshold: 10}, Rule{When: Waiting, Threshold: 10, Severity: Info}, false, ""},
	} {
		faketime.Test(t, func(t *testing.T) {
			f, ops := newFakeStore(), &fakeChannel{}
			f.waits("q", 50)
			f.oldest["q"] = time.Now().Add(-time.Hour)
			watch(t, f, map[string]*fakeChannel{"ops": ops})
			c.before.Name, c.after.Name = "r", "r"
			store(t, f, c.before)
			pass(11 * time.Second) // the first evaluation begins with the newest event
			for range 2 {
				f.event(task.Event{ID: "t", Kind: "k", Queue: "q", State: task.Failed})
			}
			pass(30 * time.Second)
			one(t, ops)
			store(t, f, c.after)
			pass(5 * time.Minute)
			ends, fires := 0, Severity("")
			for _, m := range ops.messages() {
				for _, n := range m.Notices {
					switch {
					case changed(n):
						ends++
					case n.State == StateFiring && !n.Again:
						fires = n.Severity
					default:
						t.Errorf("%s: %s", c.name, n.Text(English))
					}
				}
			}
			if ends == 1 != c.ends || ends > 1 || fires != c.fires {
				t.Errorf("%s: %d ends, fires with severity %q", c.name, ends, fires)
			}
		})
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

// flaky is a fakeStore whose second write of ends fails once.
type flaky struct {
	*fakeStore
	ends int // writes that remove alerts; -1 before the failure is wanted
}

func (f *flaky) WriteAlerts(ctx context.Context, owner string, w task.AlertWrite) (bool, error) {
	failed := false
	f.change(func() {
		if f.ends >= 0 && len(w.Remove) > 0 {
			f.ends++
			failed = f.ends == 2
		}
	})
	if failed {
		return false, errors.New("i/o timeout")
	}
	return f.fakeStore.WriteAlerts(ctx, owner, w)
}

// The ends of the alerts of a removed rule are in several writes. None is lost if one of these fails.
func TestEndsAreNotLostBetweenTwoWrites(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := &flaky{newFakeStore(), -1}, &fakeChannel{}
		const all = 2*perWrite + 50
		for i := range all {
			f.waits(fmt.Sprint("q", i), 50)
		}
		store(t, f.fakeStore, Rule{Name: "depth", When: Waiting, Threshold: 10, To: []string{"ops"}})
		r, err := New(f, Options{Rules: []Rule{dog()}, Receivers: map[string]Receiver{"ops": {Channel: c}, "other": {Channel: &fakeChannel{}}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		pass(3 * time.Minute)
		c.messages()
		f.change(func() { f.ends = 0 })
		remove(t, f.fakeStore, "depth")
		pass(5 * time.Minute)
		cancel()
		<-done
		if n := counts(c.messages()); f.ends < 2 || n[StateEnded] != all {
			t.Errorf("%d writes, %v", f.ends, n)
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

// The alerts of a rule that this version cannot read stay until it can be read or is removed.
func TestAlertsOfAnUnreadableRuleStay(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c, other := newFakeStore(), &fakeChannel{}, &fakeChannel{}
		f.waits("q", 50)
		to := map[string]*fakeChannel{"ops": c, "other": other}
		stop := watch(t, f, to)
		rule := Rule{Name: "depth", When: Waiting, Threshold: 10, To: []string{"ops"}}
		store(t, f, rule)
		pass(time.Minute)
		one(t, c)
		later := strings.Replace(f.rules["depth"], `"rule":{`, `"rule":{"colour":"red",`, 1)
		f.change(func() { f.rules["depth"] = later })
		pass(time.Hour)
		stop()
		watch(t, f, to)
		pass(time.Hour)
		store(t, f, rule)
		pass(time.Hour)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("got %s", texts(got))
		}
		f.change(func() { f.rules["depth"] = later })
		pass(time.Minute)
		remove(t, f, "depth")
		pass(time.Minute)
		if n := one(t, c); !n.Removed {
			t.Errorf("%+v", n)
		}
		if got := other.messages(); len(got) > 0 {
			t.Errorf("another receiver got %s", texts(got))
		}
	})
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
