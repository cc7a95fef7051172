package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// pools numbers the pools of the tests, which share one server.
var pools atomic.Int64

// site is one pool in one Redis, with direct access to its keys.
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
	// Remaining keys would slow down every SCAN of the tests that follow.
	t.Cleanup(s.clear)
	return s
}

// clear removes the keys of the pool. It is best effort: the server may be gone.
func (s *site) clear() {
	ctx := context.Background()
	for cursor := uint64(0); ; {
		keys, next, err := s.rdb.Scan(ctx, cursor, s.prefix+"*", 1000).Result()
		if err != nil || len(keys) > 0 && s.rdb.Unlink(ctx, keys...).Err() != nil || next == 0 {
			return
		}
		cursor = next
	}
}

// open returns a store of the pool for another client.
func (s *site) open(t testing.TB, rdb *redis.Client) *redisstore.Store {
	st := redisstore.New(rdb, s.pool)
	t.Cleanup(func() { st.Close() })
	return st
}

// join puts replicas on the list. A replica may not claim before it has joined.
func (s *site) join(t testing.TB, replicas ...string) {
	t.Helper()
	for _, r := range replicas {
		if _, err := s.store.Join(context.Background(), task.Registration{Replica: r, Lease: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
}

// enqueue makes tasks. Their kind is "k" if the spec has none.
func (s *site) enqueue(t testing.TB, specs ...task.Spec) []task.Receipt {
	t.Helper()
	for i := range specs {
		if specs[i].Kind == "" {
			specs[i].Kind = "k"
		}
	}
	receipts, err := s.store.Enqueue(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

// claimOf returns an exchange that claims n tasks of a queue for replica "r" in sequence 1.
func claimOf(call int64, queue string, n int) task.Exchange {
	return task.Exchange{Replica: "r", Sequence: 1, Call: call, Lease: time.Minute, Grace: time.Second, Claims: []task.Claim{{Queue: queue, N: n}}}
}

// reportsOf returns an exchange that reports for replica "r" in sequence 2.
func reportsOf(call int64, reports ...task.Report) task.Exchange {
	return task.Exchange{Replica: "r", Sequence: 2, Call: call, Lease: time.Minute, Grace: time.Second, Reports: reports}
}

// reportOn returns a report that ends an attempt.
func reportOn(t *task.Task, op task.Op) task.Report {
	r := task.Report{ID: t.ID, Queue: t.Queue, Fence: t.Fence, Last: true, Op: op, Code: task.CodeOK}
	switch op {
	case task.Fail:
		r.Code = task.CodeError
	case task.Release:
		r.Code = task.CodeReleased
	}
	return r
}

// heldBy returns the claims of the tasks in the form of a renewal.
func heldBy(tasks ...*task.Task) []task.HeldClaim {
	var held []task.HeldClaim
	for _, t := range tasks {
		if n := len(held); n > 0 && held[n-1].Fence == t.Fence {
			held[n-1].Held++
			continue
		}
		held = append(held, task.HeldClaim{Fence: t.Fence, Held: 1, Left: time.Hour})
	}
	return held
}

// tasksOf returns all tasks of an answer.
func tasksOf(got task.Exchanged) []*task.Task {
	var all []*task.Task
	for _, c := range got.Claimed {
		all = append(all, c.Tasks...)
	}
	return all
}

// rewrite replaces a part of a task's record directly, without the pool's scripts.
func (s *site) rewrite(t testing.TB, id, old, new string) {
	t.Helper()
	key := s.prefix + "task:" + id
	record := s.rdb.Get(context.Background(), key).Val()
	if !strings.Contains(record, old) {
		t.Fatalf("the record of %s has no %q: %q", id, old, record)
	}
	if err := s.rdb.Set(context.Background(), key, strings.Replace(record, old, new, 1), 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func (s *site) now(t testing.TB) time.Time {
	t.Helper()
	now, err := s.rdb.Time(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(now.UnixMilli()) // the time that the scripts read
}

// keys lists every key of the pool.
func (s *site) keys(t testing.TB) []string {
	t.Helper()
	// A SCAN returns every key that exists for its whole duration.
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

// dump reads every key of the pool: fields, members with scores, or elements by position. It leaves
// out streams.
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
