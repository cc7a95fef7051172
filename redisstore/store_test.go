package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool/storetest"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/worker"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// pools numbers the pools of the tests, which share one server.
var pools atomic.Int64

// site is one pool in one Redis, and the raw way to its keys.
type site struct {
	rdb    *redis.Client
	pool   string
	prefix string
	store  *redisstore.Store
}

func newSite(t testing.TB, rdb *redis.Client) *site {
	pool := fmt.Sprint("p", pools.Add(1))
	s := &site{rdb: rdb, pool: pool, prefix: "lts:{" + pool + "}:"}
	s.store = s.open(t, rdb)
	return s
}

// open returns another client's store of the pool.
func (s *site) open(t testing.TB, rdb *redis.Client) *redisstore.Store {
	st := redisstore.New(rdb, s.pool)
	t.Cleanup(func() { st.Close() })
	return st
}

// join puts replicas on the list, without which they may not claim.
func (s *site) join(t testing.TB, replicas ...string) {
	t.Helper()
	for _, r := range replicas {
		if _, err := s.store.Join(context.Background(), worker.Registration{Replica: r, Lease: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) now(t testing.TB) time.Time {
	t.Helper()
	now, err := s.rdb.Time(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(now.UnixMilli()) // what the scripts see
}

// keys lists every key of the pool.
func (s *site) keys(t testing.TB) []string {
	t.Helper()
	// The cursor of a scan may leave nothing out while nobody writes.
	var keys []string
	it := s.rdb.Scan(context.Background(), 0, s.prefix+"*", 1000).Iterator()
	for it.Next(context.Background()) {
		keys = append(keys, it.Val())
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// backends runs f over miniredis and over a real server.
func backends(t *testing.T, f func(t *testing.T, rdb *redis.Client)) {
	t.Run("miniredis", func(t *testing.T) { f(t, miniClient(t)) })
	t.Run("redis", func(t *testing.T) { f(t, redisserver.Shared(t).Client(t)) })
}

func miniClient(t testing.TB) *redis.Client {
	m := miniredis.RunT(t)
	// With very many tasks and the race detector its scripts take seconds.
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ReadTimeout: time.Minute})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func TestStore(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Harness {
			h := harness(t, miniClient(t))
			h.Emulated = true
			return h
		})
	})
	t.Run("redis", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Harness { return harness(t, redisserver.Shared(t).Client(t)) })
	})
}

func harness(t testing.TB, rdb *redis.Client) storetest.Harness { return newSite(t, rdb).harness(t) }

func (s *site) harness(t testing.TB) storetest.Harness {
	rdb := s.rdb
	ctx := context.Background()
	length := func(t testing.TB, key string) int {
		t.Helper()
		n, err := rdb.LLen(ctx, s.prefix+key).Result()
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	return storetest.Harness{
		Store: s.store,
		Peer:  s.open(t, rdb),
		Now:   s.now,
		Push: func(t testing.TB, entries ...string) {
			t.Helper()
			args := make([]any, len(entries))
			for i, e := range entries {
				args[i] = e
			}
			if err := rdb.RPush(ctx, s.prefix+"inbox", args...).Err(); err != nil {
				t.Fatal(err)
			}
		},
		Rejects: func(t testing.TB) []string {
			t.Helper()
			rejects, err := s.store.Rejected(ctx, 100_000)
			if err != nil {
				t.Fatal(err)
			}
			reasons := make([]string, len(rejects))
			for i, r := range rejects {
				reasons[len(rejects)-1-i] = r.Reason
			}
			return reasons
		},
		Markers: func(t testing.TB, queue string) int { return length(t, "wake:"+queue) },
		Rings:   func(t testing.TB, replica string) int { return length(t, "bell:"+replica) },
		Traces:  func(t testing.TB, id string) []string { return s.traces(t, id) },
		SetSequence: func(t testing.TB, n int64) {
			if err := rdb.HSet(ctx, s.prefix+"meta", "seq", n).Err(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// traces lists the keys, members and values that mention the id, outside the
// event stream and the records of calls, which are bounded and short-lived.
func (s *site) traces(t testing.TB, id string) []string {
	t.Helper()
	var found []string
	for key, v := range s.dump(t) {
		name := strings.TrimPrefix(key, s.prefix)
		if name == "events" || name == "inbox:rejected" || strings.HasPrefix(name, "call:") || strings.HasPrefix(name, "replica:") {
			continue
		}
		if name == "task:"+id || name == "history:"+id {
			found = append(found, name)
		}
		for m, v := range v {
			if m == id || strings.HasSuffix(m, " "+id) || v == id {
				found = append(found, name+" "+m)
			}
		}
	}
	return found
}

// dump reads every key of the pool: fields, members with scores, or elements by
// position. Streams are left out.
func (s *site) dump(t testing.TB) map[string]map[string]string {
	t.Helper()
	ctx := context.Background()
	keys := s.keys(t)
	p := s.rdb.Pipeline()
	types := make([]*redis.StatusCmd, len(keys))
	for i, k := range keys {
		types[i] = p.Type(ctx, k)
	}
	if len(keys) > 0 {
		if _, err := p.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	out := make(map[string]map[string]string, len(keys))
	p = s.rdb.Pipeline()
	var read []func()
	list := func(k string, vs []string) {
		for i, v := range vs {
			out[k][strconv.Itoa(i)] = v
		}
	}
	for i, k := range keys {
		out[k] = map[string]string{}
		switch types[i].Val() {
		case "hash":
			c := p.HGetAll(ctx, k)
			read = append(read, func() { out[k] = c.Val() })
		case "zset":
			c := p.ZRangeWithScores(ctx, k, 0, -1)
			read = append(read, func() {
				for _, z := range c.Val() {
					out[k][z.Member.(string)] = strconv.FormatFloat(z.Score, 'f', -1, 64)
				}
			})
		case "set":
			c := p.SMembers(ctx, k)
			read = append(read, func() {
				for _, m := range c.Val() {
					out[k][m] = ""
				}
			})
		case "list":
			c := p.LRange(ctx, k, 0, -1)
			read = append(read, func() { list(k, c.Val()) })
		case "string":
			c := p.Get(ctx, k)
			read = append(read, func() { list(k, []string{c.Val()}) })
		}
	}
	if len(read) > 0 {
		if _, err := p.Exec(ctx); err != nil && err != redis.Nil {
			t.Fatal(err)
		}
	}
	for _, f := range read {
		f()
	}
	return out
}
