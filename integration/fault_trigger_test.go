package integration

import (
	"context"
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

// The cases of triggers.
func init() {
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
			} {
				def.Task.Kind = "k"
				v.setTrigger(def, past)
			}
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			var firings []task.TriggerFiring
			for _, name := range []string{"plain", "many", "unique", "stop", "delay"} {
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
}
