package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// poolKeys are the keys that any script may read or write. The test adds the
// keys of the cases' tasks, groups and replicas.
var poolKeys = []string{
	"meta", "queues", "events", "stats", "scheduled", "expiring", "replicas", "inbox", "inbox:open", "inbox:rejected",
	"ended:succeeded", "ended:failed", "ended:stopped", "ended:expired", "wait:default", "run:default", "claims", "leases",
	"group:wait:default", "group:head:default", "group:run:g", "group:queues:g", "replica:r", "signals:r", "stop:r",
	"served:default", "counted", "held", "unique:u", "more:a", "history:a", "lock:maintenance", "former", "former:left",
}

// spoil replaces the value of a key by one of another type.
func (v *victim) spoil(name string) {
	v.t.Helper()
	ctx, key := context.Background(), v.key(name)
	kind, err := v.rdb.Type(ctx, key).Result()
	v.must(err)
	v.must(v.rdb.Del(ctx, key).Err())
	if kind == "string" || strings.HasPrefix(name, "unique:") || strings.HasPrefix(name, "lock:") {
		v.must(v.rdb.RPush(ctx, key, "spoiled").Err())
	} else {
		v.must(v.rdb.Set(ctx, key, "spoiled", 0).Err())
	}
}

// Another program has replaced the value of one of the pool's keys by one of
// another type. A script may then fail with an error that says so. Maintenance
// quarantines the key within a few runs, and the doctor repairs what the script
// left incomplete. Then the same call works, and other queues work. Every task
// that would remain without the fault remains, except a task whose own key was
// overwritten. make soak takes all keys.
func TestKeyOfAnotherTypeCostsNoMoreThanItself(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	rdb := server.Client(t)
	ctx := context.Background()
	eachScript(t, func(t *testing.T, script string, c faultCase) {
		t.Parallel()
		calm := newVictim(t, rdb)
		c.prepare(calm)
		names := append(slices.Clone(poolKeys), calm.keys()...)
		if _, err := c.call(ctx, calm, calm.st); err != nil {
			t.Fatal(err)
		}
		names = append(names, calm.keys()...)
		slices.Sort(names)
		names = slices.DeleteFunc(slices.Compact(names), func(name string) bool {
			return plain(name) != name // its name is generated
		})
		for _, name := range sample(seeded(t), names, 3) {
			v := newVictim(t, rdb)
			c.prepare(v)
			before := v.keys()
			v.spoil(name)
			what := fmt.Sprintf("%s with %s spoiled", script, name)

			// The script may take an attempt that it cannot read for one that has ended.
			gone := func(err error) bool { return errors.Is(err, task.ErrLeaseLost) || errors.Is(err, task.ErrUnknownToken) }
			_, err := c.call(ctx, v, v.st)
			if err != nil && !strings.Contains(err.Error(), "WRONGTYPE") && !gone(err) {
				t.Errorf("%s: %v", what, err)
			} else if err != nil && !gone(err) && !strings.Contains(err.Error(), "another program has overwritten") {
				t.Errorf("%s: the error does not say what to do: %v", what, err)
			}
			v.recover(what)
			_, err = c.call(ctx, v, v.st)
			// Without its claim, a running attempt is taken back. Without the extras of its
			// task, its token is unknown.
			if err != nil && !errors.Is(err, task.ErrNotJoined) && !gone(err) {
				t.Errorf("%s: the same call afterwards: %v", what, err)
			}
			v.otherQueueWorks(what)
			v.spreadEnds(what)

			now := v.keys()
			for _, key := range before {
				if !strings.HasPrefix(key, "task:") || key == name || slices.Contains(now, key) || !slices.Contains(calm.keys(), key) {
					continue
				}
				t.Errorf("%s: %s is gone", what, key)
			}
			if script == "inbox" && !strings.HasPrefix(name, "inbox") {
				v.entriesLeft(what)
			}
			v.must(rdb.Del(ctx, v.keyed(v.keys())...).Err())
		}
	})
}

// recover runs maintenance a few times and lets the doctor repair its findings,
// until it finds nothing more.
func (v *victim) recover(what string) {
	v.t.Helper()
	ctx := context.Background()
	var err error
	for range 3 {
		v.must(v.rdb.Del(ctx, v.key("lock:maintenance")).Err())
		_, err = v.st.Maintain(ctx, "r")
	}
	if err != nil {
		v.t.Errorf("%s: the third run of maintenance: %v", what, err)
	}
	for range 3 {
		for f, err := range v.st.Inspect(ctx, task.Inspection{Fix: true}) {
			if err != nil {
				v.t.Errorf("%s: the doctor: %v (%+v)", what, err, f)
			}
		}
	}
	for f, err := range v.st.Inspect(ctx, task.Inspection{}) {
		if err != nil {
			v.t.Errorf("%s: the doctor: %v", what, err)
		} else if f.Key != "" && f.Code != "quarantined" {
			v.t.Errorf("%s: the doctor still finds %+v", what, f)
		}
	}
}

// otherQueueWorks runs a task of another queue.
func (v *victim) otherQueueWorks(what string) {
	v.t.Helper()
	ctx := context.Background()
	v.join("other", task.Registration{})
	v.enqueue(task.Spec{Kind: "elsewhere", ID: "elsewhere", Queue: "elsewhere", Retain: &forever})
	x := task.Exchange{Replica: "other", Sequence: 1, Call: 1, Lease: time.Minute, Claims: []task.Claim{{Queue: "elsewhere", N: 1}}}
	got, err := v.st.Exchange(ctx, x)
	if err != nil || len(tasksOf(got)) != 1 {
		v.t.Errorf("%s: a claim of another queue: %+v, %v", what, got, err)
		return
	}
	x.Call, x.Claims = 2, nil
	x.Reports = []task.Report{{ID: "elsewhere", Queue: "elsewhere", Fence: got.Claimed[0].Fence, Last: true}}
	got, err = v.st.Exchange(ctx, x)
	if err != nil || got.Verdicts[0] != task.Accepted {
		v.t.Errorf("%s: the end of a task of another queue: %v, %v", what, got.Verdicts, err)
	}
}

// entriesLeft counts the five entries of the inbox case.
func (v *victim) entriesLeft(what string) {
	v.t.Helper()
	st, err := v.st.Stats(context.Background())
	v.must(err)
	tasks := st.Scheduled + st.Waiting + st.Running
	if n := tasks + st.Inbox + st.Rejected; n != 5 {
		v.t.Errorf("%s: 5 entries: %d became tasks, %d were rejected and %d are left", what, tasks, st.Rejected, st.Inbox)
	}
}
