package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The reply to one of a replica's calls is lost. Each task still runs once,
// under one lease, is saved once, and ends once, in the right way.
func TestReplicaNoticesNoLostReply(t *testing.T) {
	t.Parallel()
	calls := []string{"renew", "join", "reap", "inbox", "peek"}
	for n := range 8 { // claims, successes, failures, releases and saves each are in one of them
		calls = append(calls, fmt.Sprint("exchange ", n+1))
	}
	for _, call := range calls {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			server := redisserver.Start(t)
			proxy := faultproxy.Start(t, server.Addr())
			open := func(addr string, cfg pool.Config) *pool.Pool {
				st := redisstore.New(clientAt(t, addr), "p")
				t.Cleanup(func() { st.Close() })
				p, err := pool.New(st, cfg)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			book := newLogbook()
			cfg := slots(2)
			cfg.Lease, cfg.Logger = 6*time.Second, book.logger()
			saves := &gauge{}
			cfg.Exports = map[string]pool.Export{"kept": {Exporter: exporterFunc(func(context.Context, *task.Staged) (task.Reference, error) {
				saves.enter()
				defer saves.exit()
				return task.Reference(`"here"`), nil
			})}}
			p := open(proxy.Addr(), cfg)
			runs := map[string]*gauge{}
			for _, kind := range []string{"ok", "bad", "later", "long", "bare", "kept"} {
				g := &gauge{}
				runs[kind] = g
				p.HandleKind(kind, func(ctx context.Context, tk *task.Task) ([]byte, error) {
					g.enter()
					defer g.exit()
					switch {
					case kind == "bad":
						return nil, pool.Permanent(errors.New("no"))
					case kind == "later" && tk.Attempt == 1:
						return nil, pool.Snooze(50 * time.Millisecond)
					case kind == "long":
						wait(time.Second)
					case kind == "bare":
						return nil, nil // the task was removed at its end
					}
					return []byte(`1`), nil
				})
			}
			script, nth, found := strings.Cut(call, " ")
			n := 1
			if found {
				n, _ = strconv.Atoi(nth)
			}
			strike := proxy.Strike(script, n, faultproxy.ReplyLost)
			s := site{t: t}
			stop := s.serve(p)
			c := open(server.Addr(), pool.Config{})
			rdb := server.Client(t)
			if err := rdb.RPush(t.Context(), "lts:{p}:inbox", `{"kind":"ok","id":"pushed"}`).Err(); err != nil {
				t.Fatal(err)
			}
			enqueueAll(t, c, []pool.Spec{{Kind: "bare", ID: "bare", Priority: 9}, {Kind: "ok", ID: "ok"}, {Kind: "bad", ID: "bad"}, {Kind: "later", ID: "later"}, {Kind: "long", ID: "long"}, {Kind: "kept", ID: "kept", Priority: 8}})
			for id, state := range map[string]pool.State{
				"pushed": pool.Succeeded, "ok": pool.Succeeded, "bad": pool.Failed, "later": pool.Succeeded, "long": pool.Succeeded, "kept": pool.Succeeded,
			} {
				eventually(t, patience, id+" is "+string(state), func() bool {
					task, err := c.Get(context.Background(), id)
					return err == nil && task.State == state
				})
			}
			eventually(t, patience, "the call is broken", strike.Happened)
			for kind, want := range map[string]int{"ok": 2, "bad": 1, "later": 2, "long": 1, "bare": 1, "kept": 1} {
				if _, _, n := runs[kind].read(); n != want {
					t.Errorf("%d runs of kind %s, want %d", n, kind, want)
				}
			}
			if _, _, n := saves.read(); n != 1 {
				t.Errorf("%d saves, want 1", n)
			}
			if st := idle(t, c); st.LeasesLost != 0 || st.Enqueued != 7 || st.Ended[pool.Succeeded] != 6 || st.Ended[pool.Failed] != 1 {
				t.Errorf("stats %+v", st)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			for _, line := range book.about("") {
				// On a busy machine the driver may exceed the timeout of the
				// call; the replica then logs an outage.
				if !strings.HasPrefix(line, "INFO") && !strings.Contains(line, failing) && !strings.Contains(line, working) {
					t.Errorf("the replica logged %s", line)
				}
			}
		})
	}
}
