package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/lua"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// writingScripts are calls of scripts of the user's own that write key.
func writingScripts(t *testing.T, rdb *redis.Client, key string) (calls [][]any) {
	for _, write := range []string{
		"redis.call('SET', '" + key + "', 'x')", "redis.pcall('DEL', '" + key + "')", "redis.call('RPUSH', '" + key + "', 'x')",
		"redis.call('PERSIST', '" + key + "')", "redis.call('XADD', '" + key + "', '*', 'a', 'b')",
		"redis.pcall('HSET', '" + key + "', 'a', 'b')", "redis.call('PFCOUNT', '" + key + "')",
	} {
		for _, text := range []string{write, "#!lua flags=no-writes\n" + write, "#!lua flags=allow-cross-slot-keys\n" + write} {
			hash, err := rdb.ScriptLoad(context.Background(), text).Result()
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{0, 1} {
				keys := []any{n, key}[:n+1]
				for _, call := range [][]any{{"EVAL", text}, {"EVAL_RO", text}, {"EVALSHA", hash}, {"EVALSHA_RO", hash}} {
					calls = append(calls, append(call, keys...))
				}
			}
		}
	}
	for _, name := range []string{"stop", "delete", "configure", "purge", "check"} {
		hash, err := rdb.ScriptLoad(context.Background(), lua.Source(name)).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]any{{"repair", 1000, ""}, {"x", "a"}, {"", 1, "paused", 1}} {
			for _, command := range []string{"EVALSHA", "EVALSHA_RO"} {
				calls = append(calls, append([]any{command, hash, 2, "lts:{p}:", "lts:{p}:meta"}, args...))
			}
		}
	}
	return calls
}

// lastingOnly removes the keys that expire, which would change during a test.
func lastingOnly(t *testing.T, rdb *redis.Client) {
	t.Helper()
	for key := range contents(t, rdb) {
		if rdb.PTTL(context.Background(), key).Val() > 0 {
			rdb.Del(context.Background(), key)
		}
	}
}

// blockTime is how long a test lets a command block that may do so.
const blockTime = 500 * time.Millisecond

func TestViewerChangesNoKey(t *testing.T) {
	server := redisserver.Start(t)
	rdb := server.Client(t)
	furnish(t, rdb)
	do := caller(t, server.User(t, "viewer", aclRecipe(t, "viewer")...), blockTime)
	lastingOnly(t, rdb)
	before := fmt.Sprint(contents(t, rdb))
	var calls [][]any
	for _, key := range []string{"lts:{p}:meta", "lts:{p}:inbox", "lts:{p}:events", "lts:{p}:task:a", "lts:{other}:meta", "free"} {
		for _, c := range redisCommands(t, rdb) {
			calls = append(calls, c.with(key))
		}
		calls = append(calls, writingScripts(t, rdb, key)...)
		calls = append(calls, foreignReads(key)...)
	}
	changes := func() string {
		info, err := rdb.InfoMap(context.Background(), "persistence").Result()
		if err != nil {
			t.Fatal(err)
		}
		return info["Persistence"]["rdb_changes_since_last_save"]
	}
	n := changes()
	for _, call := range calls {
		if answer, err := do(call...); changes() != n {
			t.Fatalf("%v changes a key and answers %v, %v", call, answer, err)
		}
	}
	if after := fmt.Sprint(contents(t, rdb)); after != before {
		t.Error("a key has changed")
	}
	t.Logf("%d calls", len(calls))
}

func TestViewerReadsEverythingAndIsRefusedChanges(t *testing.T) {
	server := redisserver.Start(t, redisserver.AOF())
	rdb := server.Client(t)
	furnish(t, rdb)
	ctx := context.Background()
	site := &site{t: t, name: "p", rdb: rdb}
	p := site.poolOn(server)
	if err := p.SetLimit(ctx, pool.GroupScope, "g", 1); err != nil {
		t.Fatal(err)
	}
	enqueue(t, p, pool.Spec{Kind: "k", ID: "ended"})
	if _, err := p.Stop(ctx, pool.Filter{IDs: []string{"ended"}}, "enough"); err != nil {
		t.Fatal(err)
	}
	site.push("nonsense")
	if _, err := redisstore.New(rdb, "p").AdmitInbox(ctx, nil); err != nil {
		t.Fatal(err)
	}
	rejected := ""
	for r, err := range p.Rejected(ctx) {
		if rejected = r.ID; err != nil {
			t.Fatal(err)
		}
	}
	lastingOnly(t, rdb)
	before := fmt.Sprint(contents(t, rdb))
	u := server.User(t, "viewer", aclRecipe(t, "viewer")...)
	c := newCommand(t, "LTS_REDIS="+u.URL(), "LTS_POOL=p")
	for _, args := range [][]string{
		{"ls"}, {"ls", "--state", "waiting", "--json"}, {"get", "a", "b", "ended"}, {"logs", "ended"}, {"queues"}, {"stats"}, {"replicas"},
		{"limit"}, {"limit", "--group", "g"}, {"limit", "default"}, {"rejected", "list"}, {"rejected", "show", rejected},
	} {
		if out, code := c.run(args...); code != 0 {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
	if out, _ := c.run("wait", "ended"); !strings.Contains(out, "stopped") {
		t.Errorf("wait: %s", out)
	}
	out, code := c.run("doctor")
	for _, want := range []string{"may read the pool, and change nothing", "keys and index entries", "maxmemory", "no live replica, 1 task waits"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("doctor: exit code %d, want %q in\n%s", code, want, out)
		}
	}
	var log diary
	c.start(&log, "tail", "--from", "0")
	eventually(t, patience, "the events", func() bool { return strings.Contains(log.String(), "stopped") })
	viewer, err := pool.New(redisstore.New(u.Client(t), "p"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if load, err := viewer.Load(ctx); err != nil || len(load) == 0 {
		t.Errorf("load: %v, %v", load, err)
	}

	for _, args := range [][]string{
		{"enqueue", "k"}, {"stop", "a"}, {"retry", "ended"}, {"delete", "ended"}, {"pause"}, {"pause", "default"}, {"resume"}, {"limit", "default", "3"},
		{"limit", "--group", "g", "none"}, {"drain", "r"}, {"reap"}, {"doctor", "--fix"}, {"rejected", "put-back", rejected}, {"rejected", "drop", rejected}, {"rejected", "drop", "--all", "--yes"},
	} {
		out, code := c.run(args...)
		if code != 1 || !strings.Contains(out, "this user may read the pool, and change nothing") {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
	for _, args := range [][]string{{"bench"}, {"demo", "--redis", u.URL()}} {
		if out, code := c.run(args...); code == 0 {
			t.Errorf("%v: exit code 0\n%s", args, out)
		}
	}
	if after := fmt.Sprint(contents(t, rdb)); after != before {
		t.Error("a key has changed")
	}
}
