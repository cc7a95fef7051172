package metrics

import (
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Bounds of the buckets, in seconds, for servers that scrape no native histograms. Native ones
// have buckets of 10 % and need no bounds.
var (
	// From a cache lookup to handlers beyond the default timeout of 30 minutes.
	runBuckets = []float64{.005, .025, .1, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800, 3600, 14400}
	// From the round trip of an idle pool to a backlog of a day.
	waitBuckets = []float64{.005, .025, .1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400}
	// From the milliseconds of a replica that holds the trigger to an outage of an hour. A trigger
	// is overdue after 60.
	lateBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 60, 300, 3600}
	// From half a round trip within a host to the timeout of a call.
	callBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
)

// attempts counts what this process does. It implements pool.Observer.
type attempts struct {
	started    *prometheus.CounterVec   // by queue and kind
	ended      *prometheus.CounterVec   // by queue, kind and code
	wait, run  *prometheus.HistogramVec // by queue and kind
	late       *prometheus.HistogramVec // by queue and kind of the task
	fired      *prometheus.CounterVec   // by outcome
	calls      *prometheus.HistogramVec // by script
	callErrors *prometheus.CounterVec   // by script
	overflow   prometheus.Counter

	max    int
	mu     sync.RWMutex
	series map[pair]*series
}

// pair names the series of the attempts of one kind from one queue.
type pair struct{ queue, kind string }

// series are the metrics of a pair.
type series struct {
	pair
	started   prometheus.Counter
	wait, run prometheus.Observer
	ended     *prometheus.CounterVec // by code
}

func newAttempts(labels prometheus.Labels, most int) *attempts {
	counter := func(name, help string, by ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "ltsworker", Name: name, Help: help, ConstLabels: labels}, by)
	}
	histogram := func(buckets []float64, name, help string, by ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "ltsworker", Name: name, Help: help, ConstLabels: labels,
			Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour}, by)
	}
	a := &attempts{
		started:    counter("attempts_started_total", "Handlers that this process has started.", "queue", "kind"),
		ended:      counter("attempts_ended_total", "Handlers that returned or were given up, by the reason code.", "queue", "kind", "code"),
		wait:       histogram(waitBuckets, "attempt_wait_seconds", "Time from when a task was enqueued or due until it was claimed.", "queue", "kind"),
		run:        histogram(runBuckets, "attempt_run_seconds", "Time from the start of a handler until it returned or was given up.", "queue", "kind"),
		late:       histogram(lateBuckets, "trigger_late_seconds", "Time from when a trigger was due until this process fired it.", "queue", "kind"),
		fired:      counter("trigger_firings_total", "Planned times of triggers that this process has handled, by what became of them.", "outcome"),
		calls:      histogram(callBuckets, "script_seconds", "Time of a script call to Redis, with all its tries.", "script"),
		callErrors: counter("script_errors_total", "Script calls to Redis that failed.", "script"),
		overflow: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "ltsworker", Name: "metrics_overflow_total", ConstLabels: labels,
			Help: `Attempts and firings that were counted as the queue and kind "other", because there are too many kinds.`}),
		max:    most,
		series: map[pair]*series{},
	}
	return a
}

func (a *attempts) all() []prometheus.Collector {
	return []prometheus.Collector{a.started, a.ended, a.wait, a.run, a.late, a.fired, a.calls, a.callErrors, a.overflow}
}

func (a *attempts) describe(ch chan<- *prometheus.Desc) {
	for _, c := range a.all() {
		c.Describe(ch)
	}
}

func (a *attempts) collect(ch chan<- prometheus.Metric) {
	for _, c := range a.all() {
		c.Collect(ch)
	}
}

// of returns the series of a pair: those of "other" if there are too many.
func (a *attempts) of(queue, kind string) *series {
	at := pair{queue, kind}
	a.mu.RLock()
	s := a.series[at]
	if s == nil && len(a.series) >= a.max {
		s = a.series[pair{other, other}]
	}
	a.mu.RUnlock()
	if s == nil {
		s = a.add(at)
	}
	if s.pair != at {
		a.overflow.Inc()
	}
	return s
}

func (a *attempts) add(at pair) *series {
	a.mu.Lock()
	defer a.mu.Unlock()
	// The kind of a damaged task may be bytes that Prometheus refuses.
	if a.series[at] == nil && len(a.series) >= a.max || !utf8.ValidString(at.queue) || !utf8.ValidString(at.kind) {
		at = pair{other, other}
	}
	s := a.series[at]
	if s == nil {
		by := prometheus.Labels{"queue": at.queue, "kind": at.kind}
		s = &series{pair: at, started: a.started.With(by), wait: a.wait.With(by), run: a.run.With(by), ended: a.ended.MustCurryWith(by)}
		// The first increase of a counter that Prometheus has not seen before is lost.
		s.ended.WithLabelValues(string(pool.CodeOK))
		s.ended.WithLabelValues(string(pool.CodeError))
		a.series[at] = s
	}
	return s
}

// Started implements pool.Observer.
func (a *attempts) Started(t *task.Task, queue string, wait time.Duration) {
	s := a.of(queue, t.Kind)
	s.started.Inc()
	if wait >= 0 {
		s.wait.Observe(wait.Seconds())
	}
}

// Ended implements pool.Observer.
func (a *attempts) Ended(t *task.Task, queue string, code task.Code, run time.Duration) {
	s := a.of(queue, t.Kind)
	s.ended.WithLabelValues(string(code)).Inc()
	s.run.Observe(run.Seconds())
}

// Fired implements pool.Observer.
func (a *attempts) Fired(f *task.TriggerFiring, records []task.TriggerRecord, late time.Duration) {
	queue := f.Spec.Queue
	if queue == "" {
		queue = task.DefaultQueue
	}
	s := a.of(queue, f.Spec.Kind)
	a.late.WithLabelValues(s.queue, s.kind).Observe(late.Seconds())
	for _, r := range records {
		a.fired.WithLabelValues(string(r.Outcome)).Inc()
	}
}

// Called implements pool.Observer.
func (a *attempts) Called(script string, took time.Duration, err error) {
	a.calls.WithLabelValues(script).Observe(took.Seconds())
	if err != nil {
		a.callErrors.WithLabelValues(script).Inc()
	}
}
