package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// firing is the firing of a trigger that was handed out.
func firing(read task.StoredTrigger, next time.Time) task.TriggerFiring {
	return task.TriggerFiring{
		Read: read, Op: task.FireTrigger, Next: next, Due: next, Overlap: "allow", Spec: task.Spec{Kind: "k", Queue: "q"},
		Tasks: []task.PlannedTask{{Planned: read.Planned, Payload: []byte("1")}},
	}
}

func TestTriggerWithADamagedHistoryFiresLikeTheOthers(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	now := s.now(t)
	s.setTrigger(t, "good", now.Add(-time.Second))
	s.setTrigger(t, "bad", now.Add(-time.Second))
	s.rdb.Set(t.Context(), s.prefix+"fired:bad", "x", 0)
	got, err := s.store.FireTriggers(t.Context(), nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	var firings []task.TriggerFiring
	for _, due := range got.Due {
		firings = append(firings, firing(due, got.Now.Add(time.Hour)))
	}
	if got, err = s.store.FireTriggers(t.Context(), firings, 10); err != nil {
		t.Fatal(err)
	}
	waiting := s.rdb.ZCard(t.Context(), s.prefix+"wait:q").Val()
	events := s.rdb.XLen(t.Context(), s.prefix+"events").Val()
	if len(got.Fired) != 2 || waiting != 2 || events == 0 {
		t.Errorf("%+v: %d tasks wait, with %d events", got, waiting, events)
	}
}

// A step that cannot store when triggers are due makes no task, and the end of a task is
// stored nevertheless.
func TestIndexOfTriggersWithAWrongTypeStopsNoOtherStep(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	now := s.now(t)
	s.setTrigger(t, "a", now.Add(-time.Second))
	read, _, err := s.store.Triggers(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	f := firing(read[0], now.Add(time.Hour))
	f.Overlap = "skip"
	got, err := s.store.FireTriggers(t.Context(), []task.TriggerFiring{f}, 0)
	if err != nil || len(got.Fired[0]) != 1 {
		t.Fatal(got, err)
	}
	s.rdb.Set(t.Context(), s.prefix+"triggers", "x", 0)
	if read, _, err = s.store.Triggers(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	f.Read, f.Next, f.Due = read[0], now, now
	if _, err := s.store.FireTriggers(t.Context(), []task.TriggerFiring{f}, 0); err == nil {
		t.Error("the trigger was fired")
	}
	if after, _, err := s.store.Triggers(t.Context(), "a"); err != nil || after[0] != read[0] {
		t.Errorf("the trigger is %+v, was %+v, %v", after, read, err)
	}
	id := got.Fired[0][0].Task
	if _, err := s.store.Stop(t.Context(), "test", id); err != nil {
		t.Fatal(err)
	}
	if got, err := s.store.Get(t.Context(), id); err != nil || got[0].State != task.Stopped {
		t.Error(got, err)
	}
}

// Its score was written by another program, or restored from a wrong copy.
func TestScoreOfAnEndedTriggerKeepsNoOtherFromFiring(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.setTrigger(t, "ended", time.Time{})
	s.rdb.ZAdd(t.Context(), s.prefix+"triggers", redis.Z{Score: 1, Member: "ended"})
	got, err := s.store.FireTriggers(t.Context(), nil, 10)
	if err != nil || len(got.Due) != 1 {
		t.Fatal(got, err)
	}
	got, err = s.store.FireTriggers(t.Context(), []task.TriggerFiring{{Read: got.Due[0], Op: task.CheckTrigger, Overlap: "allow"}}, 10)
	if err != nil || len(got.Due) != 0 || got.Next != 0 {
		t.Error(got, err)
	}
}

func TestRefusedTriggerIsNotWritten(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.rdb.Set(t.Context(), s.prefix+"triggers", "x", 0)
	now := s.now(t)
	_, err := s.store.SetTrigger(t.Context(), task.TriggerChange{Name: "a", Definition: "{}", Planned: now, Due: now, Anchor: now})
	if n := s.rdb.Exists(t.Context(), s.prefix+"trigger:a").Val(); err == nil || n != 0 {
		t.Errorf("%v, and the trigger is there: %d", err, n)
	}
}

func TestFiringFromBeforeALossOfDataHasNoEffect(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	now := s.now(t).Add(-time.Second)
	s.setTrigger(t, "a", now)
	read, _, err := s.store.Triggers(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	before := firing(read[0], now.Add(time.Hour))
	s.clear()
	for s.now(t).UnixMilli() == read[0].SetAt.UnixMilli() {
		time.Sleep(time.Millisecond) // until the server's clock shows another millisecond
	}
	s.setTrigger(t, "a", now)
	got, err := s.store.FireTriggers(t.Context(), []task.TriggerFiring{before}, 0)
	if err != nil || !got.Changed[0] {
		t.Errorf("the firing had an effect: %+v, %v", got, err)
	}
}

// The trigger waits for the end of the task that its schedule has made.
func TestTaskBesidesTheScheduleDoesNotReplaceALiveOne(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	now := s.now(t).Add(-time.Second)
	change := task.TriggerChange{Name: "a", Definition: "{}", Planned: now, Due: now, Anchor: now, After: time.Hour}
	if done, err := s.store.SetTrigger(t.Context(), change); err != nil || !done {
		t.Fatal(done, err)
	}
	fire := func(change func(*task.TriggerFiring)) string {
		read, _, err := s.store.Triggers(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		f := firing(read[0], time.Time{})
		f.After = time.Hour
		change(&f)
		got, err := s.store.FireTriggers(t.Context(), []task.TriggerFiring{f}, 0)
		if err != nil || len(got.Fired[0]) != 1 {
			t.Fatal(got, err)
		}
		return got.Fired[0][0].Task
	}
	run := func(f *task.TriggerFiring) { f.Op = task.RunTriggerOnce }
	scheduled := fire(func(*task.TriggerFiring) {})
	besides := fire(run)
	check := func(ended, latest string, planned bool) {
		t.Helper()
		if _, err := s.store.Stop(t.Context(), "test", ended); err != nil {
			t.Fatal(err)
		}
		read, _, err := s.store.Triggers(t.Context(), "a")
		if err != nil || read[0].Task != latest || read[0].Planned.IsZero() == planned {
			t.Errorf("%+v, %v; scheduled %s, besides %s", read, err, scheduled, besides)
		}
	}
	check(besides, scheduled, false)
	check(scheduled, scheduled, true)
	last := fire(run)
	check(last, last, true)
}
