package integration

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/lua"
)

// mode is a state of a server that prevents it from running scripts.
type mode struct {
	enter func(t *testing.T, rdb *redis.Client) (leave func())
	// serves reports whether the script of a case still works.
	serves func(name string) bool
	// says are the parts of the error of the other scripts: the reason and what to do.
	says []string
}

// runsWhenFull matches the source of a script that Redis also runs without free memory. The
// inspection does so only if it repairs.
var runsWhenFull = regexp.MustCompile(`(?m)^(if .* then )?run_when_full\(\)`)

func reads(script string) bool {
	return slices.Contains([]string{"rights", "stats", "get", "select"}, script)
}

func configure(t *testing.T, rdb *redis.Client, parameter, value string) {
	t.Helper()
	if err := rdb.ConfigSet(context.Background(), parameter, value).Err(); err != nil {
		t.Fatal(err)
	}
}

var modes = map[string]mode{
	"read-only replica": {
		enter: func(t *testing.T, rdb *redis.Client) func() {
			// The replica of a master that does not exist. The data stays.
			if err := rdb.ReplicaOf(context.Background(), "127.0.0.1", "1").Err(); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := rdb.ReplicaOf(context.Background(), "no", "one").Err(); err != nil {
					t.Error(err)
				}
			}
		},
		serves: func(script string) bool { return script != "rights" && reads(script) },
		says:   []string{"read-only replica|READONLY", "connect to (its|the) primary"},
	},
	"out of memory": {
		enter: func(t *testing.T, rdb *redis.Client) func() {
			configure(t, rdb, "maxmemory", "1")
			return func() { configure(t, rdb, "maxmemory", "0") }
		},
		// Scripts that end work, keep it alive or start waiting tasks still
		// run, so that the pool drains. Scripts that only remove still run,
		// too.
		serves: func(name string) bool {
			script, variant, _ := strings.Cut(name, " ")
			switch {
			case script == "change" && variant == "payload": // a payload needs memory
				return false
			case script == "spread": // new children need memory
				return variant == "stops" || variant == "loses"
			case script == "trigger": // the others remove something before they write
				return variant != ""
			}
			return reads(script) || slices.Contains([]string{"consumers", "delete", "inbox"}, script) || runsWhenFull.MatchString(lua.Source(script))
		},
		says: []string{"OOM", "maxmemory: raise it"},
	},
	"loading": {
		enter: func(t *testing.T, rdb *redis.Client) func() {
			ctx := context.Background()
			for i := range 200 {
				if err := rdb.Set(ctx, "filler"+strconv.Itoa(i), strings.Repeat("x", 2048), 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			configure(t, rdb, "key-load-delay", "20000") // µs
			reloaded := make(chan error, 1)
			loader := clientAt(t, rdb.Options().Addr, func(o *redis.Options) { o.MaxRetries, o.ReadTimeout = -1, -1 })
			go func() { reloaded <- loader.Do(ctx, "DEBUG", "RELOAD").Err() }()
			probe := clientAt(t, rdb.Options().Addr, func(o *redis.Options) { o.MaxRetries = -1 })
			eventually(t, patience, "the server is loading", func() bool {
				err := probe.Ping(ctx).Err()
				return err != nil && strings.HasPrefix(err.Error(), "LOADING")
			})
			return func() {
				if err := probe.ConfigSet(ctx, "key-load-delay", "0").Err(); err != nil {
					t.Error(err)
				}
				if err := receive(t, reloaded, patience, "the end of the reload"); err != nil {
					t.Error(err)
				}
			}
		},
		serves: func(string) bool { return false },
		says:   []string{"LOADING", "is starting"},
	},
	"busy with a script": {
		enter: func(t *testing.T, rdb *redis.Client) func() {
			ctx := context.Background()
			other := clientAt(t, rdb.Options().Addr, func(o *redis.Options) { o.MaxRetries, o.ReadTimeout = -1, -1 })
			ended := make(chan struct{})
			go func() {
				other.Eval(ctx, "while true do end", nil)
				close(ended)
			}()
			probe := clientAt(t, rdb.Options().Addr)
			eventually(t, patience, "the server is busy", func() bool {
				err := probe.Ping(ctx).Err()
				return err != nil && strings.HasPrefix(err.Error(), "BUSY")
			})
			return func() {
				if err := probe.ScriptKill(ctx).Err(); err != nil {
					t.Error(err)
				}
				receive(t, ended, patience, "the end of the script")
			}
		},
		serves: func(string) bool { return false },
		says:   []string{"BUSY", "another program"},
	},
}

// On a server that cannot run it, every script fails with an error that says
// what to do, and writes nothing. The few scripts that can still work do their
// work.
func TestEveryScriptFailsClearlyOnAServerThatCannotServe(t *testing.T) {
	t.Parallel()
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redisserver.Start(t, redisserver.Config("enable-debug-command", "local"),
				redisserver.Config("busy-reply-threshold", "20"), redisserver.Config("rdbcompression", "no"),
				redisserver.Config("loading-process-events-interval-bytes", "1024"))
			rdb := server.Client(t)
			through := clientAt(t, server.Addr())

			type subject struct {
				*victim
				before map[string][]string
				calm   map[string][]string
				err    error
			}
			subjects := map[string]*subject{}
			for script, c := range faultCases {
				calm, v := newVictim(t, rdb), newVictim(t, rdb)
				c.prepare(calm)
				if _, err := c.call(t.Context(), calm, calm.st); err != nil {
					t.Fatal(script, ": ", err)
				}
				c.prepare(v)
				v.keepAll()
				subjects[script] = &subject{victim: v, before: v.exact(), calm: calm.read()}
			}

			leave := m.enter(t, rdb)
			var calls sync.WaitGroup
			for script, s := range subjects {
				calls.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					_, s.err = faultCases[script].call(ctx, s.victim, s.open(through))
				})
			}
			calls.Wait()
			leave()
			for _, s := range subjects { // the comparisons may take longer than the signals last
				s.keepAll()
			}

			for script, s := range subjects {
				switch {
				case m.serves(script) && s.err != nil:
					t.Errorf("%s: %v", script, s.err)
				case m.serves(script):
					if d := cmp.Diff(s.calm, s.read()); d != "" {
						t.Errorf("%s: the pool differs from the one on a healthy server (-healthy +%s):\n%s", script, name, d)
					}
				case s.err == nil:
					t.Errorf("%s works on such a server", script)
				default:
					for _, want := range m.says {
						if !regexp.MustCompile(want).MatchString(s.err.Error()) {
							t.Errorf("%s: the error is %q, want one that says %q", script, s.err, want)
						}
					}
					s.unchanged(script, s.before)
				}
			}
		})
	}
}

// unchanged checks that the pool has not changed.
func (v *victim) unchanged(what string, before map[string][]string) {
	v.t.Helper()
	if d := cmp.Diff(before, v.exact()); d != "" {
		v.t.Errorf("%s: the failed call left a partial write:\n%s", what, d)
	}
}

var commandPattern = regexp.MustCompile(`call\('([A-Z]+)'`)

// commands are the Redis commands that the script may use.
func commands(script string) []string {
	var names []string
	for _, m := range commandPattern.FindAllStringSubmatch(lua.Source(script), -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A user may lack the right to one of the commands of a script, to the pool's
// keys or to scripts at all. The call then fails with an error that says what
// the user needs, and no write is partial. make soak takes all commands.
func TestMissingRightsStopEveryScriptBeforeItsFirstWrite(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	rdb := server.Client(t)
	ctx := context.Background()
	setUser := func(t *testing.T, name string, rules ...any) *redis.Client {
		if err := rdb.Do(ctx, append([]any{"ACL", "SETUSER", name, "reset", "on", ">pw"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
		return clientAt(t, server.Addr(), func(o *redis.Options) { o.Username, o.Password = name, "pw" })
	}
	eachScript(t, func(t *testing.T, script string, c faultCase) {
		t.Parallel()
		calm := newVictim(t, rdb)
		c.prepare(calm)
		if _, err := c.call(ctx, calm, calm.open(clientAt(t, server.Addr()))); err != nil {
			t.Fatal(err)
		}
		healthy := calm.read()
		users := map[string][]any{
			"other keys": {"~lts:{other}:*", "+@all"},
			"no scripts": {"~*", "+@all", "-eval", "-evalsha", "-eval_ro", "-evalsha_ro"},
			"producer":   {"~lts:{victim}:inbox", "-@all", "+rpush"},
		}
		for _, command := range sample(seeded(t), commands(script), 3) {
			users["no "+command] = []any{"~*", "&*", "+@all", "-" + strings.ToLower(command)}
		}
		for name, rules := range users {
			v := newVictim(t, rdb)
			c.prepare(v)
			before := v.exact()
			_, err := c.call(ctx, v, v.open(setUser(t, script, rules...)))
			what := script + " of a user with " + name
			if err == nil {
				// The script did not need the command, or skipped the step that
				// needs it.
				if d := cmp.Diff(healthy, v.read()); d != "" {
					t.Errorf("%s succeeded, but the pool differs from the expected one (-want +got):\n%s", what, d)
				}
				continue
			}
			if !strings.Contains(err.Error(), "+@all -@admin -@dangerous -function +info") && !strings.Contains(err.Error(), "ACL users in docs/operations.md") {
				t.Errorf("%s: the error is %q, want one that says what the user needs", what, err)
			}
			v.unchanged(what, before)
		}
	})
}
