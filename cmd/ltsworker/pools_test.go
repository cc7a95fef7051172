package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestPoolsOfTheServerAreShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	if a := u.run("pools"); a.code != exitDone || !strings.Contains(a.err, "no pool is on this server") {
		t.Errorf("%+v", a)
	}
	u.must("--pool", "a", "enqueue", "x", "--id", "task:meta")
	u.must("--pool", "a", "pause")
	u.must("--pool", "b", "enqueue", "x", "--delay", "1h")
	u.redis("RPUSH", "lts:{c}:inbox", "{}")
	u.redis("HSET", "lts:{d}:meta", "schema", "9")
	u.redis("SET", "lts:{e}:task:x:meta", "no pool")
	u.redis("SET", "other", "no pool")
	args := []any{"MSET"} // several pages of keys
	for i := range 3000 {
		args = append(args, fmt.Sprint("lts:{a}:spam:", i), "x")
	}
	u.redis(args...)
	got := map[string]map[string]any{}
	for _, r := range decodeLines[map[string]any](t, u.must("pools", "--json")) {
		if reason, _ := r["error"].(string); strings.Contains(reason, `schema "9"`) {
			r["error"] = "schema"
		}
		got[r["pool"].(string)] = r
	}
	want := map[string]map[string]any{"d": {"pool": "d", "error": "schema"}}
	for pool, counts := range map[string]map[string]any{"a": {"waiting": 1., "paused": true}, "b": {"scheduled": 1.}, "c": {"inbox": 1.}} {
		want[pool] = map[string]any{"pool": pool, "scheduled": 0., "waiting": 0., "running": 0., "inbox": 0., "replicas": 0., "paused": false}
		maps.Copy(want[pool], counts)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if out := u.must("pools"); strings.Join(listed(out), " ") != "POOL a b c d" || !strings.Contains(out, "\nd     -          -        -        -      -         ") {
		t.Error(out)
	}
	if n := s.Client(t).DBSize(t.Context()).Val(); n < 3000 {
		t.Errorf("%d keys", n)
	}
}

func TestPoolsOfAllMastersAreShown(t *testing.T) {
	t.Parallel()
	c := redisserver.StartCluster(t)
	u := &user{t: t, dir: t.TempDir(), pool: "p", env: []string{"LTS_REDIS=redis-cluster://" + strings.Join(c.Addrs(), ","), "LTS_POOL=p"}}
	want := "POOL"
	on := map[string]bool{}
	for _, p := range []string{"a", "b", "c", "d", "e", "f"} {
		u.must("--pool", p, "enqueue", "x")
		want += " " + p
		on[c.MasterOf(t, "lts:{"+p+"}:meta").Addr()] = true
	}
	if len(on) < 2 {
		t.Fatal("all pools are on one master")
	}
	if out := u.must("pools"); strings.Join(listed(out), " ") != want {
		t.Errorf("got %s, want %s", out, want)
	}
}
