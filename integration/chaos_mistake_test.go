package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
)

// The oracle is tested with each mistake that it must detect, once.
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
			t.Fatal("a story without a mistake: ", c.wrong)
		}
		c.add(bad)
		if said := strings.Join(c.wrong, "\n"); !strings.Contains(said, what) {
			t.Errorf("of %+v the oracle says %q, want %q", bad, said, what)
		}
	}
}

// Two handlers overlap where one ends only when its process dies. They do not
// overlap where one ends at the instant the other begins.
func TestOracleCountsHandlersAtOnce(t *testing.T) {
	at := func(what string, pid int, task string, ms int64) record {
		return record{What: what, PID: pid, Task: task, Attempt: 1, At: ms * int64(time.Millisecond)}
	}
	records := []record{
		at(enter, 1, "a", 10), at(exit, 1, "a", 20), at(enter, 1, "b", 20), // no exit: its process dies
		at(enter, 2, "c", 30), at(exit, 2, "c", 50),
	}
	for _, died := range []int64{30, 40} {
		top, _ := overlap(records, map[int]time.Time{1: time.UnixMilli(died)})
		if want := map[int64]int{30: 1, 40: 2}[died]; top != want {
			t.Errorf("%d handlers at once where the process died at %d ms, want %d", top, died, want)
		}
	}
}

// The inspection finds each kind of damage to the indexes.
func TestOracleSeesEachDamagedIndex(t *testing.T) {
	ctx := context.Background()
	for want, damage := range map[string]func(s *site, id string) error{
		"in the index none":   func(s *site, id string) error { return s.rdb.HDel(ctx, s.key("run:default"), id).Err() },
		"runs under no claim": func(s *site, _ string) error { return s.rdb.Del(ctx, s.key("claims")).Err() },
		"has no lease":        func(s *site, _ string) error { return s.rdb.Del(ctx, s.key("leases")).Err() },
		"there is a lease of no": func(s *site, _ string) error {
			return s.rdb.ZAdd(ctx, s.key("leases"), redis.Z{Score: 1, Member: "7"}).Err()
		},
		"1 tasks run and 0":       func(s *site, _ string) error { return s.rdb.HSet(ctx, s.key("meta"), "limit", 5).Err() },
		"counted without a limit": func(s *site, id string) error { return s.rdb.SAdd(ctx, s.key("counted"), id).Err() },
		"which does not run":      func(s *site, id string) error { return s.rdb.SAdd(ctx, s.key("stop:ghost"), "1 "+id).Err() },
		"queue nowhere is held":   func(s *site, _ string) error { return s.rdb.SAdd(ctx, s.key("held"), "nowhere").Err() },
		"says that there is none": func(s *site, id string) error { return s.rdb.HSet(ctx, s.key("more:"+id), "v", 7).Err() },
		"is not in its claim": func(s *site, id string) error {
			fence := s.rdb.HKeys(ctx, s.key("claims")).Val()[0]
			return s.rdb.HSet(ctx, s.key("claims"), fence, "1 ghost default 1 1 0 other").Err()
		},
		"no task": func(s *site, id string) error { return s.rdb.Del(ctx, s.key("task:"+id)).Err() },
		"has ghost, which does not run": func(s *site, id string) error {
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
		if running, tasks := s.inspect(); running != 1 || tasks != 1 {
			t.Errorf("%d attempts and %d tasks", running, tasks)
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
