package metrics_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

var soak = flag.Bool("soak", false, "run 100,000 tasks and 1,000 replicas, as in make soak")

// patience bounds every wait of these tests. No wait takes nearly as long.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// pools numbers the pools of the tests, which share one server.
var pools atomic.Int64

// site is one pool.
type site struct {
	t    testing.TB
	name string
}

func newSite(t testing.TB) *site { return &site{t, fmt.Sprint("m", os.Getpid(), "-", pools.Add(1))} }

func (s *site) store() *redisstore.Store {
	store := redisstore.New(redisserver.Shared(s.t).Client(s.t), s.name)
	s.t.Cleanup(func() { store.Close() })
	return store
}

func (s *site) pool(cfg pool.Config) *pool.Pool {
	s.t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := pool.New(s.store(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// client returns a pool without queues, whose calls no test counts.
func (s *site) client() *pool.Pool {
	s.t.Helper()
	return s.pool(pool.Config{})
}

// serve runs a pool until the test ends or stop is called.
func (s *site) serve(p *pool.Pool) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	select {
	case <-p.Joined():
	case err := <-done:
		s.t.Fatal(err)
	case <-time.After(patience):
		s.t.Fatal("the replica has not joined")
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

func (s *site) enqueue(p *pool.Pool, specs ...pool.Spec) {
	s.t.Helper()
	receipts, err := p.EnqueueAll(s.t.Context(), specs)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Err != nil {
			s.t.Fatal(r.Err)
		}
	}
}

// fireOnce sets a trigger that fires once, soon. On a busy machine the time may have passed when the
// trigger is set: then a later time is tried.
func (s *site) fireOnce(p *pool.Pool, spec pool.Spec) {
	s.t.Helper()
	var err error
	for in := 100 * time.Millisecond; in < patience; in *= 2 {
		if err = p.Triggers().Set(s.t.Context(), pool.Trigger{Name: "once", At: time.Now().Add(in), Task: spec}); err == nil {
			return
		}
	}
	s.t.Fatal(err)
}

// fresh makes every scrape read the state of the pool.
var fresh = metrics.Options{MaxAge: time.Nanosecond}

// series are the values of a scrape by name and labels without the pool, such as `x_total{queue="q"}`.
type series map[string]float64

var poolLabel = regexp.MustCompile(`pool="[^"]*",?`)

// get requests a path of a handler.
func get(t testing.TB, h http.Handler, target string) (body string, code int) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), w.Code
}

// scrape reads the series of a handler that begin with ltsworker_.
func scrape(t testing.TB, h http.Handler) series {
	t.Helper()
	body, code := get(t, h, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("a scrape is answered with %d: %s", code, body)
	}
	got := series{}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "ltsworker_") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(poolLabel.ReplaceAllString(line[:at], ""), "{}")
		got[strings.Replace(name, ",}", "}", 1)] = v
	}
	return got
}

// want compares some series.
func (got series) want(t testing.TB, want series) {
	t.Helper()
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			t.Errorf("%s is %v (exported: %v), want %v", name, g, ok, v)
		}
	}
	if t.Failed() {
		for _, name := range got.names() {
			if !strings.Contains(name, "_bucket") {
				t.Log(name, got[name])
			}
		}
	}
}

// await scrapes until the series have these values, and returns the last scrape.
func await(t testing.TB, h http.Handler, want series) (got series) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		got = scrape(t, h)
		met := true
		for name, v := range want {
			g, ok := got[name]
			met = met && ok && g == v
		}
		if met {
			return got
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	got.want(t, want)
	return got
}

func (got series) names() (names []string) {
	for name := range got {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
