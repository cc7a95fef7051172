package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

var triggerRules = []rule{
	{"PlannedTimeOfATriggerMakesOneTask", plannedTimeMakesOneTask},
	{"TriggerIsNotHandedOutTwice", triggerIsNotHandedOutTwice},
	{"TriggerDoesNotFireBeforeItIsDue", triggerDoesNotFireEarly},
	{"TriggerIsHandedOutBeforeItIsDue", triggerIsHandedOutEarly},
	{"HeartbeatReportsThatTriggersWait", heartbeatReportsTriggers},
	{"FiringOfAnOlderDefinitionHasNoEffect", olderFiringHasNoEffect},
	{"ChangeOfATriggerThatWasReadBeforeItFiredIsRefused", outdatedChangeIsRefused},
	{"MisfiresMakeTheirTasksInOneStep", misfiresMakeTasks},
	{"RefusedTaskOfATriggerIsInItsHistory", refusedTaskIsInHistory},
	{"TriggersOfOneCallHaveTheirOwnOutcomes", triggersOfOneCall},
	{"OverlapDecidesWhileTheLastTaskIsLive", overlapDecides},
	{"QueuedFiringWaitsForTheEndOfTheTask", queuedFiringWaits},
	{"FixedDelayCountsFromTheEndOfTheTask", fixedDelayCountsFromTheEnd},
	{"PausedTriggerDoesNotFire", pausedTriggerDoesNotFire},
	{"RemovedTriggerLeavesNothing", removedTriggerLeavesNothing},
	{"HistoryOfATriggerIsBounded", triggerHistoryIsBounded},
	{"EarlierTriggerSignalsAReplica", earlierTriggerSignals},
}

// past is the planned time of triggers that are due.
func (fx *fixture) past() time.Time { return fx.Now(fx).Add(-time.Second).Truncate(time.Second) }

// setTrigger sets a trigger with the next planned time, in place of what is stored.
func (fx *fixture) setTrigger(def trigger.Definition, planned time.Time) {
	fx.Helper()
	if def.Task.Kind == "" {
		def.Task.Kind = "k"
	}
	text, err := trigger.Encode(&def)
	fx.noError(err)
	done, err := fx.Store.SetTrigger(fx.ctx, task.TriggerChange{
		Read: fx.trigger(def.Name), Name: def.Name, Definition: string(text), Planned: planned, Due: planned, Anchor: planned, After: def.After, Paused: def.Paused,
	})
	if err != nil || !done {
		fx.Fatalf("set trigger: %v, %v", done, err)
	}
}

func (fx *fixture) trigger(name string) task.StoredTrigger {
	fx.Helper()
	read, _, err := fx.Store.Triggers(fx.ctx, name)
	fx.noError(err)
	return read[0]
}

// apply applies firings and returns the answer.
func (fx *fixture) apply(firings ...task.TriggerFiring) task.FiredTriggers {
	fx.Helper()
	got, err := fx.Store.FireTriggers(fx.ctx, firings, 10)
	fx.noError(err)
	return got
}

// decide returns what a replica decides about triggers that it got.
func (fx *fixture) decide(got task.FiredTriggers) (firings []task.TriggerFiring) {
	fx.Helper()
	p := trigger.NewPlanner(nil)
	for _, t := range got.Due {
		now := got.Now
		if t.At.After(now) {
			now = t.At
		}
		f, err := p.Fire(t, now)
		fx.noError(err)
		firings = append(firings, f)
	}
	return firings
}

// fire fires what is due, as a replica does. It returns the outcomes.
func (fx *fixture) fire() (outcomes []string) {
	fx.Helper()
	for got := fx.apply(); len(got.Due) > 0; {
		got = fx.apply(fx.decide(got)...)
		for _, fired := range got.Fired {
			for _, e := range fired {
				outcomes = append(outcomes, string(e.Outcome))
			}
		}
	}
	return outcomes
}

func (fx *fixture) wantFired(want ...string) {
	fx.Helper()
	if got := fx.fire(); fmt.Sprint(got) != fmt.Sprint(want) {
		fx.Errorf("outcomes %v, want %v", got, want)
	}
}

// triggerHistory returns outcomes and reasons, oldest first.
func (fx *fixture) triggerHistory(name string) (all []string) {
	fx.Helper()
	records, err := fx.Store.TriggerHistory(fx.ctx, name)
	fx.noError(err)
	for _, r := range records {
		all = append([]string{strings.TrimSpace(string(r.Outcome) + " " + r.Why)}, all...)
	}
	return all
}

func plannedTimeMakesOneTask(fx *fixture) {
	planned := fx.past()
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour, PayloadTemplate: "{{planned_ms}}", Task: task.Spec{Priority: 3, Headers: map[string]string{"h": "v"}}}, planned)
	firings := fx.decide(fx.apply())
	first := fx.apply(firings...)
	if len(firings) != 1 || first.Changed[0] || len(first.Fired[0]) != 1 {
		fx.Fatalf("%+v", first)
	}
	if again := fx.apply(firings...); !again.Changed[0] || len(again.Fired[0]) != 0 {
		fx.Errorf("the repeated call: %+v", again)
	}
	ts := fx.claim(task.DefaultQueue, 10)
	fx.wantIDs(ts, first.Fired[0][0].Task)
	if got := ts[0]; string(got.Payload) != fmt.Sprint(planned.UnixMilli()) || got.Priority != 3 || got.Headers["h"] != "v" {
		fx.Errorf("task %+v", got)
	}
	if got := fx.trigger("t"); !got.Planned.Equal(planned.Add(time.Hour)) || !got.Due.Equal(got.Planned) {
		fx.Errorf("next %v, due %v, want %v", got.Planned, got.Due, planned.Add(time.Hour))
	}
	records, err := fx.Store.TriggerHistory(fx.ctx, "t")
	fx.noError(err)
	if len(records) != 1 || !records[0].Planned.Equal(planned) || records[0].At.Before(planned) || records[0].Task != ts[0].ID {
		fx.Errorf("history %+v", records)
	}
	if es := fx.eventsOf(ts[0].ID); len(es) != 2 || es[0].State != task.Waiting {
		fx.Errorf("events %+v", es)
	}
	fx.accept(succeed(ts[0]))
}

func triggerIsNotHandedOutTwice(fx *fixture) {
	for {
		for i := range 15 {
			fx.setTrigger(trigger.Definition{Name: fmt.Sprint("t", i), Every: time.Hour}, fx.past())
		}
		first, second, third := fx.apply(), fx.apply(), fx.apply()
		if third.Now.Sub(first.Now) > 900*time.Millisecond {
			continue // the machine was too slow: other replicas get the triggers after a second
		}
		if len(first.Due) != 10 || len(second.Due) != 5 || len(third.Due) != 0 || third.Next <= 0 || third.Next > time.Second {
			fx.Errorf("%d, %d and %d are handed out, next in %v", len(first.Due), len(second.Due), len(third.Due), third.Next)
		}
		// The replica that got them has died. Those of the second call are free later than those of the first one.
		fx.waitPast(third.Next + second.Now.Sub(first.Now))
		if n := len(fx.fire()); n != 15 {
			fx.Errorf("%d fired", n)
		}
		return
	}
}

func triggerDoesNotFireEarly(fx *fixture) {
	planned := fx.Now(fx).Add(time.Hour).Truncate(time.Millisecond)
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Minute}, planned)
	got := fx.apply()
	if len(got.Due) != 0 || got.Next <= 59*time.Minute || got.Next >= time.Hour {
		fx.Errorf("%+v", got)
	}
	read := fx.trigger("t")
	f := task.TriggerFiring{Read: read, Op: task.FireTrigger, Overlap: "allow", Spec: task.Spec{Kind: "k"}, Tasks: []task.PlannedTask{{Planned: planned}}}
	if got := fx.apply(f); !got.Changed[0] || len(got.Fired[0]) != 0 {
		fx.Errorf("an early firing: %+v", got)
	}
}

// A replica gets a trigger before it is due. It gives the trigger back when it drains.
func triggerIsHandedOutEarly(fx *fixture) {
	fx.ensureJoined("r")
	var planned time.Time
	var firings []task.TriggerFiring
	for back := (task.FiredTriggers{}); back.Now.IsZero() || !back.Now.Before(planned); { // again if the machine was too slow
		planned = fx.Now(fx).Add(900 * time.Millisecond).Truncate(time.Millisecond)
		fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, planned)
		got := fx.apply()
		if len(got.Due) != 1 || !got.Due[0].At.Equal(planned) || got.Next < 500*time.Millisecond {
			fx.Fatalf("%+v", got)
		}
		if again := fx.apply(); len(again.Due) != 0 && again.Now.Before(planned) {
			fx.Errorf("%+v is handed out twice", again)
		}
		firings = fx.decide(got)
		fx.Signals(fx, "r")
		var err error
		back, err = fx.Store.FireTriggers(fx.ctx, firings, 0)
		fx.noError(err)
		if len(back.Due) != 0 || back.Now.Before(planned) && (!back.Changed[0] || len(back.Fired[0]) != 0) {
			fx.Fatalf("%+v", back)
		}
	}
	if got := fx.Signals(fx, "r"); len(got) != 1 || got[0] != "triggers" {
		fx.Errorf("signals %q", got)
	}
	if got := fx.apply(); len(got.Due) != 1 || !got.Due[0].At.Equal(planned) {
		fx.Fatalf("%+v, want the trigger that was given back", got)
	}
	fx.waitPast(planned.Sub(fx.Now(fx)))
	if got := fx.apply(firings...); got.Changed[0] || len(got.Fired[0]) != 1 {
		fx.Errorf("%+v", got)
	}
}

func heartbeatReportsTriggers(fx *fixture) {
	fx.ensureJoined("r")
	wants := func(what string, want bool) {
		fx.Helper()
		if got := fx.heartbeat(task.Renewal{Replica: "r"}); got.Triggers != want {
			fx.Errorf("%s: %v", what, got.Triggers)
		}
	}
	wants("no trigger", false)
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, fx.Now(fx).Add(time.Hour))
	wants("a trigger", true)
	fx.noError(fx.Store.PauseTrigger(fx.ctx, "t"))
	wants("a paused trigger", false)
}

func olderFiringHasNoEffect(fx *fixture) {
	planned := fx.past()
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, planned)
	firings := fx.decide(fx.apply())
	read := fx.trigger("t")
	done, err := fx.Store.SetTrigger(fx.ctx, task.TriggerChange{Read: read, Name: "t", Definition: strings.Replace(read.Definition, `"k"`, `"k2"`, 1), KeepPlan: true, Anchor: planned})
	if err != nil || !done {
		fx.Fatalf("set: %v, %v", done, err)
	}
	got := fx.apply(firings...)
	if !got.Changed[0] || len(got.Due) != 1 {
		fx.Fatalf("%+v, want the trigger again, with its new definition", got)
	}
	fx.apply(fx.decide(got)...)
	ts := fx.claim(task.DefaultQueue, 10)
	if len(ts) != 1 || ts[0].Kind != "k2" {
		fx.Errorf("tasks %+v", ts)
	}
}

func outdatedChangeIsRefused(fx *fixture) {
	planned := fx.past()
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, planned)
	read := fx.trigger("t")
	fx.wantFired("enqueued")
	c := task.TriggerChange{Read: read, Name: "t", Definition: read.Definition, Planned: planned, Due: planned, Anchor: planned}
	if done, err := fx.Store.SetTrigger(fx.ctx, c); done || err != nil {
		fx.Errorf("set: %v, %v", done, err)
	}
	if got := fx.trigger("t"); !got.Planned.Equal(planned.Add(time.Hour)) {
		fx.Errorf("planned %v", got.Planned)
	}
}

func misfiresMakeTasks(fx *fixture) {
	planned := fx.Now(fx).Add(-3 * time.Hour).Truncate(time.Second)
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour, Misfire: trigger.MisfireAll, MisfireMax: 3, PayloadTemplate: "{{planned_ms}}"}, planned)
	fx.wantFired("enqueued", "enqueued", "enqueued")
	var got []string
	for _, t := range fx.claim(task.DefaultQueue, 10) {
		got = append(got, string(t.Payload))
	}
	var want []string
	for i := range 3 {
		want = append(want, fmt.Sprint(planned.Add(time.Duration(i+1)*time.Hour).UnixMilli()))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fx.Errorf("planned times %v, want %v", got, want)
	}
	if h := fx.triggerHistory("t"); len(h) != 4 || !strings.HasPrefix(h[0], "missed no replica fired it in time: it was 3h0m") {
		fx.Errorf("history %q", h)
	}
}

func pausedTriggerDoesNotFire(fx *fixture) {
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, fx.past())
	firings := fx.decide(fx.apply())
	fx.noError(fx.Store.PauseTrigger(fx.ctx, "t"))
	if got := fx.apply(firings...); !got.Changed[0] || len(got.Due) != 0 || got.Next != 0 {
		fx.Errorf("%+v", got)
	}
	read := fx.trigger("t")
	if !read.Paused {
		fx.Error("it is not paused")
	}
	f := firings[0]
	f.Read, f.Op = read, task.RunTriggerOnce
	if got := fx.apply(f); got.Changed[0] || len(got.Fired[0]) != 1 {
		fx.Errorf("run of a paused trigger: %+v", got)
	}
	if got := fx.trigger("t"); !got.Planned.Equal(read.Planned) {
		fx.Errorf("a run moved the planned time to %v", got.Planned)
	}
	done, err := fx.Store.ResumeTrigger(fx.ctx, task.TriggerChange{Read: read, Name: "t", Planned: fx.past(), Due: fx.past()})
	if err != nil || !done {
		fx.Fatal(done, err)
	}
	fx.wantFired("enqueued")
	for _, err := range []error{fx.Store.PauseTrigger(fx.ctx, "none"), fx.Store.RemoveTrigger(fx.ctx, "none")} {
		if !errors.Is(err, task.ErrNoTrigger) {
			fx.Errorf("got %v", err)
		}
	}
}

func removedTriggerLeavesNothing(fx *fixture) {
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, fx.past())
	firings := fx.decide(fx.apply())
	fx.wantFired()
	fx.noError(fx.Store.RemoveTrigger(fx.ctx, "t"))
	if got := fx.apply(firings...); !got.Changed[0] || len(got.Due) != 0 {
		fx.Errorf("%+v", got)
	}
	names, err := fx.Store.TriggerNames(fx.ctx)
	if err != nil || len(names) != 0 {
		fx.Errorf("%v, %v", names, err)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 1))
	fx.wantNoTrace("t")
	// A new trigger with the name has another version, so that the firing has no effect.
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour}, firings[0].Read.Planned)
	if got := fx.apply(firings...); !got.Changed[0] {
		fx.Errorf("%+v", got)
	}
}

func triggerHistoryIsBounded(fx *fixture) {
	planned := fx.Now(fx).Add(-time.Hour).Truncate(time.Second)
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Minute, Misfire: trigger.MisfireAll, PayloadTemplate: "{{planned_ms}}"}, planned)
	if n := len(fx.fire()); n < 60 {
		fx.Errorf("%d firings", n)
	}
	if n := len(fx.triggerHistory("t")); n != 50 {
		fx.Errorf("%d entries", n)
	}
}

func earlierTriggerSignals(fx *fixture) {
	fx.ensureJoined("r")
	wants := func(what string, want bool) {
		fx.Helper()
		got := strings.Join(fx.Signals(fx, "r"), " ")
		if (got == "triggers") != want {
			fx.Errorf("%s: signals %q", what, got)
		}
	}
	now := fx.Now(fx)
	fx.setTrigger(trigger.Definition{Name: "a", Every: time.Hour}, now.Add(time.Hour))
	wants("the first trigger", true)
	fx.setTrigger(trigger.Definition{Name: "b", Every: time.Hour}, now.Add(2*time.Hour))
	wants("a later one", false)
	fx.setTrigger(trigger.Definition{Name: "c", Every: time.Hour}, now.Add(time.Minute))
	wants("an earlier one", true)
	fx.noError(fx.Store.PauseTrigger(fx.ctx, "c"))
	wants("a pause", false)
}
