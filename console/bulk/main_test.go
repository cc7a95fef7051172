package bulk_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

var soak = flag.Bool("soak", false, "change a million tasks and not 20,000, as in make soak")

// consoleOf has the address of a server and a pool: the process then is a console of that pool.
const consoleOf = "LTS_TEST_CONSOLE"

func TestMain(m *testing.M) {
	if addr, name, ok := strings.Cut(os.Getenv(consoleOf), " "); ok {
		store := redisstore.New(redis.NewClient(&redis.Options{Addr: addr}), name)
		bulk.New(store, bulk.Options{Select: byKind})
		select {} // until it is killed
	}
	os.Exit(redisserver.Main(m))
}

// byKind reads a query that is the name of a kind.
func byKind(query string, _ task.State, _ time.Time) (task.PageQuery, error) {
	if task.CheckName(query) != nil {
		return task.PageQuery{}, &task.FieldError{Field: "kind", Msg: "is no name"}
	}
	return task.PageQuery{Kinds: []string{query}}, nil
}

// patient is how long a test waits for something that happens.
const patient = 20 * time.Minute

var pools atomic.Int64

// site is a pool.
type site struct {
	t     *testing.T
	rdb   *redis.Client
	name  string
	store *redisstore.Store
	pool  *pool.Pool
	m     *bulk.Manager // nil before console
}

func newSite(t *testing.T, server *redisserver.Server) *site {
	t.Helper()
	s := &site{t: t, rdb: server.Client(t), name: fmt.Sprint("bulk", pools.Add(1))}
	s.store = redisstore.New(s.rdb, s.name)
	t.Cleanup(func() { s.store.Close() })
	var err error
	if s.pool, err = pool.New(s.store, pool.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.pool.Close() })
	return s
}

// console adds a console of the pool.
func (s *site) console() *bulk.Manager {
	m := bulk.New(s.store, bulk.Options{Select: byKind})
	s.t.Cleanup(m.Close)
	s.m = m
	return m
}

func (s *site) key(name string) string { return "lts:{" + s.name + "}:" + name }

// make makes n tasks of a kind, in batches.
func (s *site) make(n int, spec task.Spec) {
	s.t.Helper()
	for n > 0 {
		specs := make([]task.Spec, min(n, 1000))
		for i := range specs {
			specs[i] = spec
		}
		n -= len(specs)
		if _, err := s.store.Enqueue(s.t.Context(), specs); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) ask(o bulk.Order) *bulk.Job {
	s.t.Helper()
	if o.User == "" {
		o.User, o.Method = "ann", "password"
	}
	j, err := s.m.Ask(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// until waits until a job is as ok says.
func (s *site) until(id string, what string, ok func(*bulk.Job) bool) *bulk.Job {
	s.t.Helper()
	late := time.Now().Add(patient)
	for {
		j, err := s.m.Get(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		if ok(j) {
			return j
		}
		if j.Phase.Ended() || time.Now().After(late) {
			s.t.Fatalf("the job is not %s: %+v", what, j)
		}
		time.Sleep(5 * time.Millisecond) // it is written by another goroutine or process
	}
}

func (s *site) reached(id string, p bulk.Phase) *bulk.Job {
	s.t.Helper()
	return s.until(id, string(p), func(j *bulk.Job) bool { return j.Phase == p })
}

func (s *site) confirm(id string, count int) {
	s.t.Helper()
	if _, err := s.m.Confirm(s.t.Context(), id, bulk.Confirmation{Count: count, Reason: "a test", User: "bob", Method: "oidc"}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) stats() task.Stats {
	s.t.Helper()
	stats, err := s.store.Stats(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return stats
}

// audit returns the audit stream, oldest first.
func (s *site) audit() (entries []task.AuditEntry) {
	s.t.Helper()
	all, err := s.store.AuditLog(context.WithoutCancel(s.t.Context()), "", 100, false)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		entries = append(entries, all[i])
	}
	return entries
}

// changes returns the audit stream without the requests to count.
func (s *site) changes() []task.AuditEntry {
	s.t.Helper()
	return slices.DeleteFunc(s.audit(), func(e task.AuditEntry) bool { return e.Action == "bulk/count" })
}
