package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// An oracle that never says no proves nothing: each mistake it looks for is shown
// to it once.
func TestOracleSeesEachMistakeInAStory(t *testing.T) {
	made := pool.Event{ID: "a", State: pool.Waiting, Version: 1}
	claim := pool.Event{ID: "a", State: pool.Running, Version: 2, Attempt: 1}
	end := pool.Event{ID: "a", State: pool.Succeeded, Version: 3, Attempt: 1, Code: pool.CodeOK}
	for what, bad := range map[string]pool.Event{
		"version 5":              {ID: "a", State: pool.Waiting, Version: 5},
		"after the end":          {ID: "a", State: pool.Succeeded, Version: 4, Attempt: 1, Code: pool.CodeOK},
		"attempt 1 was claimed":  {ID: "a", State: pool.Running, Version: 4, Attempt: 1},
		"failed lost after the ": {ID: "a", State: pool.Failed, Version: 4, Code: pool.CodeLost},
	} {
		c := newChronicle()
		for _, e := range []pool.Event{made, claim, end} {
			c.add(e)
		}
		if len(c.wrong) > 0 {
			t.Fatal("a good story: ", c.wrong)
		}
		c.add(bad)
		if said := strings.Join(c.wrong, "\n"); !strings.Contains(said, what) {
			t.Errorf("of %+v the oracle says %q, want %q", bad, said, what)
		}
	}
}

// Two handlers at once are seen where one ends as its process dies, and not where
// one ends as the other begins.
func TestOracleCountsHandlersAtOnce(t *testing.T) {
	at := func(what string, pid int, task string, ms int64) record {
		return record{What: what, PID: pid, Task: task, Attempt: 1, At: ms * int64(time.Millisecond)}
	}
	records := []record{
		at(enter, 1, "a", 10), at(exit, 1, "a", 20), at(enter, 1, "b", 20), // never left: its process dies
		at(enter, 2, "c", 30), at(exit, 2, "c", 50),
	}
	for _, died := range []int64{30, 40} {
		top, _ := overlap(records, map[int]time.Time{1: time.UnixMilli(died)})
		if want := map[int64]int{30: 1, 40: 2}[died]; top != want {
			t.Errorf("%d handlers at once where the process died at %d ms, want %d", top, died, want)
		}
	}
}

// Each kind of damage to the indexes is found.
func TestOracleSeesEachDamagedIndex(t *testing.T) {
	ctx := context.Background()
	for want, damage := range map[string]func(s *site, id string) error{
		"in the index none": func(s *site, id string) error { return s.rdb.ZRem(ctx, s.key("running:default"), id).Err() },
		"no task":           func(s *site, id string) error { return s.rdb.Del(ctx, s.key("task:"+id)).Err() },
		"which does not run": func(s *site, id string) error {
			return s.rdb.SAdd(ctx, s.key("group:run:g"), "ghost").Err()
		},
		"in its group: false": func(s *site, id string) error { return s.rdb.SRem(ctx, s.key("group:run:g"), id).Err() },
		"is in waiting default and running default": func(s *site, id string) error {
			return s.rdb.Do(ctx, "ZADD", s.key("wait:default"), 1, id).Err()
		},
		"history of the deleted": func(s *site, id string) error { return s.rdb.RPush(ctx, s.key("history:gone"), "{}").Err() },
		"unknown key":            func(s *site, id string) error { return s.rdb.Set(ctx, s.key("strange"), 1, 0).Err() },
		"unique:k is held by":    func(s *site, id string) error { return s.rdb.Set(ctx, s.key("unique:k"), "gone", 0).Err() },
	} {
		s := newSite(t)
		id := enqueue(t, s.client(), pool.Spec{Kind: "step", Group: "g"})
		s.seize("ghost", pool.DefaultQueue, 1, time.Hour)
		if leases, tasks := s.inspect(); leases != 1 || tasks != 1 {
			t.Errorf("%d leases and %d tasks", leases, tasks)
		}
		if err := damage(s, id); err != nil {
			t.Fatal(err)
		}
		reply, err := inspection.Run(ctx, s.rdb, []string{s.key("")}).Slice()
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, w := range reply[2].([]any) {
			said += w.(string) + "\n"
		}
		if !strings.Contains(said, want) {
			t.Errorf("the inspection says %q, want %q", said, want)
		}
	}
}
