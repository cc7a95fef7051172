package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// aclRecipe reads the rules of a user from the documentation, for pool p.
func aclRecipe(t testing.TB, user string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^    ACL SETUSER ` + user + ` on >secret (.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("docs/operations.md has no recipe for %s", user)
	}
	return strings.Fields(strings.ReplaceAll(string(m[1]), "{default}", "{p}"))
}

// redisCommand is one command of the server. A subcommand has its full name.
type redisCommand struct {
	words  []string
	arity  int
	noAuth bool // every user may run it, whatever its rules
}

// redisCommands returns every command of the server.
func redisCommands(t testing.TB, rdb *redis.Client) []redisCommand {
	t.Helper()
	reply, err := rdb.Do(context.Background(), "COMMAND").Slice()
	if err != nil {
		t.Fatal(err)
	}
	var all []redisCommand
	var add func(entry []any)
	add = func(entry []any) {
		var flags []string
		for _, f := range entry[2].([]any) {
			flags = append(flags, fmt.Sprint(f))
		}
		name := strings.ToUpper(entry[0].(string))
		subs, _ := entry[9].([]any)
		if len(subs) == 0 {
			all = append(all, redisCommand{words: strings.Split(name, "|"), arity: int(entry[1].(int64)), noAuth: slices.Contains(flags, "no_auth")})
		}
		for _, sub := range subs {
			add(sub.([]any))
		}
	}
	for _, entry := range reply {
		add(entry.([]any))
	}
	if len(all) < 300 {
		t.Fatalf("the server lists only %d commands", len(all))
	}
	return all
}

// with returns the command with arg repeated as often as the command requires
// at least, and once if all its arguments are optional.
func (c redisCommand) with(arg string) []any {
	n := c.arity
	if n < 0 {
		n = max(-n, len(c.words)+1)
	}
	var args []any
	for _, w := range c.words {
		args = append(args, w)
	}
	for len(args) < n {
		args = append(args, arg)
	}
	return args
}

// caller returns a function that runs commands of a user. A command that the
// user's rules refuse does nothing, so the next one has the same connection.
// Any other command may make the connection unusable, so the next one has a new
// one. A command that blocks ends after the timeout.
func caller(t testing.TB, u *redisserver.User, timeout time.Duration) func(args ...any) (any, error) {
	t.Helper()
	o := *u.Client(t).Options()
	o.Protocol, o.MaxRetries, o.ReadTimeout, o.PoolSize = 2, -1, timeout, 1
	var c *redis.Client
	end := func() {
		if c != nil {
			c.Close()
			c = nil
		}
	}
	t.Cleanup(end)
	return func(args ...any) (any, error) {
		if c == nil {
			c = redis.NewClient(&o)
		}
		answer, err := c.Do(context.Background(), args...).Result()
		if !redis.HasErrorPrefix(err, "NOPERM") {
			end()
		}
		return answer, err
	}
}

// contents returns every key of the server with its exact value.
func contents(t testing.TB, rdb *redis.Client) map[string]string {
	t.Helper()
	ctx := context.Background()
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, k := range keys {
		if all[k], err = rdb.Dump(ctx, k).Result(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// furnish fills two pools: the user's own and another one.
func furnish(t testing.TB, rdb *redis.Client) {
	t.Helper()
	for _, name := range []string{"p", "other"} {
		s := redisstore.New(rdb, name)
		if _, err := s.Enqueue(context.Background(), []task.Spec{
			{Kind: "k", ID: "a", Payload: []byte(`"needle"`), Unique: "u", Group: "g"}, {Kind: "k", ID: "b", Delay: time.Hour},
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProducerCanDoNothingButEnqueue(t *testing.T) {
	server := redisserver.Start(t)
	rdb := server.Client(t)
	ctx := context.Background()
	furnish(t, rdb)
	u := server.User(t, "producer", aclRecipe(t, "producer")...)
	call := caller(t, u, patience) // each command is refused, so none blocks
	before := contents(t, rdb)

	tried, free := 0, []string{}
	for _, c := range redisCommands(t, rdb) {
		if c.words[0] == "RPUSH" {
			continue
		}
		for _, key := range []string{"lts:{p}:inbox", "lts:{p}:task:a", "lts:{other}:inbox"} {
			tried++
			answer, err := call(c.with(key)...)
			if c.noAuth {
				free = append(free, c.words[0])
				continue
			}
			if err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "command not allowed") {
				t.Errorf("%v answers %v, %v", c.with(key), answer, err)
			}
		}
	}
	slices.Sort(free)
	if free = slices.Compact(free); !slices.Equal(free, []string{"AUTH", "HELLO", "QUIT", "RESET"}) {
		t.Errorf("every user may run %v", free)
	}
	for key := range before {
		if key == "lts:{p}:inbox" {
			continue
		}
		if _, err := call("RPUSH", key, "x"); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("RPUSH %s: %v", key, err)
		}
	}
	for _, key := range []string{"lts:{other}:inbox", "lts:{p}:inbox:open", "lts:{p}:inbox:rejected", "lts:{p}:signals:r", "lts:{p}:history:a", "inbox"} {
		if _, err := call("RPUSH", key, "x"); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("RPUSH %s: %v", key, err)
		}
	}
	if after := contents(t, rdb); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("a key has changed")
	}
	t.Logf("%d commands refused", tried)

	if err := u.Client(t).RPush(ctx, "lts:{p}:inbox", `{"kind":"k","id":"mine"}`).Err(); err != nil {
		t.Fatal(err)
	}
	s := redisstore.New(rdb, "p")
	if _, err := s.AdmitInbox(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, "mine"); err != nil || got[0] == nil {
		t.Errorf("the task was not enqueued: %v, %v", got, err)
	}
}

// A program that may push tasks can create no trigger, and the other way round.
func TestSchedulerCanOnlySetTriggers(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	ctx := context.Background()
	const tasks, triggers = "lts:{p}:inbox", "lts:{p}:triggers:inbox"
	scheduler := server.User(t, "scheduler", aclRecipe(t, "scheduler")...).Client(t)
	producer := server.User(t, "producer", aclRecipe(t, "producer")...).Client(t)
	for _, refused := range []redis.Cmder{
		producer.RPush(ctx, triggers, "x"), scheduler.RPush(ctx, tasks, "x"), scheduler.RPush(ctx, "lts:{p}:triggers", "x"), scheduler.LRange(ctx, triggers, 0, -1),
		scheduler.LPop(ctx, triggers), scheduler.RPush(ctx, "lts:{other}:triggers:inbox", "x"), scheduler.HGetAll(ctx, "lts:{p}:trigger:t"),
		producer.Do(ctx, "HSET", "lts:{p}:trigger:t", "def", "x"), producer.Do(ctx, "ZADD", "lts:{p}:triggers", 1, "t"),
	} {
		if err := refused.Err(); !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("%v: %v", refused.Args(), err)
		}
	}
	s := &site{t: t, name: "p", rdb: server.Client(t)}
	c, err := pool.New(redisstore.New(s.rdb, s.name), pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	c.HandleKind("k", nothing)
	s.serve(c)
	if err := scheduler.RPush(ctx, triggers, `{"name":"t","every_ms":3600000,"task":{"kind":"k"}}`).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the trigger", func() bool { _, err := c.Triggers().Get(ctx, "t"); return err == nil })
}

// foreignReads are calls that may read another pool's values and that the list
// of commands with keys as arguments does not contain.
func foreignReads(key string) [][]any {
	get := "return redis.call('GET', '" + key + "')"
	return [][]any{
		{"EVAL", get, 0}, {"EVAL", get, 1, "lts:{p}:meta"}, {"EVAL", "return redis.call(ARGV[1], KEYS[1])", 1, key, "HGETALL"},
		{"EVAL_RO", get, 0}, {"EVAL", "return redis.pcall('XRANGE', '" + key + "', '-', '+')", 0},
		{"COPY", key, "lts:{p}:stolen"}, {"RENAME", key, "lts:{p}:stolen"}, {"MIGRATE", "127.0.0.1", 1, key, 0, 10}, {"DUMP", key},
		{"SORT", "lts:{p}:queues", "BY", "nosort", "GET", key}, {"SORT_RO", key}, {"OBJECT", "ENCODING", key}, {"MEMORY", "USAGE", key},
		{"ZUNION", 1, key}, {"ZUNIONSTORE", "lts:{p}:stolen", 1, key}, {"ZINTERCARD", 1, key}, {"ZDIFF", 2, key, "lts:{p}:nothing"},
		{"ZRANGESTORE", "lts:{p}:stolen", key, 0, -1}, {"ZMPOP", 1, key, "MIN"}, {"LMPOP", 1, key, "LEFT"}, {"BLMPOP", 0.01, 1, key, "LEFT"},
		{"SUNIONSTORE", "lts:{p}:stolen", key}, {"SINTERCARD", 1, key}, {"BITOP", "OR", "lts:{p}:stolen", key}, {"LMOVE", key, "lts:{p}:stolen", "LEFT", "LEFT"},
		{"XREAD", "STREAMS", key, 0}, {"XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"}, {"XINFO", "STREAM", key, "FULL"},
		{"GETRANGE", key, 0, -1}, {"LRANGE", key, 0, -1}, {"ZRANGE", key, 0, -1}, {"XRANGE", key, "-", "+"}, {"HSCAN", key, 0}, {"SSCAN", key, 0},
		{"HRANDFIELD", key, 5}, {"GETDEL", key}, {"PFMERGE", "lts:{p}:stolen", key}, {"LCS", key, key}, {"RESTORE", key, 0, "x"},
		{"SUBSCRIBE", "__keyspace@0__:" + key}, {"MONITOR"}, {"CONFIG", "GET", "*"}, {"CLIENT", "LIST"}, {"DEBUG", "OBJECT", key}, {"KEYS", "*"},
		{"FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)"}, {"ACL", "GETUSER", "default"}, {"SLOWLOG", "GET"},
		{"FLUSHALL"}, {"FLUSHDB"}, {"SWAPDB", 0, 1}, {"SHUTDOWN"}, {"REPLICAOF", "127.0.0.1", 1},
	}
}

func TestWorkerReadsNoOtherPool(t *testing.T) {
	for _, name := range []string{"worker", "operator", "viewer"} {
		t.Run(name, func(t *testing.T) {
			server := redisserver.Start(t)
			rdb := server.Client(t)
			furnish(t, rdb)
			ctx := context.Background()
			const needle = "needle"
			rdb.Set(ctx, "lts:{other}:string", needle, 0)
			rdb.RPush(ctx, "lts:{other}:list", needle)
			rdb.SAdd(ctx, "lts:{other}:set", needle)
			rdb.HSet(ctx, "lts:{other}:hash", needle, needle)
			rdb.ZAdd(ctx, "lts:{other}:zset", redis.Z{Member: needle})
			rdb.XAdd(ctx, &redis.XAddArgs{Stream: "lts:{other}:stream", Values: []any{needle, needle}})
			fenced := caller(t, server.User(t, name, aclRecipe(t, name)...), blockTime)
			lastingOnly(t, rdb)
			others := func() map[string]string {
				all := contents(t, rdb)
				for k := range all {
					if strings.HasPrefix(k, "lts:{p}:") && k != "lts:{p}:stolen" {
						delete(all, k) // its own pool may change
					}
				}
				return all
			}
			// The same rules without the restriction to the pool's keys. If
			// this user can read the value, the calls below would detect a
			// leak.
			rules := slices.DeleteFunc(aclRecipe(t, name), func(r string) bool { return strings.Contains(r, "~lts:{p}:") })
			rules = append(rules, "~*")
			unfenced := caller(t, server.User(t, "unfenced", rules...), blockTime)
			before := others()
			commands, tried := redisCommands(t, rdb), 0
			for _, kind := range []string{"string", "list", "set", "hash", "zset", "stream"} {
				key := "lts:{other}:" + kind
				var calls [][]any
				for _, c := range commands {
					calls = append(calls, c.with(key))
				}
				seen := false
				for _, call := range foreignReads(key) {
					if slices.Contains([]any{"GETDEL", "RENAME", "COPY", "LMOVE", "LMPOP", "BLMPOP", "ZMPOP", "RESTORE"}, call[0]) || strings.HasSuffix(call[0].(string), "STORE") {
						continue
					}
					answer, err := unfenced(call...)
					seen = seen || err == nil && strings.Contains(fmt.Sprint(answer), needle)
				}
				rdb.Del(ctx, "lts:{p}:stolen")
				if !seen {
					t.Errorf("even an unrestricted user cannot read %s", key)
				}
				for _, call := range append(calls, foreignReads(key)...) {
					tried++
					answer, err := fenced(call...)
					if err == nil && strings.Contains(fmt.Sprint(answer), needle) && call[0] != "ECHO" {
						t.Errorf("%v answers %v", call, answer)
					}
				}
			}
			if after := others(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Error("a key outside the pool has changed")
			}
			t.Logf("%d calls", tried)
		})
	}
}

func TestWorkerAndOperatorCanDoTheirWork(t *testing.T) {
	server := redisserver.Start(t, redisserver.AOF())
	rdb := server.Client(t)
	ctx := context.Background()
	w := server.User(t, "worker", aclRecipe(t, "worker")...)
	s := redisstore.New(w.Client(t), "p")
	defer s.Close()
	if err := s.Check(ctx); err != nil {
		t.Errorf("check: %v", err)
	}
	site := &site{t: t, name: "p", rdb: rdb}
	p, err := pool.New(s, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 2, Limit: 5}}})
	if err != nil {
		t.Fatal(err)
	}
	p.HandleKind("k", func(_ context.Context, tk *task.Task) ([]byte, error) {
		if tk.Attempt == 1 {
			return nil, pool.RetryAfter(errors.New("once"), time.Millisecond)
		}
		return []byte("1"), nil
	})
	site.serve(p)
	if err := rdb.RPush(ctx, "lts:{p}:inbox", `{"kind":"k","id":"a","group":"g","unique":"u"}`).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the task from the inbox", func() bool { _, err := p.Get(ctx, "a"); return err == nil })
	if got := await(t, p, "a"); got.State != task.Succeeded {
		t.Errorf("the task %s", got.State)
	}
	subscribed, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan pool.Event, 100)
	go func() {
		_ = p.Subscribe(subscribed, "g", func(_ context.Context, e pool.Event) error { events <- e; return nil })
	}()
	eventually(t, patience, "an event for a group", func() bool {
		enqueue(t, p, pool.Spec{Kind: "k"})
		return len(events) > 0
	})
	if found := inspect(t, p, true); len(found) > 0 {
		t.Errorf("inspection: %+v", found)
	}

	if err := rdb.RPush(ctx, "lts:{p}:inbox", "nonsense", "nonsense").Err(); err != nil {
		t.Fatal(err)
	}
	var rejected []string
	eventually(t, patience, "the entries are rejected", func() bool {
		rejected = nil
		for r := range p.Rejected(ctx) {
			rejected = append(rejected, r.ID)
		}
		return len(rejected) == 2
	})
	o := server.User(t, "operator", aclRecipe(t, "operator")...)
	c := newCommand(t, "LTS_REDIS="+o.URL(), "LTS_POOL=p")
	for _, args := range [][]string{
		{"doctor"}, {"doctor", "--fix"}, {"stats"}, {"ls"}, {"get", "a"}, {"enqueue", "k", "--id", "b", "--queue", "q"}, {"pause", "q"}, {"resume", "q"},
		{"limit", "q", "3"}, {"stop", "b"}, {"retry", "b"}, {"stop", "b"}, {"delete", "b"}, {"rejected", "show", rejected[0]},
		{"rejected", "put-back", rejected[0], "--entry", `{"kind":"k"}`}, {"rejected", "drop", rejected[1]},
	} {
		if out, code := c.run(args...); code != 0 {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
	if out, _ := c.run("doctor"); !strings.Contains(out, "appendfsync always") {
		t.Errorf("the operator's doctor does not report how the append-only file is written:\n%s", out)
	}
}
