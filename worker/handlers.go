package worker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// checkHandlers returns what is wrong with the handlers of a config.
func (c Config) checkHandlers() (errs []error) {
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Handlers)) {
		h, at := c.Handlers[kind], "handlers."+task.Clip(kind)
		if err := task.CheckName(kind); err != nil {
			add(at, "%v", err)
		}
		if h.Concurrency < 0 || h.Concurrency > MaxWorkers {
			add(at+".concurrency", "must be from 1 to %d, not %d", MaxWorkers, h.Concurrency)
		}
		if q := c.Queues[kind]; h.Concurrency > 0 && q.Workers != 0 && q.Workers != h.Concurrency {
			add("queues."+task.Clip(kind)+".workers", "must be %d, as handlers.%s.concurrency is, or left out, not %d: the queue is the handler's own",
				h.Concurrency, task.Clip(kind), q.Workers)
		}
	}
	return errs
}

// Served returns the queues that a replica with this config serves: Queues, the own
// queues of handlers with a concurrency, and those of exports. The own queues of disabled
// handlers are missing.
func (c Config) Served() map[string]task.QueueConfig {
	served := make(map[string]task.QueueConfig, len(c.Queues))
	maps.Copy(served, c.Queues)
	for kind, h := range c.Handlers {
		switch q := served[kind]; {
		case h.Concurrency == 0:
		case h.Disabled:
			delete(served, kind)
		default:
			q.Workers = h.Concurrency
			served[kind] = q
		}
	}
	for kind, e := range c.Exports {
		served[task.ExportQueue+kind] = task.QueueConfig{Workers: e.WithDefaults().Workers}
	}
	return served
}

// OwnQueues returns the queue of the tasks of each kind that has its own, for tasks that
// name no queue. It is nil if there are none.
func (c Config) OwnQueues() map[string]string {
	var own map[string]string
	for kind, h := range c.Handlers {
		if h.Concurrency > 0 {
			if own == nil {
				own = map[string]string{}
			}
			own[kind] = kind
		}
	}
	return own
}

// disabledKinds returns the kinds whose handlers are disabled, sorted.
func (c Config) disabledKinds() (kinds []string) {
	for kind, h := range c.Handlers {
		if h.Disabled {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// The delays of tasks that are released because their handler has no free slot here.
const (
	minOverflow = 100 * time.Millisecond
	maxOverflow = time.Minute
	// maxSpacing bounds the time between two such tasks of a kind.
	maxSpacing = 10 * time.Second
)

// maxDisabledDelay is the longest delay of a task whose handler is disabled here.
const maxDisabledDelay = 30 * time.Second

// ownQueue is the queue of a handler with a concurrency. Each attempt of the handler takes
// one of its slots, also if its task comes from another queue. So its slots bound the
// attempts of the handler in this replica. The replica's mutex guards the fields.
type ownQueue struct {
	q       *queue
	workers int
	mean    time.Duration // of the handler's latest attempts; 0 before the first
	next    time.Time     // when the next released task may start
}

// newOwnQueues returns the own queues by kind.
func newOwnQueues(cfg Config, s *queues) map[string]*ownQueue {
	own := map[string]*ownQueue{}
	for kind, h := range cfg.Handlers {
		if h.Concurrency > 0 && !h.Disabled {
			own[kind] = &ownQueue{q: s.byName[kind], workers: h.Concurrency}
		}
	}
	return own
}

// take takes a slot for an attempt whose task was claimed from another queue. It returns
// the sequence that the slot belongs to. ok is false if no slot is free.
func (o *ownQueue) take(s *queues) (sequence int, ok bool) {
	if o.q.free[1] > o.q.free[0] {
		sequence = 1
	}
	if o.q.free[sequence] <= 0 {
		return 0, false
	}
	s.use(o.q, sequence, 1)
	return sequence, true
}

// ended records how long an attempt of the handler took.
func (o *ownQueue) ended(took time.Duration) {
	if o.mean == 0 {
		o.mean = took
	}
	o.mean += (took - o.mean) / 8
}

// delay returns the delay of a task that is released because there is no free slot. Released
// tasks come back about as fast as the handler ends attempts, in their order, however many
// there are. So most of them find a slot, and few calls are made for the others.
func (o *ownQueue) delay(now time.Time) time.Duration {
	at := o.next
	if soonest := now.Add(minOverflow); at.Before(soonest) {
		at = soonest
	}
	spacing := minOverflow
	if o.mean > 0 {
		spacing = min(o.mean/time.Duration(o.workers), maxSpacing)
	}
	if latest := now.Add(maxOverflow); at.After(latest) {
		return maxOverflow/2 + rand.N(maxOverflow/2)
	}
	o.next = at.Add(spacing)
	return at.Sub(now)
}

// disabledDelay returns the delay of a task that is released because its handler is disabled
// here: a second at first, so that a replica whose handler is not disabled soon claims it, and
// longer with each claim.
func disabledDelay(attempt int64) time.Duration {
	d := maxDisabledDelay
	if attempt < 6 {
		d = min(d, time.Second<<max(attempt-1, 0))
	}
	return d - d/4 + rand.N(d/4)
}

// withinDeadline shortens the delay of a release so that it does not end the task, which has
// the rest of its time if a slot becomes free.
func withinDeadline(delay time.Duration, t *task.Task, storeNow time.Time) time.Duration {
	if t.DeadlineAt.IsZero() {
		return delay
	}
	return max(min(delay, t.DeadlineAt.Sub(storeNow)/2), 0)
}
