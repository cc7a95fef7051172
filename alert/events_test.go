package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// A page of events may be shorter than asked for although more follow.
func TestAllEventsAreCountedWhenPagesAreShort(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.page = 300
		start(t, f, Options{Rules: []Rule{{Name: "many", When: Failed, Threshold: 60_000}}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(5 * time.Second)
		for i := range 60_001 { // more than 50 pages of 1,000
			f.event(task.Event{ID: fmt.Sprint("t", i), Kind: "k", Queue: "q", State: task.Failed})
		}
		pass(30 * time.Second)
		if n := one(t, c); n.Value != 60_001 {
			t.Errorf("%v failures are counted", n.Value)
		}
	})
}

// Rules that cannot read all events say so, and go on where they were.
func TestLagOfTheEventsIsAnAlert(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.page = 10
		f.read = func() { pass(time.Second) }
		start(t, f, Options{Rules: []Rule{{Name: "behind", When: EventsBehind}, {Name: "failed", When: Failed, Threshold: 1e6}}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(5 * time.Second)
		for i := range 2000 {
			f.event(task.Event{ID: fmt.Sprint("t", i), Kind: "k", Queue: "q", State: task.Failed})
		}
		pass(3 * time.Minute)
		if n := one(t, c); n.State != StateFiring || n.Value < 60 {
			t.Errorf("%+v", n)
		}
		pass(10 * time.Minute)
		if n := one(t, c); n.State != StateEnded {
			t.Errorf("%+v", n)
		}
	})
}

func TestEventsBeforeAllWindowsAreNotRead(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f := newFakeStore()
		for i := range 10 {
			f.event(task.Event{ID: fmt.Sprint("t", i), State: task.Failed})
			pass(10 * time.Minute)
		}
		first := f.events[0].Cursor
		w := newWindows([]Rule{Rule{Name: "r", When: Failed, Window: 15 * time.Minute}.WithDefaults()})
		p, err := readEvents(t.Context(), f, first, w, time.Now(), time.Minute)
		n := 0
		for _, bucket := range w.all[15*time.Minute].buckets {
			for _, sum := range bucket {
				n += sum.Failed
			}
		}
		if err != nil || p.cursor != f.events[9].Cursor || p.behind != 0 || n != 1 {
			t.Errorf("%+v, %v, %d events", p, err, n)
		}
	})
}

// A long window of one rule makes the window of another one no longer.
func TestWindowOfARuleHasBucketsOfItsOwn(t *testing.T) {
	short, day := Rule{Name: "short", When: Failed, Window: 10 * time.Minute}.WithDefaults(), Rule{Name: "day", When: Failed, Window: 24 * time.Hour}.WithDefaults()
	w := newWindows([]Rule{short, day})
	now := time.Now().Truncate(24 * time.Minute)
	w.count(task.Event{ID: "x", Kind: "k", Queue: "q", State: task.Failed, At: now})
	for age, want := range map[time.Duration]int{9 * time.Minute: 1, 11 * time.Minute: 0} {
		if n := len(w.over(now.Add(age), &short)); n != want {
			t.Errorf("after %v the short window has %d", age, n)
		}
	}
	if n := len(w.over(now.Add(23*time.Hour), &day)); n != 1 {
		t.Errorf("the long window has %d", n)
	}
	if n := len(w.over(now.Add(-time.Hour), &short)); n != 0 {
		t.Errorf("an event of the future counts: %d", n)
	}
	// The next process reads what counts, and removes what no rule needs.
	to := task.AlertWrite{Set: map[string]string{}}
	w.write(now, &to)
	next := newWindows([]Rule{short})
	for field, text := range to.Set {
		next.load(field, text, nil)
	}
	if n := len(next.over(now, &short)); n != 1 || len(to.Set) != 2 || len(next.stale) != 1 {
		t.Errorf("%d of %v, stale %v", n, to.Set, next.stale)
	}
}
