package alert

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// counts counts the notices of messages by their state.
func counts(messages []Message) map[NoticeState]int {
	n := map[NoticeState]int{}
	for _, m := range messages {
		for _, state := range []NoticeState{StateFiring, StateEnded, StateUnsilenced} {
			n[state] += m.Count(state)
		}
	}
	return n
}

// Alerts beyond the bound are counted once, and an alert keeps its place while its value falls.
func TestAlertsBeyondTheBoundAreCounted(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		const all = maxPerRule + 100
		for i := range all {
			f.waits(fmt.Sprint("q", i), 100+i)
		}
		o := Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}}
		stop := start(t, f, o)
		pass(2 * time.Minute)
		if n := counts(c.messages()); n[StateFiring] != all {
			t.Errorf("%d of %d are announced", n[StateFiring], all)
		}
		stop()
		start(t, f, o)
		for i := range all {
			f.waits(fmt.Sprint("q", i), 100+all-i)
		}
		pass(5 * time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("while all stay over the limit: %v", counts(got))
		}
	})
}

func TestTriggerRefusedStaysOverAChangeOfTheProcess(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		for i := range 300 {
			name := fmt.Sprintf("t%03d", i)
			f.triggers = append(f.triggers, task.StoredTrigger{Name: name, Planned: time.Now()})
			f.history[name] = []task.TriggerRecord{{At: time.Now(), Outcome: task.TriggerQueueFull}}
		}
		o := Options{Rules: []Rule{{Name: "refused", When: TriggerRefused, Window: 6 * time.Hour}}, Receivers: map[string]Receiver{"ops": {Channel: c}}}
		stop := start(t, f, o)
		pass(20 * time.Minute)
		if n := counts(c.messages()); n[StateFiring] != 300 {
			t.Errorf("%v", n)
		}
		stop()
		start(t, f, o)
		pass(20 * time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("after a change: %v", counts(got))
		}
	})
}

// An alert that was announced before its silence ends for its receivers.
func TestRecoveryOfAnAnnouncedAlertIsSentDuringASilence(t *testing.T) {
	for _, last := range []bool{false, true} {
		faketime.Test(t, func(t *testing.T) {
			f, c, am := newFakeStore(), &fakeChannel{}, &fakeChannel{again: time.Minute}
			f.waits("a", 50)
			r := now(depth())
			if last {
				r.Keep = time.Nanosecond // ends in the round in which the silence ends
			}
			start(t, f, Options{Rules: []Rule{r}, Receivers: map[string]Receiver{"ops": {Channel: c}, "am": {Channel: am}}})
			pass(time.Minute)
			c.messages()
			if _, err := AddSilence(t.Context(), f, Silence{Rule: "depth"}, 10*time.Minute); err != nil {
				t.Fatal(err)
			}
			am.messages()
			pass(5 * time.Minute)
			if n := counts(am.messages()); n[StateFiring] < 4 {
				t.Errorf("a receiver that forgets got %v", n)
			}
			if last {
				pass(5*time.Minute - time.Millisecond)
			}
			f.waits("a", 0)
			pass(20 * time.Minute)
			if n := counts(c.messages()); n[StateEnded] != 1 || n[StateFiring] != 0 || n[StateUnsilenced] != 1 {
				t.Errorf("%v", n)
			}
			f.change(func() {
				sent := 0
				for _, e := range f.log {
					if e.Receiver == "am" && e.What == "sent" {
						sent++
					}
				}
				want := 3 // the alert, its end and the end of the silence, and none of the resends
				if last {
					want = 2 // both ends are in one message
				}
				if sent != want {
					t.Errorf("the history has %d messages, want %d", sent, want)
				}
			})
		})
	}
}

func TestSilenceOfAllKeepsTheWatchdog(t *testing.T) {
	a := &Alert{Rule: "alive", When: Watchdog}
	dog, wait := &Rule{Name: "alive", When: Watchdog}, &Rule{Name: "wait", When: OldestWait}
	for _, c := range []struct {
		s         Silence
		dog, wait bool
	}{
		{Silence{Rule: "*"}, false, true}, {Silence{Rule: "alive"}, true, false}, {Silence{Queue: "*"}, false, true},
		{Silence{Group: "g"}, false, false}, {Silence{Rule: "al*"}, false, false},
	} {
		if c.s.silences(a) != c.dog || c.s.concerns(dog) != c.dog || c.s.concerns(wait) != c.wait {
			t.Errorf("%v: %v, %v, %v", c.s, c.s.silences(a), c.s.concerns(dog), c.s.concerns(wait))
		}
	}
	if s := (Silence{Queue: "*"}); s.silences(&Alert{Rule: "r", When: Outage, Labels: label("server", "s")}) {
		t.Error("an alert without a queue is silenced by a queue")
	}
}

// brokenStore cannot read archives.
type brokenStore struct{ *fakeStore }

func (brokenStore) Archives(context.Context) ([]task.ArchiveInfo, error) {
	return nil, errors.New("no permission")
}

func TestFactsThatCannotBeReadStopNoOtherRule(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.waits("a", 50)
		r, err := New(brokenStore{f}, Options{Rules: []Rule{now(depth()), {Name: "archive", When: ArchiveOutage}}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.Run(ctx)
		one(t, c)
	})
}

// Pools and receivers that send to one endpoint keep its pace together.
func TestPoolsShareThePaceOfAnEndpoint(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		c := &fakeChannel{pace: Pace{2, 10 * time.Second}}
		for range 6 {
			f := newFakeStore()
			f.waits("a", 50)
			start(t, f, Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		}
		pass(25 * time.Second)
		if n := len(c.messages()); n != 4 {
			t.Errorf("%d messages in 25 s", n)
		}
		pass(time.Minute)
		if n := len(c.messages()); n != 2 {
			t.Errorf("%d messages in the next minute", n)
		}
	})
}
