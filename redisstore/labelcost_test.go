package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// commands returns how many calls of each command f makes, those inside of scripts included.
func commands(t *testing.T, rdb *redis.Client, f func()) map[string]string {
	t.Helper()
	if err := rdb.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	f()
	info, err := rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]string{}
	for line := range strings.Lines(info) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if n, _, _ := strings.Cut(rest, ","); ok && !strings.HasPrefix(name, "config") && name != "info" {
			calls[name] = n
		}
	}
	delete(calls, "pexpire") // once more in each new interval of the counts of tasks made and ended
	return calls
}

// A claim makes the same commands whether or not tasks wait that no replica can take.
func TestUnclaimableTasksCostAClaimNothing(t *testing.T) {
	const claims = 20
	rdb := redisserver.Start(t).Client(t)
	s := newSite(t, rdb)
	ctx := t.Context()
	if _, err := s.store.Join(ctx, task.Registration{Replica: "r", Lease: time.Hour, Labels: []string{"here"},
		Kinds: map[string]task.Policy{"k": {}}, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}}); err != nil {
		t.Fatal(err)
	}
	call, reports := int64(0), []task.Report(nil)
	drain := func() {
		for range claims {
			call++
			x := claimOf(call, "q", 1)
			x.Reports = reports
			got, err := s.store.Exchange(ctx, x)
			if err != nil || len(tasksOf(got)) != 1 {
				t.Fatal(got, err)
			}
			reports = []task.Report{reportOn(tasksOf(got)[0], task.Succeed)}
		}
	}
	fill := func() {
		for range claims {
			s.enqueue(t, task.Spec{Queue: "q"})
		}
	}
	fill()
	drain() // the first calls send the scripts
	fill()
	without := commands(t, rdb, drain)
	var specs []task.Spec
	for i := range 10_000 {
		specs = append(specs, task.Spec{Queue: "q", Priority: 9, Labels: []string{"nowhere", fmt.Sprint("x", i)}})
	}
	for page := range slices.Chunk(specs, 100) {
		s.enqueue(t, page...)
	}
	fill()
	if d := cmp.Diff(without, commands(t, rdb, drain)); d != "" {
		t.Errorf("commands of %d claims without and with 10,000 tasks that no replica can take:\n%s", claims, d)
	}
}

// The replicas are read once for all broadcasts of a call, whatever their kinds.
func TestBroadcastsOfACallReadTheReplicasOnce(t *testing.T) {
	const replicas, kinds = 40, 20
	rdb := redisserver.Start(t).Client(t)
	s := newSite(t, rdb)
	policies := map[string]task.Policy{}
	for k := range kinds {
		policies[fmt.Sprint("k", k)] = task.Policy{}
	}
	for r := range replicas {
		registration := task.Registration{Replica: fmt.Sprint("r", r), Lease: time.Hour, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}, Kinds: policies}
		if _, err := s.store.Join(t.Context(), registration); err != nil {
			t.Fatal(err)
		}
	}
	var specs []task.Spec
	for k := range kinds {
		specs = append(specs, task.Spec{ID: fmt.Sprint("b", k), Kind: fmt.Sprint("k", k), Queue: "q", Broadcast: true})
	}
	n, _ := strconv.Atoi(commands(t, rdb, func() { s.enqueue(t, specs...) })["hmget"])
	if most := replicas + 10*kinds; n > most {
		t.Errorf("%d broadcasts make %d calls of HMGET, want at most %d", kinds, n, most)
	}
	got, err := s.store.Get(t.Context(), "b0", fmt.Sprint("b", kinds-1))
	if err != nil || got[0].Shards != replicas || got[1].Shards != replicas {
		t.Errorf("%+v, %v", got, err)
	}

	registration := task.Registration{Replica: "r0", Lease: time.Hour, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}, Kinds: policies, Disabled: []string{"k1"}}
	if _, err := s.store.Join(t.Context(), registration); err != nil {
		t.Fatal(err)
	}
	for k := range specs {
		specs[k].ID = fmt.Sprint("c", k)
	}
	s.enqueue(t, specs...)
	if got, err = s.store.Get(t.Context(), "c0", "c1", "c2"); err != nil || got[0].Shards != replicas || got[1].Shards != replicas-1 || got[2].Shards != replicas {
		t.Errorf("with a disabled handler: %+v, %v", got, err)
	}
}
