package pooltest

import (
	"log/slog"
	"maps"
	"sync/atomic"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// Pool is a pool whose tasks are kept in memory. Use the embedded pool for everything
// that is not specific to tests: pool.Handle(p.Pool, fn), p.Enqueue, p.Get.
//
// Its methods are safe for concurrent use, except those that may end the test: like
// t.FailNow they must be called by the goroutine of the test.
type Pool struct {
	*pool.Pool
	cfg   pool.Config
	store *store
	clock *clock

	started atomic.Bool // started and not yet stopped
}

// New makes a pool with a Redis of its own, which ends with the test. An invalid cfg
// fails the test. Three defaults differ from pool.New: without queues it serves
// pool.DefaultQueue; Workers, and the concurrency of a handler that sets one, is 1, so that
// tasks run one after the other, in order; and it logs to the test's log. The limits in cfg apply at once.
func New(t testing.TB, cfg pool.Config) *Pool {
	t.Helper()
	cfg.Queues = maps.Clone(cfg.Queues)
	if len(cfg.Queues) == 0 {
		cfg.Queues = map[string]pool.Queue{pool.DefaultQueue: {}}
	}
	for name, q := range cfg.Queues {
		if q.Workers == 0 && q.Slots == "" {
			q.Workers = 1
			cfg.Queues[name] = q
		}
	}
	cfg.Slots = maps.Clone(cfg.Slots)
	for name, s := range cfg.Slots {
		s.Workers = max(s.Workers, 1)
		cfg.Slots[name] = s
	}
	cfg.Handlers = maps.Clone(cfg.Handlers)
	for kind, h := range cfg.Handlers {
		h.Concurrency = min(h.Concurrency, 1)
		cfg.Handlers[kind] = h
	}
	if cfg.Logger == nil {
		cfg.Logger = logger(t)
	}

	rdb, clk := newRedis(t)
	inner := redisstore.New(rdb, "test")
	t.Cleanup(func() { inner.Close() })
	p := &Pool{cfg: cfg, clock: clk, store: &store{Store: inner, policies: cfg.Policies, exports: cfg.Exports, running: map[task.Attempt]*task.Task{}}}
	var err error
	if p.Pool, err = pool.New(p.store, cfg); err != nil {
		t.Fatalf("pooltest: %v", err)
	}
	t.Cleanup(func() { _ = p.Pool.Close() })
	p.publish(t)
	return p
}

// publish applies the limits of the config before the first replica joins, and makes
// OnFinish get the events from here on.
func (p *Pool) publish(t testing.TB) {
	t.Helper()
	const name = "pooltest"
	_, err := p.store.Join(t.Context(), task.Registration{
		Replica: name, Lease: worker.DefaultLease, Queues: p.cfg.Queues,
		Limit:    p.cfg.Limit,
		Groups:   p.cfg.Groups,
		MaxEvent: p.cfg.MaxEvents, EventAge: p.cfg.EventAge,
	})
	if err == nil {
		err = p.store.Leave(t.Context(), name)
	}
	if err == nil && p.cfg.OnFinish != nil {
		_, err = p.readFinishes(t.Context())
	}
	if err != nil {
		t.Fatalf("pooltest: %v", err)
	}
}

// Store returns the store of the pool. A second pool on it, made with pool.New, has the
// same tasks, as another process would. Its enqueues are in Enqueued, too.
func (p *Pool) Store() pool.Store { return p.store }

// logger returns a logger to the test's log, without times.
func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
