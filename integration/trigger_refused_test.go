package integration

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// The pool refuses a hundred tasks of a trigger in a row. The history says why. The trigger makes
// its next task as soon as the pool accepts it.
func TestRefusedFiringsDisableNothing(t *testing.T) {
	t.Parallel()
	const refused, every = 100, 50 * time.Millisecond
	s := newSite(t)
	c := s.client()
	ctx := context.Background()
	if err := s.rdb.HSet(ctx, s.key("meta"), "cap:full", 1).Err(); err != nil {
		t.Fatal(err)
	}
	holders := map[string]string{
		"queue": enqueue(t, c, pool.Spec{Kind: "hold", Queue: "full"}),
		"key":   enqueue(t, c, pool.Spec{Kind: "hold", Queue: unserved, Unique: "u"}),
	}
	start := time.Now().Add(settling).Truncate(time.Millisecond)
	for name, spec := range map[string]pool.Spec{"queue": {Kind: "tick", Queue: "full"}, "key": {Kind: "tick", Queue: unserved, Unique: "u"}} {
		setTrigger(t, c, pool.Trigger{Name: name, Every: every, Start: start, Grace: time.Hour, Task: spec})
	}
	s.replicas(2, slots(1), "tick", nothing)
	for name, want := range map[string]pool.TriggerRecord{
		"queue": {Outcome: pool.TriggerQueueFull, Why: "queue full is full"},
		"key":   {Outcome: pool.TriggerDuplicate, Task: holders["key"], Why: "duplicate of task " + holders["key"] + ", which is waiting"},
	} {
		var h []pool.TriggerRecord
		eventually(t, patience, "refusals of "+name, func() (enough bool) {
			var err error
			h, err = c.Triggers().History(ctx, name)
			return err == nil && len(h) > 0 && !h[0].Planned.Before(start.Add((refused-1)*every))
		})
		for i, e := range h {
			if e.Outcome != want.Outcome || e.Task != want.Task || e.Why != want.Why || i > 0 && h[i-1].Planned.Sub(e.Planned) != every {
				t.Fatalf("%s: %+v, want %+v", name, e, want)
			}
		}
		if i := getTrigger(t, c, name); i.Paused || i.Next.IsZero() {
			t.Errorf("%s: %+v", name, i)
		}
	}
	for _, id := range holders {
		if _, err := c.Stop(ctx, pool.Filter{IDs: []string{id}}, "make room"); err != nil {
			t.Fatal(err)
		}
	}
	for name := range holders {
		eventually(t, patience, "a task of "+name, func() bool {
			h, err := c.Triggers().History(ctx, name)
			return err == nil && slices.ContainsFunc(h, func(e pool.TriggerRecord) bool { return e.Outcome == pool.TriggerEnqueued })
		})
	}
}
