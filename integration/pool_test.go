package integration

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// patience bounds every wait for an event that must happen and normally takes
// far less.
const patience = 2 * time.Minute

// prompt bounds what normally takes milliseconds. It leaves room for a busy
// machine. It is half of the slow poll's ten seconds, so that the test fails if
// only the slow poll caused the start.
const prompt = 5 * time.Second

// slack is the factor by which bounds allow for a busy machine: they add slack
// times the measured duration of a start, or the like, to the time that the
// rule allows.
const slack = 20

// site is one pool on a redis-server, with everything that a test starts in it.
type site struct {
	t      testing.TB
	name   string
	server *redisserver.Server
	rdb    *redis.Client
	dial   func() redis.UniversalClient // for a pool that is on more than one server
	opts   []redisstore.Option
}

// newSite returns a pool of the shared server whose name no other test, and no
// other run of this test, uses.
func newSite(t testing.TB) *site {
	t.Helper()
	s := siteOn(t, redisserver.Shared(t))
	// Remaining keys would slow every SCAN of later tests.
	t.Cleanup(s.clear)
	return s
}

// clear removes the keys of the pool.
func (s *site) clear() {
	ctx := context.Background()
	for cursor := uint64(0); ; {
		keys, next, err := s.rdb.Scan(ctx, cursor, s.key("*"), 1000).Result()
		if err == nil && len(keys) > 0 {
			err = s.rdb.Unlink(ctx, keys...).Err()
		}
		if err != nil {
			s.t.Error(err)
			return
		}
		if cursor = next; cursor == 0 {
			return
		}
	}
}

// siteOn is newSite for a server that the test may stop.
func siteOn(t testing.TB, server *redisserver.Server) *site {
	t.Helper()
	return &site{t: t, name: poolName(t), server: server, rdb: server.Client(t)}
}

func poolName(t testing.TB) string {
	name := strings.NewReplacer("/", ".", "#", ".").Replace(t.Name())
	return name + "." + strconv.FormatUint(uint64(rand.Uint32()), 36)
}

func (s *site) key(name string) string { return "lts:{" + s.name + "}:" + name }

// store opens the pool with its own connections, as another program does.
func (s *site) store() *redisstore.Store {
	var rdb redis.UniversalClient
	if s.dial != nil {
		rdb = s.dial()
	} else {
		rdb = s.server.Client(s.t)
	}
	st := redisstore.New(rdb, s.name, s.opts...)
	s.t.Cleanup(func() { _ = st.Close() })
	return st
}

// pool makes a pool with its own connections: one replica, or one client.
func (s *site) pool(cfg pool.Config) *pool.Pool {
	s.t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p, err := pool.New(s.store(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// client returns a pool that only enqueues, reads and operates.
func (s *site) client() *pool.Pool { return s.pool(pool.Config{}) }

// slots returns a Config with n slots in the default queue.
func slots(n int) pool.Config {
	return pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: n}}}
}

// serve runs the pool until the test ends or stop is called. stop drains the
// pool and returns the result of Run.
func (s *site) serve(p *pool.Pool) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Run does not return")
		}
	})
	s.t.Cleanup(func() {
		_ = closePool(s.t, p) // stop returns the same
		if err := stop(); err != nil {
			s.t.Error("Run: ", err)
		}
	})
	return stop
}

// closePool calls Close. If Close does not return, the test fails and prints the goroutines.
func closePool(t testing.TB, p *pool.Pool) error {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(patience):
		_, dump := goroutines()
		t.Fatalf("Close does not return within %v:\n%s", patience, dump)
		panic("unreachable")
	}
}

// replicas serves n pools that handle kind, and waits until they are listed.
func (s *site) replicas(n int, cfg pool.Config, kind string, h pool.Handler) []*pool.Pool {
	s.t.Helper()
	ps := make([]*pool.Pool, n)
	for i := range ps {
		ps[i] = s.pool(cfg)
		ps[i].HandleKind(kind, h)
		s.serve(ps[i])
	}
	s.awaitReplicas(n)
	return ps
}

func (s *site) awaitReplicas(n int) {
	s.t.Helper()
	c := s.client()
	eventually(s.t, patience, strconv.Itoa(n)+" live replicas", func() bool {
		live, err := c.Replicas(context.Background())
		return err == nil && len(live) >= n
	})
}

// awaitIdle waits until n replicas, which are all of one class, have claimed and found no task.
func (s *site) awaitIdle(n int64) {
	s.t.Helper()
	eventually(s.t, patience, strconv.FormatInt(n, 10)+" idle replicas", func() bool {
		idle := s.rdb.Keys(context.Background(), s.key("idle:*")).Val()
		return len(idle) == 1 && s.rdb.ZCard(context.Background(), idle[0]).Val() == n
	})
}

// enqueue makes a task of spec and returns its id.
func enqueue(t testing.TB, p *pool.Pool, spec pool.Spec) string {
	t.Helper()
	r, err := p.EnqueueSpec(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func enqueueAll(t testing.TB, p *pool.Pool, specs []pool.Spec) []pool.Receipt {
	t.Helper()
	rs, err := p.EnqueueAll(context.Background(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func get(t testing.TB, p *pool.Pool, id string) *task.Task {
	t.Helper()
	task, err := p.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// await waits for the end of a task.
func await(t testing.TB, p *pool.Pool, id string) *task.Task {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	task, err := p.WaitTask(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func stats(t testing.TB, p *pool.Pool) pool.Stats {
	t.Helper()
	s, err := p.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// idle waits until no task is live.
func idle(t testing.TB, p *pool.Pool) pool.Stats {
	t.Helper()
	var s pool.Stats
	eventually(t, patience, "an idle pool", func() bool {
		s = stats(t, p)
		return s.Scheduled+s.Waiting+s.Running+s.Inbox == 0
	})
	return s
}

// eventually polls a condition until it holds.
func eventually(t testing.TB, within time.Duration, what string, cond func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for late := time.Now().Add(within); !cond(); <-again.C {
		if time.Now().After(late) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// receive takes the next value of a channel.
func receive[T any](t testing.TB, from <-chan T, within time.Duration, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(within):
		t.Fatalf("not within %v: %s", within, what)
		panic("unreachable")
	}
}

// send gives a value to a goroutine that takes the next value of a channel.
func send[T any](t testing.TB, to chan<- T, v T, what string) {
	t.Helper()
	select {
	case to <- v:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// percentile returns the p-th percentile of ds, which it sorts.
func percentile(ds []time.Duration, p int) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[min(len(ds)*p/100, len(ds)-1)]
}
