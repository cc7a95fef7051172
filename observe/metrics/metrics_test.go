package metrics_test

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestWhatAProcessDoesIsCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	closed := make(chan struct{})
	var refuse atomic.Bool
	p := s.pool(pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 4}}, Admit: func(context.Context) error {
		if refuse.Load() {
			return errors.New("full")
		}
		return nil
	}})
	c := metrics.NewCollector(p, fresh)
	h := c.Handler()
	p.HandleKind("ok", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	p.HandleKind("bad", func(context.Context, *task.Task) ([]byte, error) { return nil, errors.New("boom") })
	p.HandleKind("wait", func(context.Context, *task.Task) ([]byte, error) { <-closed; return nil, nil })
	s.serve(p)
	s.fireOnce(p, pool.Spec{Kind: "ok", Queue: "q"})
	s.enqueue(s.client(), pool.Spec{Kind: "ok", Queue: "q"}, pool.Spec{Kind: "bad", Queue: "q", MaxAttempts: 1}, pool.Spec{Kind: "wait", Queue: "q"})
	eventually(t, "the tasks", func() bool {
		got := scrape(t, h)
		return got[`ltsworker_attempts_ended_total{code="ok",kind="ok",queue="q"}`] == 2 &&
			got[`ltsworker_attempts_ended_total{code="error",kind="bad",queue="q"}`] == 1 && got[`ltsworker_attempts_started_total{kind="wait",queue="q"}`] == 1
	})
	refuse.Store(true)
	// A counter may follow what it counts: that of firings, for example, the end of the task.
	got := await(t, h, series{
		`ltsworker_replica_refusing`:                                          1,
		`ltsworker_attempts_started_total{kind="ok",queue="q"}`:               2,
		`ltsworker_attempts_started_total{kind="wait",queue="q"}`:             1,
		`ltsworker_attempts_ended_total{code="ok",kind="wait",queue="q"}`:     0,
		`ltsworker_attempt_wait_seconds_count{kind="ok",queue="q"}`:           2,
		`ltsworker_attempt_run_seconds_count{kind="ok",queue="q"}`:            2,
		`ltsworker_attempt_run_seconds_count{kind="wait",queue="q"}`:          0,
		`ltsworker_attempt_run_seconds_bucket{kind="ok",queue="q",le="+Inf"}`: 2,
		`ltsworker_trigger_late_seconds_count{kind="ok",queue="q"}`:           1,
		`ltsworker_trigger_firings_total{outcome="enqueued"}`:                 1,
		`ltsworker_metrics_overflow_total`:                                    0,
		`ltsworker_replica_slots`:                                             4,
		`ltsworker_replica_running`:                                           1,
		`ltsworker_replica_stuck`:                                             0,
		`ltsworker_replica_joined`:                                            1,
		`ltsworker_replica_draining`:                                          0,
		`ltsworker_replica_failing_seconds`:                                   0,
		`ltsworker_replica_dropped_outcomes_total`:                            0,
		`ltsworker_pool_up`:                                                   1,
		`ltsworker_pool_replicas`:                                             1,
		`ltsworker_pool_tasks_enqueued_total`:                                 4,
		`ltsworker_pool_tasks_ended_total{state="succeeded"}`:                 2,
		`ltsworker_pool_tasks_ended_total{state="failed"}`:                    1,
		`ltsworker_pool_tasks_kept{state="failed"}`:                           1,
		`ltsworker_pool_overdue_triggers`:                                     0,
	})
	if got["ltsworker_replica_refusals_total"] < 1 || got[`ltsworker_script_seconds_count{script="exchange"}`] < 1 ||
		got[`ltsworker_script_seconds_count{script="join"}`] != 1 {
		t.Errorf("refusals or script calls are missing: %v", got.names())
	}
	close(closed)
}

// The state of the pool: what waits, what holds it back, and how far subscriptions are behind.
func TestStateOfThePoolIsExported(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.client()
	ctx := t.Context()
	for name, n := range map[string]int{"full": 1, "capped": 0} {
		if err := p.SetLimit(ctx, pool.QueueScope, name, n); err != nil {
			t.Fatal(err)
		}
	}
	subscribed := make(chan struct{})
	life, end := context.WithCancel(ctx)
	go func() {
		defer close(subscribed)
		if err := p.Subscribe(life, "billing", func(context.Context, pool.Event) error { return nil }); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "the subscription", func() bool {
		lags, err := p.SubscriptionLags(ctx)
		_, exists := lags["billing"]
		return err == nil && exists
	})
	end()
	<-subscribed
	s.enqueue(p, pool.Spec{Kind: "k", Queue: "plain"}, pool.Spec{Kind: "k", Queue: "plain"}, pool.Spec{Kind: "k", Queue: "held"},
		pool.Spec{Kind: "k", Queue: "plain", Delay: time.Hour}, pool.Spec{Kind: "k", Queue: "plain", Hold: true})
	if err := p.Pause(ctx, "held"); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, metrics.NewCollector(p, fresh).Handler())
	got.want(t, series{
		`ltsworker_pool_scheduled_tasks`:                                2,
		`ltsworker_pool_hold_tasks`:                                     1,
		`ltsworker_pool_replicas`:                                       0,
		`ltsworker_queue_waiting_tasks{queue="plain"}`:                  2,
		`ltsworker_queue_running_tasks{queue="plain"}`:                  0,
		`ltsworker_queue_limit_tasks{queue="full"}`:                     1,
		`ltsworker_queue_blocked{queue="plain",reason="paused"}`:        0,
		`ltsworker_queue_blocked{queue="held",reason="paused"}`:         1,
		`ltsworker_queue_blocked{queue="held",reason="rate"}`:           0,
		`ltsworker_subscription_unread_events{subscription="billing"}`:  5,
		`ltsworker_subscription_pending_events{subscription="billing"}`: 0,
		`ltsworker_pool_other_queues`:                                   0,
	})
	for name := range got {
		if strings.HasPrefix(name, "ltsworker_replica_") || name == `ltsworker_queue_limit_tasks{queue="plain"}` {
			t.Errorf("a pool without queues and without a limit exports %s", name)
		}
	}
	if got[`ltsworker_queue_oldest_wait_seconds{queue="plain"}`] <= 0 || got[`ltsworker_pool_read_seconds`] <= 0 {
		t.Error("a time is 0")
	}
	without := scrape(t, metrics.NewCollector(s.client(), metrics.Options{WithoutPool: true}).Handler())
	for name := range without {
		if strings.HasPrefix(name, "ltsworker_pool_") || strings.HasPrefix(name, "ltsworker_queue_") {
			t.Errorf("WithoutPool exports %s", name)
		}
	}
}

// Scrapes at once, and requests of autoscalers, share one reading.
func TestScrapesShareOneReading(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	store := s.store()
	var reads atomic.Int64
	store.Observe(func(script string, _ time.Duration, _ error) {
		if script == "stats" {
			reads.Add(1)
		}
	})
	p, err := pool.New(store, pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := metrics.NewCollector(p, metrics.Options{MaxAge: time.Hour})
	h, scale := c.Handler(), c.Scale()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { scrape(t, h); get(t, scale, "/scale") })
	}
	all.Wait()
	if n := reads.Load(); n != 1 {
		t.Errorf("20 scrapes have read the state %d times", n)
	}
}

// While Redis does not answer, a scrape still has what the process did.
func TestScrapeWithoutRedisHasTheProcess(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	p, err := pool.New(redisstore.New(server.Client(t), "p"), pool.Config{Queues: map[string]pool.Queue{"q": {}}})
	if err != nil {
		t.Fatal(err)
	}
	c := metrics.NewCollector(p, metrics.Options{MaxAge: time.Nanosecond, Timeout: 10 * time.Second})
	if got := scrape(t, c.Handler()); got["ltsworker_pool_up"] != 1 {
		t.Fatalf("%v", got)
	}
	server.Kill(t)
	got := scrape(t, c.Handler())
	got.want(t, series{"ltsworker_pool_up": 0, "ltsworker_replica_joined": 0})
	if _, ok := got["ltsworker_pool_replicas"]; ok {
		t.Error("the state of the pool is exported although it could not be read")
	}
	if body, code := get(t, c.Scale(), "/scale"); code != http.StatusServiceUnavailable || strings.Contains(body, "127.0.0.1") {
		t.Errorf("an autoscaler gets %d %s", code, body)
	}
}

// Two pools in one process have a collector each, in one registry.
func TestTwoPoolsShareARegistry(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	for range 2 {
		r.MustRegister(metrics.NewCollector(newSite(t).pool(pool.Config{Queues: map[string]pool.Queue{"q": {}}}), metrics.Options{}))
	}
	got, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got {
		if f.GetName() == "ltsworker_pool_up" && len(f.GetMetric()) != 2 {
			t.Errorf("%d series of %s", len(f.GetMetric()), f.GetName())
		}
	}
}

func TestProgramsWithoutTheImportAreBuiltWithoutPrometheus(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	out, err := exec.Command("go", "list", "-deps", module+"pool", module+"redisstore", module+"callback", module+"archive").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if strings.HasPrefix(path, "github.com/prometheus/") || path == module+"metrics" {
			t.Errorf("a program that embeds a pool is built with %s", path)
		}
	}
}
