// Package metrics exports what a pool and a replica do to Prometheus.
//
//	p, err := pool.New(store, pool.Config{…})
//	http.Handle("/metrics", metrics.Handler(p)) // before Run
//	err = p.Run(ctx)
//
// A program with a registry of its own registers NewCollector. Package pool does not import this
// package, so a program that does not use it does not link Prometheus.
//
// There are two sources. What this process does (attempts, triggers, script calls, slots) is
// counted as it happens; a query adds the series of the processes up. The state of the pool
// (waiting tasks, limits, totals) is read from the store during a scrape. Every process exports
// the same state under the same labels, so a query takes the maximum:
//
//	max by (pool, queue) (ltsworker_queue_waiting_tasks)
//
// The labels are pool, queue, kind, code, state, reason, outcome, script and subscription. No label
// has an id, the name of a group or a replica. Options bounds the queues and kinds.
package metrics

import (
	"cmp"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ltsworker/ltsworker/pool"
)

// Options configures a Collector. The zero value is usable.
type Options struct {
	// Pool is the value of the label pool. Default: the name of the pool.
	Pool string
	// WithoutPool leaves the state of the pool out, so that a scrape makes no call to the
	// store. It is for pools with many replicas, of which a few export the state.
	WithoutPool bool
	// MaxQueues bounds the queues that have series for their state: the first ones by name. The
	// others are added up as the queue "other". It bounds the subscriptions in the same way.
	// Default: 1000.
	MaxQueues int
	// MaxKinds bounds the pairs of a queue and a kind that have series for their attempts: the
	// first ones that this process runs. The others are added up as the queue and the kind
	// "other". Default: 200.
	MaxKinds int
	// MaxAge is the greatest age of a state of the pool that a scrape reuses. Default: 2 s.
	MaxAge time.Duration
	// Timeout bounds the calls that read the state of the pool during a scrape. Default: 4 s.
	Timeout time.Duration
}

// other is the label of the queues and kinds beyond a bound.
const other = "other"

// Collector is a prometheus.Collector for one pool in this process. It is safe for concurrent use.
type Collector struct {
	pool     *pool.Pool
	opts     Options
	attempts *attempts
	replica  []gauge[pool.Health]
	state    *state
}

// NewCollector returns a collector that observes the pool from now on. It panics after
// pool.Pool.Run was called. A pool without queues has no series of a replica.
func NewCollector(p *pool.Pool, o Options) *Collector {
	o.Pool = cmp.Or(o.Pool, p.Name())
	o.MaxQueues = cmp.Or(o.MaxQueues, 1000)
	o.MaxKinds = cmp.Or(o.MaxKinds, 200)
	o.MaxAge = cmp.Or(o.MaxAge, 2*time.Second)
	o.Timeout = cmp.Or(o.Timeout, 4*time.Second)
	labels := prometheus.Labels{"pool": o.Pool}
	c := &Collector{pool: p, opts: o, attempts: newAttempts(labels, o.MaxKinds), state: newState(p, labels, o)}
	if p.Joined() != nil {
		c.replica = replicaGauges(labels)
	}
	p.Observe(c.attempts)
	return c
}

// Handler returns a handler for /metrics with the metrics of the pool, of the Go runtime and of
// the process, by a new Collector with the default Options.
func Handler(p *pool.Pool) http.Handler { return NewCollector(p, Options{}).Handler() }

// Handler returns a handler for /metrics with the metrics of the collector, of the Go runtime, of
// the process, and of more. A scrape succeeds also if the state of the pool cannot be read: ltsworker_pool_up
// is 0 then.
func (c *Collector) Handler(more ...prometheus.Collector) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(more...)
	r.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	c.attempts.describe(ch)
	for _, g := range c.replica {
		ch <- g.desc
	}
	if !c.opts.WithoutPool {
		c.state.describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.attempts.collect(ch)
	if len(c.replica) > 0 {
		h := c.pool.Health()
		for _, g := range c.replica {
			g.collect(ch, &h)
		}
	}
	if !c.opts.WithoutPool {
		c.state.collect(ch)
	}
}

// gauge is a metric without labels of its own that is a number of a T.
type gauge[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*T) float64
}

func (g gauge[T]) collect(ch chan<- prometheus.Metric, from *T) {
	ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.of(from))
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// describe returns the description of a metric of ltsworker.
func describe(labels prometheus.Labels, name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("ltsworker_"+name, help, more, labels)
}

// replicaGauges are the metrics of the replica of this process.
func replicaGauges(labels prometheus.Labels) []gauge[pool.Health] {
	const value, counter = prometheus.GaugeValue, prometheus.CounterValue
	add := func(kind prometheus.ValueType, name, help string, of func(*pool.Health) float64) gauge[pool.Health] {
		return gauge[pool.Health]{describe(labels, "replica_"+name, help), kind, of}
	}
	return []gauge[pool.Health]{
		add(value, "slots", "Slots of this replica over all queues.", func(h *pool.Health) float64 { return float64(h.Slots) }),
		add(value, "running", "Slots of this replica in use, those of stuck handlers included.", func(h *pool.Health) float64 { return float64(h.Running) }),
		add(value, "stuck", "Handlers of this replica that were given up and have not returned.", func(h *pool.Health) float64 { return float64(h.Stuck) }),
		add(value, "joined", "1 if this replica has joined the pool.", func(h *pool.Health) float64 { return flag(h.Joined) }),
		add(value, "draining", "1 if this replica takes no more tasks and ends after the running ones.", func(h *pool.Health) float64 { return flag(h.Draining) }),
		add(value, "refusing", "1 if the admission of this replica refuses new tasks.", func(h *pool.Health) float64 { return flag(h.Refuses != "") }),
		add(counter, "refusals_total", "Refusals by the admission of this replica: while it refuses, it is asked about twice a second.", func(h *pool.Health) float64 { return float64(h.Refused) }),
		add(value, "failing_seconds", "For how long the calls of this replica to the store have failed; 0 if they work.", func(h *pool.Health) float64 { return h.Failing.Seconds() }),
		add(counter, "dropped_outcomes_total", "Outcomes of handlers that were dropped because another replica may run the task.", func(h *pool.Health) float64 { return float64(h.Dropped) }),
	}
}
