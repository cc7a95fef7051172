package metrics

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ltsworker/ltsworker/pool"
)

// state exports the state of the pool. Scrapes within Options.MaxAge share one reading.
type state struct {
	pool *pool.Pool
	opts Options

	up, took, otherQueues    *prometheus.Desc
	totals                   []gauge[pool.Stats]
	ended, kept, full        *prometheus.Desc
	unread, pending, keeps   *prometheus.Desc
	overdue, overdueFor      *prometheus.Desc
	waiting, running, oldest *prometheus.Desc
	in, out                  *prometheus.Desc
	limit, most, blocked     *prometheus.Desc

	mu     sync.Mutex
	last   *reading
	readAt time.Time
}

// reading is the state of the pool at about one instant.
type reading struct {
	err     error
	took    time.Duration
	stats   pool.Stats
	queues  []pool.QueueLoad // by name
	lags    map[string]pool.Lag
	overdue int
	longest time.Duration // of the overdue triggers
}

func newState(p *pool.Pool, labels prometheus.Labels, o Options) *state {
	d := func(name, help string, more ...string) *prometheus.Desc { return describe(labels, name, help, more...) }
	s := &state{
		pool: p, opts: o,
		up:          d("pool_up", "1 if the state of the pool could be read. If it is 0, the other metrics of the pool are missing."),
		took:        d("pool_read_seconds", "How long the calls took that read the state of the pool."),
		otherQueues: d("pool_other_queues", `Queues that are added up as the queue "other", because there are too many.`),
		ended:       d("pool_tasks_ended_total", "Tasks that have ended since the pool exists, by their state.", "state"),
		kept:        d("pool_tasks_kept", "Ended tasks that are kept, by their state.", "state"),
		full:        d("pool_exports_full", "1 for each kind of which no task starts because too many results wait to be saved.", "kind"),
		unread:      d("subscription_unread_events", "Events that no consumer of the group has read.", "subscription"),
		pending:     d("subscription_pending_events", "Events that a consumer of the group has read and not acknowledged.", "subscription"),
		keeps:       d("pool_max_events", "Events that the stream keeps; older ones are trimmed, read or not. Missing without a subscription."),
		overdue:     d("pool_overdue_triggers", "Triggers that have been due for more than a minute, at most 100."),
		overdueFor:  d("pool_overdue_trigger_seconds", "How long the first overdue trigger has been due; 0 for none."),
		waiting:     d("queue_waiting_tasks", "Waiting tasks, those that limits, rates or pauses hold back included.", "queue"),
		running:     d("queue_running_tasks", "Running tasks over all replicas.", "queue"),
		oldest:      d("queue_oldest_wait_seconds", "How long the oldest waiting task has waited that no group holds back.", "queue"),
		in:          d("queue_enqueued_per_second", "Tasks enqueued per second over the last minute.", "queue"),
		out:         d("queue_ended_per_second", "Tasks ended per second over the last minute.", "queue"),
		limit:       d("queue_limit_tasks", "Tasks that may run at once over all replicas; missing without a limit.", "queue"),
		most:        d("queue_max_waiting_tasks", "Tasks that may wait; missing without a bound.", "queue"),
		blocked:     d("queue_blocked", "1 if tasks wait and none may start for this reason: paused, limit, rate, or groups.", "queue", "reason"),
	}
	const value, counter = prometheus.GaugeValue, prometheus.CounterValue
	add := func(kind prometheus.ValueType, name, help string, of func(*pool.Stats) float64) {
		s.totals = append(s.totals, gauge[pool.Stats]{d("pool_"+name, help), kind, of})
	}
	add(value, "scheduled_tasks", "Scheduled tasks, those on hold included.", func(s *pool.Stats) float64 { return float64(s.Scheduled) })
	add(value, "hold_tasks", "Tasks on hold.", func(s *pool.Stats) float64 { return float64(s.Hold) })
	add(value, "parent_tasks", "Running parents, which are in no queue.", func(s *pool.Stats) float64 { return float64(s.Parents) })
	add(value, "outside_tasks", "Running tasks that a report from outside ends.", func(s *pool.Stats) float64 { return float64(s.Outside) })
	add(value, "limit_tasks", "Tasks of the pool that may run at once; 0 is no limit.", func(s *pool.Stats) float64 { return float64(s.Limit) })
	add(value, "paused", "1 if the pool is paused.", func(s *pool.Stats) float64 { return flag(s.Paused) })
	add(value, "replicas", "Live replicas.", func(s *pool.Stats) float64 { return float64(s.Replicas) })
	add(value, "inbox_entries", "Entries of the inbox that no replica has admitted.", func(s *pool.Stats) float64 { return float64(s.Inbox) })
	add(value, "rejected_entries", "Rejected entries of the inbox that are kept.", func(s *pool.Stats) float64 { return float64(s.Rejected) })
	add(value, "events", "Events in the event stream.", func(s *pool.Stats) float64 { return float64(s.Events) })
	add(counter, "tasks_enqueued_total", "Tasks made since the pool exists.", func(s *pool.Stats) float64 { return float64(s.Enqueued) })
	add(counter, "tasks_retried_total", "Retries of ended tasks by an operator since the pool exists.", func(s *pool.Stats) float64 { return float64(s.Retried) })
	add(counter, "leases_lost_total", "Leases that ended without a report since the pool exists.", func(s *pool.Stats) float64 { return float64(s.LeasesLost) })
	return s
}

func (s *state) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.up, s.took, s.otherQueues, s.ended, s.kept, s.full, s.unread, s.pending, s.keeps, s.overdue, s.overdueFor,
		s.waiting, s.running, s.oldest, s.in, s.out, s.limit, s.most, s.blocked} {
		ch <- d
	}
	for _, g := range s.totals {
		ch <- g.desc
	}
}

// read returns a reading that is at most Options.MaxAge old. One that failed is used as long, so
// that scrapes do not queue up while the store does not answer.
func (s *state) read() *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || time.Since(s.readAt) >= s.opts.MaxAge {
		s.last = s.readNow()
		s.readAt = time.Now()
	}
	return s.last
}

func (s *state) readNow() *reading {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Timeout)
	defer cancel()
	began := time.Now()
	var r reading
	r.stats, r.err = s.pool.Stats(ctx)
	if r.err == nil {
		r.queues, r.err = s.pool.LoadOf(ctx, r.stats.Queues)
	}
	if r.err == nil {
		r.lags, r.err = s.pool.SubscriptionLags(ctx)
	}
	if r.err == nil {
		var late []*pool.TriggerInfo
		late, r.longest, r.err = s.pool.Triggers().Overdue(ctx)
		r.overdue = len(late)
	}
	r.took = time.Since(began)
	return &r
}

func (s *state) collect(ch chan<- prometheus.Metric) {
	r := s.read()
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	send(s.up, flag(r.err == nil))
	if r.err != nil {
		return
	}
	send(s.took, r.took.Seconds())
	for _, g := range s.totals {
		g.collect(ch, &r.stats)
	}
	for _, state := range []pool.State{pool.Succeeded, pool.Failed, pool.Stopped, pool.Expired} {
		ch <- prometheus.MustNewConstMetric(s.ended, prometheus.CounterValue, float64(r.stats.Ended[state]), string(state))
		send(s.kept, float64(r.stats.Kept[state]), string(state))
	}
	for _, kind := range r.stats.Full {
		if utf8.ValidString(kind) {
			send(s.full, 1, kind)
		}
	}
	send(s.overdue, float64(r.overdue))
	send(s.overdueFor, r.longest.Seconds())
	s.collectLags(send, r.lags)
	s.collectQueues(send, r)
}

func (s *state) collectLags(send func(*prometheus.Desc, float64, ...string), lags map[string]pool.Lag) {
	merged, most := map[string]pool.Lag{}, 0
	for i, name := range slices.Sorted(maps.Keys(lags)) {
		at := s.label(i, name)
		most = lags[name].MaxEvents
		merged[at] = pool.Lag{Unread: max(merged[at].Unread, lags[name].Unread), Pending: max(merged[at].Pending, lags[name].Pending)}
	}
	for name, lag := range merged {
		send(s.unread, float64(lag.Unread), name)
		send(s.pending, float64(lag.Pending), name)
	}
	if len(lags) > 0 {
		send(s.keeps, float64(most))
	}
}

// label returns the label of the i-th name: "other" beyond the bound, and for bytes that another
// program has written and that Prometheus refuses.
func (s *state) label(i int, name string) string {
	if i >= s.opts.MaxQueues || !utf8.ValidString(name) {
		return other
	}
	return name
}

func (s *state) collectQueues(send func(*prometheus.Desc, float64, ...string), r *reading) {
	var rest pool.QueueLoad
	n := 0
	for i := range r.queues {
		q := &r.queues[i]
		if label := s.label(i, q.Name); label != other {
			s.collectQueue(send, q, label)
			for reason, on := range blocks(q, &r.stats) {
				send(s.blocked, flag(on), label, reason)
			}
			continue
		}
		n++
		rest.Waiting += q.Waiting
		rest.Running += q.Running
		rest.In += q.In
		rest.Out += q.Out
		rest.OldestWait = max(rest.OldestWait, q.OldestWait)
	}
	send(s.otherQueues, float64(n))
	if n > 0 {
		s.collectQueue(send, &rest, other)
	}
}

func (s *state) collectQueue(send func(*prometheus.Desc, float64, ...string), q *pool.QueueLoad, label string) {
	send(s.waiting, float64(q.Waiting), label)
	send(s.running, float64(q.Running), label)
	send(s.oldest, q.OldestWait.Seconds(), label)
	send(s.in, q.In, label)
	send(s.out, q.Out, label)
	if q.Limit > 0 {
		send(s.limit, float64(q.Limit), label)
	}
	if q.MaxLen > 0 {
		send(s.most, float64(q.MaxLen), label)
	}
}

// blocks returns for each reason whether it keeps all waiting tasks of a queue from starting.
func blocks(q *pool.QueueLoad, s *pool.Stats) map[string]bool {
	waits := q.Waiting > 0
	return map[string]bool{
		"paused": waits && (q.Paused || s.Paused),
		"limit":  waits && (q.Limit > 0 && q.Running >= q.Limit || s.Limit > 0 && s.Running >= s.Limit),
		"rate":   waits && !q.RateUntil.IsZero(),
		"groups": waits && q.GroupsFull,
	}
}
