package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// depth is a rule that a test controls by the number of waiting tasks.
func depth() Rule {
	return Rule{Name: "depth", When: Waiting, Threshold: 10, For: 30 * time.Second, Keep: time.Minute}
}

// The name of the pool is in the link of a message: rules may be those of several pools.
func TestLinkOfAMessageNamesThePool(t *testing.T) {
	o := Options{Console: "https://tasks.example/p/{pool}/alerts", Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}}}, Rules: []Rule{depth()}}
	r, err := New(newFakeStore(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://tasks.example/p/media/alerts"; r.opts.Console != want {
		t.Errorf("the link is %s, want %s", r.opts.Console, want)
	}
}

// waits sets the waiting tasks of a queue.
func (f *fakeStore) waits(queue string, n int) {
	f.change(func() { f.set(queue, n) })
}

// set is waits for a caller that has the lock.
func (f *fakeStore) set(queue string, n int) {
	for i := range f.stats.Queues {
		if f.stats.Queues[i].Name == queue {
			f.stats.Queues[i].Waiting = n
			return
		}
	}
	f.stats.Queues = append(f.stats.Queues, task.QueueInfo{Name: queue, Waiting: n})
}

// one returns the only notice of the only message.
func one(t *testing.T, c *fakeChannel) Notice {
	t.Helper()
	got := c.messages()
	if len(got) != 1 || len(got[0].Notices) != 1 {
		t.Fatalf("got %+v, want one message with one notice", got)
	}
	return got[0].Notices[0]
}

func TestAlertFiresAfterForAndRecoversAfterKeep(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.waits("a", 5)
		f.waits("b", 0)
		start(t, f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(time.Minute)
		f.waits("a", 50)
		pass(25 * time.Second)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("before For: %+v", got)
		}
		pass(30 * time.Second)
		if n := one(t, c); n.State != StateFiring || n.Rule != "depth" || n.Labels["queue"] != "a" || n.Value != 50 || n.Threshold != 10 || n.Severity != Warning {
			t.Errorf("fired %+v", n)
		}
		f.waits("a", 0) // flaps
		pass(45 * time.Second)
		f.waits("a", 60)
		pass(45 * time.Second)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("while it flaps: %+v", got)
		}
		f.waits("a", 0)
		pass(2 * time.Minute)
		if n := one(t, c); n.State != StateEnded || n.Labels["queue"] != "a" || n.Ended.IsZero() {
			t.Errorf("ended %+v", n)
		}
		r, _ := f.ReadAlerts(t.Context())
		for field := range r.Fields {
			if strings.HasPrefix(field, "a:") {
				t.Errorf("%s is left", field)
			}
		}
	})
}

func TestAlertIsRepeatedAndRecoveryCanBeOff(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.waits("a", 50)
		r := depth()
		r.Repeat, r.NoRecovery = time.Hour, true
		start(t, f, Options{Rules: []Rule{r}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(2*time.Hour + 5*time.Minute)
		got := c.messages()
		if len(got) != 3 || got[0].Notices[0].Again || !got[1].Notices[0].Again {
			t.Errorf("got %+v", got)
		}
		f.waits("a", 0)
		pass(10 * time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("the recovery is off: %+v", got)
		}
	})
}

// O6: 1,000 alerts a minute against a receiver that takes 20.
func TestStormIsFewMessagesWithCounts(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		var sent []time.Time
		c.send = func(context.Context, *Message) error { // as DingTalk: too many in a minute is an error
			sent = append(sent, time.Now())
			n := 0
			for _, at := range sent {
				if time.Since(at) < time.Minute {
					n++
				}
			}
			if n > 20 {
				t.Errorf("message %d within a minute", n)
				return &SendError{Err: errors.New("too fast"), After: 10 * time.Minute}
			}
			return nil
		}
		calm := &fakeChannel{}
		rule := Rule{Name: "failures", When: Failed, Threshold: 0.5, Window: time.Minute, By: []string{"queue"}, Repeat: time.Minute, NoRecovery: true, To: []string{"ding"}}
		start(t, f, Options{Rules: []Rule{rule, {Name: "alive", When: Watchdog, To: []string{"calm"}}}, Interval: time.Second,
			Receivers: map[string]Receiver{"ding": {Channel: c}, "calm": {Channel: calm}}})
		pass(5 * time.Second)
		const minutes, perMinute = 2, 1000
		for i := range minutes * perMinute {
			f.event(task.Event{ID: fmt.Sprint("t", i), Kind: "k", Queue: fmt.Sprintf("q%d", i%perMinute), State: task.Failed, Error: "boom"})
			pass(time.Minute / perMinute)
		}
		pass(2 * time.Minute)
		total := 0
		messages := c.messages()
		for _, m := range messages {
			total += m.Count(StateFiring)
			if size := len(strings.Join(m.Lines(English, 4096, func(l Line) string { return l.Text }), "\n")); size > 4096 {
				t.Errorf("%d bytes", size)
			}
		}
		// Each alert is due once a minute, and none is lost.
		if total < perMinute*minutes || len(messages) > 20*(minutes+2) || len(messages) < minutes*10 {
			t.Errorf("%d alerts in %d messages", total, len(messages))
		}
		if n := len(calm.messages()); n < 1 {
			t.Errorf("the other receiver got %d messages", n)
		}
	})
}

// The queue of a receiver has room for 500 notices. Those of one rule leave room for the urgent ones of
// others.
func TestQueueOfAReceiverHasTheUrgentAlertsInAStorm(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		for i := range 900 {
			f.waits(fmt.Sprint("q", i), 50)
		}
		rules := []Rule{{Name: "a", When: Waiting, Threshold: 10}, {Name: "b", When: Replicas, Threshold: 1}, {Name: "c", When: Unserved, Severity: Critical, Queues: []string{"q7"}}}
		start(t, f, Options{Rules: rules, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(time.Minute)
		found := map[string]int{}
		for _, m := range c.messages() {
			for _, n := range m.Notices {
				found[n.Rule]++
			}
		}
		if found["b"] != 1 || found["c"] != 1 || found["a"] != task.MaxAlertNotices-2 {
			t.Errorf("the messages have these notices by rule: %v", found)
		}
	})
}

// A receiver that hangs, and one that is down, delay neither the rules nor other receivers, and
// get everything later.
func TestReceiverThatHangsDelaysNoOther(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, hangs, down, works := newFakeStore(), &fakeChannel{}, &fakeChannel{}, &fakeChannel{}
		var broken atomic.Bool
		broken.Store(true)
		hangs.send = func(ctx context.Context, _ *Message) error {
			if broken.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		ids := map[string]int{}
		down.send = func(_ context.Context, m *Message) error {
			f.change(func() { ids[m.ID]++ })
			if broken.Load() {
				return errors.New("connection refused")
			}
			return nil
		}
		start(t, f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"hangs": {Channel: hangs}, "down": {Channel: down}, "works": {Channel: works}}})
		for i := range 10 {
			f.waits(fmt.Sprint("q", i), 50)
			pass(time.Minute)
		}
		if n := len(works.messages()); n != 10 {
			t.Errorf("the receiver that works got %d messages, want 10", n)
		}
		f.change(func() {
			if len(ids) != 1 {
				t.Errorf("%d messages were tried at the receiver that is down, want one again and again", len(ids))
			}
		})
		broken.Store(false)
		pass(10 * time.Minute)
		for name, c := range map[string]*fakeChannel{"hangs": hangs, "down": down} {
			got := c.messages()
			if len(got) != 2 || got[0].Count(StateFiring)+got[1].Count(StateFiring) != 10 {
				t.Errorf("%s got %d messages: %+v", name, len(got), got)
			}
		}
	})
}

func TestRefusedMessageIsDroppedAndTheNextOneIsSent(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		var tries atomic.Int64
		c.send = func(_ context.Context, m *Message) error {
			if m.Notices[0].Labels["queue"] == "a" {
				tries.Add(1)
				return &SendError{Err: errors.New("bad"), Refused: true}
			}
			return nil
		}
		f.waits("a", 50)
		start(t, f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(2 * time.Minute)
		f.waits("b", 50)
		pass(2 * time.Minute)
		if n := one(t, c); n.Labels["queue"] != "b" || tries.Load() != mostRefused {
			t.Errorf("%+v after %d tries", n, tries.Load())
		}
		var what []string
		log, _ := f.AlertLog(t.Context(), "", 10)
		for _, e := range log {
			what = append(what, e.What)
		}
		if got := strings.Join(what, " "); got != "failed dropped sent" {
			t.Errorf("the history has %s", got)
		}
	})
}

// Another process takes the rules over. It repeats no message and loses none.
func TestNextProcessNeitherRepeatsNorLosesAMessage(t *testing.T) {
	for _, killed := range []bool{false, true} {
		faketime.Test(t, func(t *testing.T) {
			f, c := newFakeStore(), &fakeChannel{}
			o := Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: c}}}
			stop := start(t, f, o)
			f.waits("a", 50)
			pass(time.Minute)
			if n := one(t, c); n.State != StateFiring {
				t.Fatalf("%+v", n)
			}
			stop()
			if killed { // it has not released the lease
				f.change(func() { f.owner, f.until = "dead", time.Now().Add(lease) })
			}
			// A notice that the first process has written and not sent.
			if _, err := f.PushNotice(t.Context(), "ops", encode(Notice{State: StateFiring, Rule: "left"})); err != nil {
				t.Fatal(err)
			}
			start(t, f, o)
			start(t, f, o)
			pass(time.Minute)
			if n := one(t, c); n.Rule != "left" {
				t.Errorf("killed %v: %+v", killed, n)
			}
			f.waits("a", 0)
			pass(3 * time.Minute)
			if n := one(t, c); n.State != StateEnded {
				t.Errorf("killed %v: %+v", killed, n)
			}
		})
	}
}

// While the store does not answer nothing is evaluated. Afterwards everything goes on.
func TestOutageOfTheStoreRepeatsNothing(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.waits("a", 50)
		start(t, f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(time.Minute)
		c.messages()
		f.change(func() { f.err = errors.New("connection refused") })
		pass(10 * time.Minute)
		f.change(func() { f.err = nil })
		pass(5 * time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("after the outage: %+v", got)
		}
		f.waits("a", 0)
		pass(3 * time.Minute)
		if n := one(t, c); n.State != StateEnded {
			t.Errorf("%+v", n)
		}
	})
}

func TestFiringAlertsAreSentAgainToAResender(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c, other := newFakeStore(), &fakeChannel{again: time.Minute}, &fakeChannel{}
		f.waits("a", 50)
		start(t, f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"am": {Channel: c}, "ops": {Channel: other}}})
		pass(10*time.Minute + 50*time.Second)
		if n := len(c.messages()); n < 9 || n > 11 {
			t.Errorf("%d messages", n)
		}
		if n := len(other.messages()); n != 1 {
			t.Errorf("the other receiver got %d messages", n)
		}
	})
}
