package integration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// setTrigger sets a trigger whose planned time has passed.
func (v *victim) setTrigger(def trigger.Definition, planned time.Time) {
	v.t.Helper()
	text, err := trigger.Encode(&def)
	v.must(err)
	_, err = v.st.SetTrigger(context.Background(), task.TriggerChange{Name: def.Name, Definition: string(text), Planned: planned, Due: planned, Anchor: planned, After: def.After})
	v.must(err)
}

// entryOutcome says whether the entry was the first one.
func entryOutcome(err error) (string, error) {
	if errors.Is(err, task.ErrEntryTaken) {
		return "taken", nil
	}
	return "", err
}

// The cases of triggers.
func init() {
	const remove, drop, wrong = `{"name":"t","remove":true}`, `{"name":"same"}`, `{"name":"t","every_ms":1}`
	entry := func(first string, call func(ctx context.Context, st *redisstore.Store) error) faultCase {
		return faultCase{
			prepare: func(v *victim) {
				v.base()
				v.setTrigger(trigger.Definition{Name: "t", Every: time.Hour, Task: task.Spec{Kind: "k"}}, time.UnixMilli(4e12))
				v.must(v.rdb.RPush(context.Background(), v.key("fired:t"), "{}").Err())
				v.must(v.rdb.RPush(context.Background(), v.key("triggers:inbox"), first, "next").Err())
			},
			call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
				return entryOutcome(call(ctx, st))
			},
			again: "taken",
		}
	}
	faultCases["trigger removed by an entry"] = entry(remove, func(ctx context.Context, st *redisstore.Store) error {
		return st.RemoveTriggerOf(ctx, remove, "t")
	})
	faultCases["trigger entry without an effect"] = entry(drop, func(ctx context.Context, st *redisstore.Store) error {
		return st.DropTriggerEntry(ctx, drop, "")
	})
	faultCases["trigger entry rejected"] = entry(wrong, func(ctx context.Context, st *redisstore.Store) error {
		return st.DropTriggerEntry(ctx, wrong, "every must be at least 50ms")
	})
	faultCases["trigger"] = faultCase{
		prepare: func(v *victim) { v.base() },
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			at := time.UnixMilli(4e12)
			done, err := st.SetTrigger(ctx, task.TriggerChange{Name: "t", Definition: "{}", Planned: at, Due: at, Anchor: at})
			return fmt.Sprint(done), err
		},
		again: "false", // the trigger exists
	}
	faultCases["fire"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"})
			past := time.UnixMilli(1e12)
			for _, def := range []trigger.Definition{
				{Name: "plain", Every: time.Hour},
				{Name: "many", Every: time.Hour, Misfire: trigger.MisfireAll, MisfireMax: 3, CatchUp: 10 * 365 * 24 * time.Hour},
				{Name: "unique", Every: time.Hour, Task: task.Spec{Unique: "u"}},
				{Name: "stop", Every: time.Hour, Overlap: trigger.OverlapStop, Task: task.Spec{Group: "g", Deadline: time.Hour}},
				{Name: "delay", After: time.Hour},
				{Name: "all", Every: time.Hour, Task: task.Spec{Broadcast: true, Labels: []string{"x"}}}, // it ends at once
			} {
				def.Task.Kind = "k"
				v.setTrigger(def, past)
			}
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			var firings []task.TriggerFiring
			for _, name := range []string{"plain", "many", "unique", "stop", "delay", "all"} {
				read, now, err := st.Triggers(ctx, name)
				if err != nil {
					return "", err
				}
				plan, err := trigger.NewPlanner(nil).Plan(read[0])
				if err != nil {
					continue // its key was spoiled
				}
				firings = append(firings, plan.Fire(read[0], now))
			}
			got, err := st.FireTriggers(ctx, firings, 10)
			outcomes := "fired "
			for _, fired := range got.Fired {
				for _, e := range fired {
					outcomes += string(e.Outcome) + " "
				}
			}
			return outcomes, err
		},
		again: "fired ", // nothing more
	}
	faultCases["fire besides the schedule"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.setTrigger(trigger.Definition{Name: "t", Every: time.Hour, Overlap: trigger.OverlapSkip, Task: task.Spec{Kind: "k"}}, time.UnixMilli(4e12))
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			read, now, err := st.Triggers(ctx, "t")
			if err != nil {
				return "", err
			}
			plan, err := trigger.NewPlanner(nil).Plan(read[0])
			if err != nil {
				return "", nil // its key was spoiled
			}
			got, err := st.FireTriggers(ctx, []task.TriggerFiring{plan.Run(read[0], now)}, 0)
			if err != nil || len(got.Fired[0]) == 0 {
				return "", err
			}
			return string(got.Fired[0][0].Outcome), nil
		},
	}
}
