package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// planner fires each trigger once, except those that it cannot compute.
type planner struct{}

func (planner) Fire(t task.StoredTrigger, now time.Time) (task.TriggerFiring, error) {
	if t.Name == "broken" {
		return task.TriggerFiring{}, errors.New("no such calendar")
	}
	return task.TriggerFiring{Read: t, Op: task.FireTrigger, Last: now}, nil
}

func (planner) CalendarEnds() map[string]time.Time {
	return map[string]time.Time{"cn": time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)}
}

// fakeTriggers is a store's triggers. They fire once.
type fakeTriggers struct {
	ahead time.Duration // of the clock of the machine
	begin time.Time
	due   map[string]time.Duration // since begin
	score map[string]time.Duration // when others may get it
	fired map[string]time.Duration
	early int // firings before their time
	back  int // triggers that were given back
	calls int
}

func newFakeTriggers(ahead time.Duration, due map[string]time.Duration) *fakeTriggers {
	f := &fakeTriggers{ahead: ahead, begin: time.Now(), due: due, score: map[string]time.Duration{}, fired: map[string]time.Duration{}}
	for name, at := range due {
		f.score[name] = at
	}
	return f
}

func (f *fakeTriggers) fire(firings []task.TriggerFiring, most int) (got task.FiredTriggers) {
	f.calls++
	now := time.Since(f.begin)
	got.Now = time.Now().Add(f.ahead).Truncate(time.Millisecond)
	for _, firing := range firings {
		name := firing.Read.Name
		if f.due[name] > now {
			got.Changed = append(got.Changed, true)
			f.score[name] = f.due[name]
			if f.early++; most == 0 {
				f.back++
			}
			continue
		}
		got.Changed = append(got.Changed, false)
		f.fired[name] = now
		delete(f.due, name)
		delete(f.score, name)
	}
	for name, at := range f.score {
		if at > now+time.Second || len(got.Due) == most {
			if got.Next == 0 || at-time.Second-now < got.Next {
				got.Next = max(at-time.Second-now, time.Millisecond)
			}
			continue
		}
		got.Due = append(got.Due, task.StoredTrigger{Name: name, At: f.begin.Add(f.ahead + min(at, f.due[name]))})
		f.score[name] = max(at, now) + 2*time.Second
		if got.Next == 0 {
			got.Next = time.Second
		}
	}
	return got
}

// The clock of the machine and that of the store differ. Triggers fire by that of the store.
func TestReplicaFiresTriggersWhenTheyAreDue(t *testing.T) {
	for _, ahead := range []time.Duration{0, 5 * time.Second, -5 * time.Second, time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Triggers: planner{}})
				f := newFakeTriggers(ahead, map[string]time.Duration{"a": time.Minute, "b": time.Minute, "c": 2 * time.Minute, "broken": 90 * time.Second})
				tr.store.triggers = f.fire
				tr.r.Handle("k", noop)
				tr.run()
				tr.advance(3 * time.Minute)
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
				if n := tr.log.count("a trigger cannot be fired here"); n < 1 || n > 2 {
					t.Errorf("the problem was logged %d times", n)
				}
				if f.fired["a"] != time.Minute || f.fired["b"] != time.Minute || f.fired["c"] != 2*time.Minute || len(f.fired) != 3 || f.early > 0 {
					t.Errorf("fired %v, %d early", f.fired, f.early)
				}
				if ends := tr.store.joins[0].CalendarEnds; ends["cn"].IsZero() {
					t.Errorf("it joined with the ends of calendars %v", ends)
				}
				if f.calls > 150 {
					t.Errorf("%d calls in three minutes", f.calls)
				}
			})
		})
	}
}

// The store's clock is set back while the replica holds a trigger.
func TestReplicaFollowsTheClockOfTheStore(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Triggers: planner{}})
		f := newFakeTriggers(0, map[string]time.Duration{"a": time.Minute})
		tr.store.triggers = f.fire
		tr.r.Handle("k", noop)
		tr.run()
		tr.advance(59500 * time.Millisecond)
		tr.store.mu.Lock()
		f.begin = f.begin.Add(10 * time.Second)
		f.ahead = -10 * time.Second
		tr.store.mu.Unlock()
		tr.advance(time.Minute)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if late := f.fired["a"] - time.Minute; late < 0 || late > 10*time.Millisecond || f.early != 1 {
			t.Errorf("fired %v, %d early", f.fired, f.early)
		}
	})
}

func TestDrainGivesTriggersBack(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Triggers: planner{}})
		f := newFakeTriggers(0, map[string]time.Duration{"a": time.Minute, "b": time.Minute})
		tr.store.triggers = f.fire
		tr.r.Handle("k", noop)
		tr.run()
		tr.advance(59500 * time.Millisecond)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if f.back != 2 || len(f.fired) > 0 || f.score["a"] != time.Minute {
			t.Errorf("%+v", f)
		}
	})
}

// A firing that was computed in time is computed again if the process did not run meanwhile.
func TestStaleFiringIsComputedAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Triggers: planner{}})
		begin := time.Now()
		f := triggers{r: tr.r, clock: storeClock{began: begin}, problems: map[string]time.Time{}}
		f.clock.observe(begin, false)
		f.hold([]task.StoredTrigger{{Name: "a", At: begin.Add(500 * time.Millisecond)}})
		if len(f.due()) != 0 {
			t.Error("due at once")
		}
		time.Sleep(600 * time.Millisecond) // fake time
		if got := f.due(); len(got) != 1 || !got[0].Last.Equal(begin.Add(500*time.Millisecond)) {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Hour) // fake time
		if got := f.due(); len(got) != 1 || !got[0].Last.Equal(time.Now()) {
			t.Errorf("%+v", got)
		}
		if err := tr.r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReplicaOfAPoolWithoutTriggersDoesNotAskForThem(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Triggers: planner{}})
		f := newFakeTriggers(0, map[string]time.Duration{})
		tr.store.triggers = f.fire
		tr.r.Handle("k", noop)
		tr.run()
		tr.advance(time.Hour)
		tr.store.mu.Lock()
		if f.calls != 1 {
			t.Errorf("%d calls in an hour", f.calls)
		}
		// The signal for the first trigger is lost. A heartbeat reports that there is one.
		f.due["a"], f.score["a"] = 61*time.Minute, 61*time.Minute
		tr.store.hasTriggers = true
		tr.store.mu.Unlock()
		tr.advance(2 * time.Minute)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if f.fired["a"] != 61*time.Minute {
			t.Errorf("fired %v", f.fired)
		}
	})
}

// A call fires what stays within its bounds. The rest follows at once.
func TestCallThatFiresTriggersIsBounded(t *testing.T) {
	of := func(n, size int, definition int) (f task.TriggerFiring) {
		f.Read.Definition = strings.Repeat("d", definition)
		for range n {
			f.Tasks = append(f.Tasks, task.PlannedTask{Payload: make([]byte, size)})
		}
		return f
	}
	for name, tt := range map[string]struct {
		firing task.TriggerFiring
		want   int
	}{
		"one task each":     {of(1, 10, 100), firedTasks},
		"no task":           {of(0, 0, 100), firedTasks},
		"several tasks":     {of(3, 10, 100), firedTasks / 3},
		"large payloads":    {of(1, 100<<10, 100), 2},
		"large definitions": {of(1, 10, 100<<10), 2},
		"one of any size":   {of(1, 1<<20, 1<<20), 1},
		"one of many tasks": {of(2*firedTasks, 10, 10), 1},
	} {
		if got := fitting(slices.Repeat([]task.TriggerFiring{tt.firing}, 100)); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	if got := fitting(nil); got != 0 {
		t.Error(got)
	}
}

func TestManyTriggersFireInSeveralCalls(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Triggers: planner{}})
		due := map[string]time.Duration{}
		for i := range 3 * firedTasks {
			due[fmt.Sprint("t", i)] = time.Minute
		}
		f := newFakeTriggers(0, due)
		most := 0
		tr.store.triggers = func(firings []task.TriggerFiring, n int) task.FiredTriggers {
			most = max(most, len(firings))
			return f.fire(firings, n)
		}
		tr.r.Handle("k", noop)
		tr.run()
		tr.advance(2 * time.Minute)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if len(f.fired) != 3*firedTasks || most != firedTasks {
			t.Errorf("%d fired, up to %d in a call", len(f.fired), most)
		}
	})
}
