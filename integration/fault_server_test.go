package integration

import (
	"context"
	"net"
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

// info changes the text of INFO replies, to imitate another server.
type info struct{ old, new string }

func (info) DialHook(next redis.DialHook) redis.DialHook { return next }

func (info) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (i info) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if c, ok := cmd.(*redis.StringCmd); ok && c.Name() == "info" {
			c.SetVal(strings.ReplaceAll(c.Val(), i.old, i.new))
		}
		return err
	}
}

// without answers commands as a server that does not have them.
type without []string

func (without) DialHook(next redis.DialHook) redis.DialHook { return next }

func (without) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (w without) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if slices.Contains(w, cmd.Name()) {
			cmd.SetErr(unknownCommand(cmd.Name()))
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

// unknownCommand is the reply to a command that the server does not have. Redis adds the
// first arguments of the command.
type unknownCommand string

func (c unknownCommand) Error() string {
	return "ERR unknown command `" + string(c) + "`, with args beginning with: `some argument`, "
}
func (unknownCommand) RedisError() {}

// Check reports every reason why a server cannot hold a pool, and says what to
// do.
func TestCheckSaysWhatIsWrongWithAServer(t *testing.T) {
	server := redisserver.Start(t, redisserver.Config("requirepass", "right"))
	rdb := server.Client(t)
	ctx := context.Background()
	with := func(change func(*redis.Options)) *redis.Client {
		return clientAt(t, server.Addr(), func(o *redis.Options) {
			o.Password = "right"
			change(o)
		})
	}
	version := strings.TrimSpace(infoField(t, rdb, "redis_version"))
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close() // the port is closed now

	for name, c := range map[string]struct {
		setting [2]string
		client  func() *redis.Client
		says    []string
	}{
		"sound":            {says: nil},
		"evicts":           {setting: [2]string{"maxmemory-policy", "allkeys-lru"}, says: []string{"allkeys-lru", "noeviction"}},
		"evicts volatiles": {setting: [2]string{"maxmemory-policy", "volatile-ttl"}, says: []string{"volatile-ttl", "noeviction"}},
		"no password": {
			client: func() *redis.Client { return with(func(o *redis.Options) { o.Password = "" }) },
			says:   []string{"NOAUTH", "give the password"},
		},
		"wrong password": {
			client: func() *redis.Client { return with(func(o *redis.Options) { o.Password = "wrong" }) },
			says:   []string{"WRONGPASS", "give the password"},
		},
		"too old": {
			client: func() *redis.Client {
				c := with(func(*redis.Options) {})
				c.AddHook(info{"redis_version:" + version, "redis_version:6.2.14"})
				return c
			},
			says: []string{"6.2.14 is too old", "7.0 or newer"},
		},
		"not there": {
			client: func() *redis.Client {
				return with(func(o *redis.Options) { o.Addr, o.MaxRetries = nobody.Addr().String(), -1 })
			},
			says: []string{nobody.Addr().String(), "refused"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.setting[0] != "" {
				configure(t, rdb, c.setting[0], c.setting[1])
				defer configure(t, rdb, c.setting[0], "noeviction")
			}
			client := with(func(*redis.Options) {})
			if c.client != nil {
				client = c.client()
			}
			st := redisstore.New(client, "checked")
			t.Cleanup(func() { st.Close() })
			p, err := pool.New(st, pool.Config{})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Check(ctx)
			if c.says == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("Check finds nothing")
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want one that says %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "wrong\"") || strings.Contains(err.Error(), "right") {
				t.Errorf("the error contains the password: %q", err)
			}
		})
	}
}

// A server before 7.0 cannot tell a script which commands its user may run.
func TestReplicaRefusesAServerThatIsTooOld(t *testing.T) {
	server := redisserver.Start(t)
	rdb := server.Client(t)
	version := strings.TrimSpace(infoField(t, rdb, "redis_version"))
	for _, old := range []string{"6.2.14", "6.0.20", "5.0"} {
		c := server.Client(t)
		c.AddHook(info{"redis_version:" + version, "redis_version:" + old})
		p, err := pool.New(redisstore.New(c, "old"), pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err = p.Run(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), old+" is too old") || !strings.Contains(err.Error(), "7.0 or newer") {
			t.Errorf("Run on Redis %s: %v", old, err)
		}
	}
	if n := rdb.Exists(t.Context(), "lts:{old}:replicas").Val(); n != 0 {
		t.Error("a replica joined")
	}
}

// Managed servers may have no INFO and no CONFIG.
func TestServerWithoutInfoIsUsedAndItsChecksAreNamed(t *testing.T) {
	server := redisserver.Start(t, redisserver.AOF())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	rdb := server.Client(t)
	rdb.AddHook(without{"info", "config"})
	st := redisstore.New(rdb, "managed")
	p, err := pool.New(st, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	for f, err := range p.Inspect(ctx, pool.Inspection{}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Open() {
			t.Errorf("%+v", f)
		}
		if f.Check == "server" && (!strings.Contains(f.What, "version, eviction, persistence and memory were not checked") || f.Do == "") {
			t.Errorf("%+v", f)
		}
		checked[f.Check] = true
	}
	for _, check := range []string{"server", "rights", "round trip", "schema", "replicas", "entries"} {
		if !checked[check] {
			t.Errorf("%s was not checked", check)
		}
	}
	if err := p.Check(ctx); err == nil || !strings.Contains(err.Error(), "were not checked") {
		t.Errorf("Check: %v", err)
	}
	p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	enqueue(t, p, pool.Spec{Kind: "k", ID: "a"})
	run, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- p.Run(run) }()
	if got, err := p.WaitTask(ctx, "a"); err != nil {
		t.Errorf("%+v: %v", got, err)
	}
	stop()
	if err := receive(t, ran, patience, "the end of Run"); err != nil {
		t.Error(err)
	}
}

// A replica that Redis refuses at its start logs the reason and ends. A replica
// that is refused later logs the reason once and continues when it is allowed
// again.
func TestRefusedReplicaSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ refuse, allow, says, do string }{
		"password": {refuse: "resetpass >other", allow: ">pw", says: "WRONGPASS", do: "give the password"},
		"rights":   {refuse: "-@all", allow: "+@all", says: "permission denied", do: "a worker's ACL user needs %R~lts:{refused}:* ~lts:{refused}: ~lts:{refused}:[^d]*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redisserver.Start(t)
			rdb := server.Client(t)
			ctx := context.Background()
			user := func(rules string) {
				t.Helper()
				args := []any{"ACL", "SETUSER", "w"}
				for rule := range strings.FieldsSeq(rules) {
					args = append(args, rule)
				}
				if err := rdb.Do(ctx, args...).Err(); err != nil {
					t.Fatal(err)
				}
				// Existing connections stay authenticated under the old
				// password.
				if err := rdb.ClientKillByFilter(ctx, "TYPE", "normal").Err(); err != nil {
					t.Fatal(err)
				}
			}
			ran := make(chan struct{}, 1)
			replica := func(book *logbook) *pool.Pool {
				st := redisstore.New(clientAt(t, server.Addr(), func(o *redis.Options) { o.Username, o.Password = "w", "pw" }), "refused")
				t.Cleanup(func() { st.Close() })
				cfg := slots(1)
				cfg.Lease, cfg.Logger = 8*time.Second, book.logger() // calls have a part of it as their time limit
				p, err := pool.New(st, cfg)
				if err != nil {
					t.Fatal(err)
				}
				p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) {
					ran <- struct{}{}
					return nil, nil
				})
				return p
			}
			direct := redisstore.New(rdb, "refused")
			t.Cleanup(func() { direct.Close() })
			work := func() time.Duration {
				t.Helper()
				if _, err := direct.Enqueue(ctx, []task.Spec{{Kind: "k"}}); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				receive(t, ran, patience, "the task runs")
				return time.Since(began)
			}
			user("on >pw ~lts:{refused}:* +@all")
			book := newLogbook()
			s := site{t: t}
			s.serve(replica(book))
			work() // after the join
			quick := work()

			user(c.refuse)
			eventually(t, patience, "the replica says why", func() bool { return len(book.about(c.do)) > 0 })
			run, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			err := replica(newLogbook()).Run(run)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.do) {
				t.Errorf("a replica that starts now ends with %v", err)
			}
			wait(time.Second)

			user(c.allow)
			if took := work(); took > resumption+slack*quick {
				t.Errorf("a task ran only %v after the end of the refusal, and %v after its enqueue before", took, quick)
			}
			eventually(t, patience, "the outage is over", func() bool { return len(book.about(failing)) == len(book.about(working)) })
			if len(book.about(failing)) != 1 || len(book.about(c.do)) != 1 {
				t.Errorf("the replica logged:\n%s", strings.Join(book.about(""), "\n"))
			}
		})
	}
}

func infoField(t *testing.T, rdb *redis.Client, field string) string {
	t.Helper()
	text, err := rdb.Info(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return v
		}
	}
	t.Fatal("INFO has no ", field)
	return ""
}

// Redis 6.2 has no EVALSHA_RO.
func TestErrorOfAnOldServerNamesTheCommandWithoutItsArguments(t *testing.T) {
	rdb := redisserver.Start(t).Client(t)
	rdb.AddHook(without{"evalsha_ro"})
	st := redisstore.New(rdb, "old")
	defer st.Close()
	_, err := st.Stats(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unknown command `evalsha_ro` (Redis 7.0 or newer is needed") {
		t.Errorf("got %v", err)
	}
}
