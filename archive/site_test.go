package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// patience bounds every wait of these tests. No wait takes nearly as long.
const patience = 60 * time.Second

// site is a pool with a replica on a server of its own.
type site struct {
	t      *testing.T
	server *redisserver.Server
	rdb    *redis.Client
	store  *redisstore.Store
	pool   string
	p      *pool.Pool
	n      int
	held   chan struct{} // closed to let the tasks of kind "held" succeed
}

func newSite(t *testing.T, opts ...func(*pool.Config)) *site {
	t.Helper()
	s := &site{t: t, server: redisserver.Start(t, redisserver.AOF()), pool: "p", held: make(chan struct{})}
	s.rdb = s.server.Client(t)
	s.store = redisstore.New(s.rdb, s.pool)
	c := pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 4}}, Logger: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(&c)
	}
	var err error
	if s.p, err = pool.New(s.store, c); err != nil {
		t.Fatal(err)
	}
	s.p.HandleKind("ok", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	s.p.HandleKind("result", func(_ context.Context, t *task.Task) ([]byte, error) {
		return []byte(`"` + strings.Repeat("r", 5000) + `"`), t.SetMeta("by", "a test")
	})
	s.p.HandleKind("fail", func(_ context.Context, t *task.Task) ([]byte, error) {
		t.Logf("attempt %d", t.Attempt)
		return nil, fmt.Errorf("boom at %d", t.Attempt)
	})
	s.p.HandleKind("bad", func(context.Context, *task.Task) ([]byte, error) {
		return nil, pool.Permanent(errors.New("no such account"))
	})
	s.p.HandleKind("held", func(context.Context, *task.Task) ([]byte, error) { <-s.held; return nil, nil })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		s.p.Close()
	})
	return s
}

// enqueue enqueues a task and returns its id.
func (s *site) enqueue(spec task.Spec) string {
	s.t.Helper()
	r, err := s.p.EnqueueSpec(s.t.Context(), spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.ID
}

// work runs n tasks of all kinds to their end.
func (s *site) work(n int) {
	s.t.Helper()
	var ids []string
	for range n {
		s.n++
		spec := task.Spec{ID: fmt.Sprint("t", s.n), Payload: fmt.Appendf(nil, `{"n":%d}`, s.n), Headers: map[string]string{"trace": fmt.Sprint(s.n)}}
		switch s.n % 5 {
		case 0:
			spec.Kind, spec.Headers = "ok", nil
		case 1:
			spec.Kind = "result"
		case 2:
			spec.Kind, spec.MaxAttempts, spec.Backoff = "fail", 2, task.Backoff{Fixed: true, Base: time.Millisecond}
		case 3:
			spec.Kind, spec.Group = "bad", "acme"
		case 4:
			spec.Kind, spec.Delay = "ok", time.Hour
		}
		ids = append(ids, s.enqueue(spec))
		if s.n%5 == 4 {
			if _, err := s.store.Stop(s.t.Context(), "not needed", spec.ID); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.await(ids...)
}

// await waits until tasks have ended.
func (s *site) await(ids ...string) {
	s.t.Helper()
	eventually(s.t, func() error {
		tasks, err := s.store.Get(s.t.Context(), ids...)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			if t != nil && !t.State.Terminal() {
				return fmt.Errorf("task %s is %s", t.ID, t.State)
			}
		}
		return nil
	})
}

// archiver runs an archiver until stop is called.
func (s *site) archiver(db *DB, c Config, opts ...func(*Archiver)) (stop func()) {
	s.t.Helper()
	if c.Pool = s.pool; c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := New(db, s.store, c)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range opts {
		o(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// archiveAll runs an archiver until it has read all events and reconciled all gaps.
func (s *site) archiveAll(db *DB) {
	s.t.Helper()
	stop := s.archiver(db, Config{})
	s.caughtUp(db)
	stop()
}

// caughtUp waits until the archive has all events and no gap that is not reconciled.
func (s *site) caughtUp(db *DB) {
	s.t.Helper()
	eventually(s.t, func() error {
		last, err := s.store.LastEvent(s.t.Context())
		if err != nil {
			return err
		}
		stats, err := db.Stats(s.t.Context(), s.pool, time.Time{})
		if err != nil {
			return err
		}
		if stats.Cursor != last {
			return fmt.Errorf("the archive is at %q, the pool at %q", stats.Cursor, last)
		}
		for _, g := range stats.Gaps {
			if g.Reconciled.IsZero() {
				return fmt.Errorf("a gap is not reconciled: %+v", g)
			}
		}
		return nil
	})
}

// eventually waits until a check succeeds. It polls: the state is that of databases, Redis and
// other processes.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // polls other processes
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
}

// lines is a log that is safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}
