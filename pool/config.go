package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// Config says what a pool does in this process. The zero Config is a pool that
// enqueues, reads and operates but runs nothing; what concerns running then has
// no effect, so that a front end may share the Config of its workers.
type Config struct {
	// Queues are the queues this process serves, by name. Workers is how many
	// tasks run at once here (default: GOMAXPROCS), Limit how many over all
	// replicas, MaxLen how many tasks may wait before an enqueue is refused with
	// ErrQueueFull; scheduled ones are neither counted nor refused. No queues make a
	// pool that only enqueues.
	//
	// Limits and MaxLen belong to the pool, not to the process: they hold from the
	// moment when Run has joined, for everybody, and stay when it has ended. One that
	// is 0 or left out leaves what is set in the pool as it is, at first no limit and
	// no cap. SetLimit with 0, or "ltsworker limit … none", removes a limit; a MaxLen
	// goes with its queue: see ForgetQueue.
	Queues map[string]Queue

	// Limit is how many tasks of the pool run at once over all replicas. Default 0:
	// what is set in the pool already, at first no limit.
	Limit int

	// Groups limits the tasks of one group that run at once over all replicas.
	// Default: what is set in the pool already, at first no limits.
	Groups Groups

	// Policies are the defaults of tasks by kind: timeout, attempts, backoff. They
	// are published when Run begins, those of kinds that this pool has a handler for,
	// and hold for tasks from any program. Zero fields, and kinds without an entry,
	// have the defaults of package task.
	Policies map[string]Policy

	// Lease is how long the tasks of a process that died stay untouched before
	// another replica takes them. It is renewed every third of that. From 100 ms to
	// 1 h. Default 30 s.
	Lease time.Duration

	// DrainTimeout is how long Run waits for running handlers after its context
	// has ended, before it cancels them with ErrShutdown and gives their tasks
	// back. At most 24 h. Default 30 s.
	DrainTimeout time.Duration

	// StopGrace is how long a handler may take to return after its context was
	// cancelled, before it is counted as stuck and its task goes on without it.
	// At most 1 h. Default 10 s.
	StopGrace time.Duration

	// MaxStuck is how many handlers may ignore their cancelled context: one more,
	// and the replica drains and Run returns ErrStuck. Default: half of all workers,
	// at least 1.
	MaxStuck int

	// MaxEvents and EventAge bound the event stream: what is beyond either is
	// trimmed, read or not. Default: what is set in the pool already, at first
	// 1,000,000 events and 24 h. EventAge is from 1 ms to ten years of 365 days.
	MaxEvents int
	EventAge  time.Duration

	// OnFinish is called for every task of the pool that ends, whichever replica
	// or program ended it. It is a Subscribe on the group FinishGroup for
	// events with a terminal state, and runs inside Run: one replica of those
	// that set it gets each event, at least once. After a panic it gets the event
	// again, and with it those of up to 49 tasks that ended in the same step.
	// Services that must each see all of them use Subscribe with groups of
	// their own. Its context ends when Run has drained or Close was called.
	// Default: none. Needs Queues, since a pool that is not Run cannot call it.
	OnFinish func(ctx context.Context, e Event)

	// Redeliver is how long a consumer of OnFinish or Subscribe may be silent about
	// an event that it holds, before the event is delivered again to any of its group.
	// From 100 ms to 24 h. Default 30 s.
	Redeliver time.Duration

	// OnTrimmed is called when events were trimmed away before a group (of
	// Subscribe or OnFinish) had read them: whatever they would have brought has
	// to be looked up elsewhere. Such a loss is also logged. Default: none.
	OnTrimmed func(group string)

	// Middleware wraps every handler, the first one outermost. Default: none.
	Middleware []Middleware

	// Version is what the list of replicas shows for this program. Default: empty.
	Version string

	// Logger gets failed attempts at Info, and at Warn and Error what reaches no
	// caller: outages of the store, lost leases, events that could not be delivered,
	// kinds without a handler, once a minute each. Joining is one line at Info; nothing
	// is logged per succeeding task. Default: slog.Default().
	Logger *slog.Logger
}

// FinishGroup is the consumer group of Config.OnFinish.
const FinishGroup = "on_finish"

const (
	defaultRedeliver = 30 * time.Second
	minRedeliver     = 100 * time.Millisecond
	maxRedeliver     = 24 * time.Hour
)

// replica is the part of the config that package worker takes.
func (c *Config) replica() worker.Config {
	return worker.Config{
		Queues:       c.Queues,
		Policies:     c.Policies,
		Limit:        c.Limit,
		Groups:       c.Groups,
		Lease:        c.Lease,
		DrainTimeout: c.DrainTimeout,
		StopGrace:    c.StopGrace,
		MaxStuck:     c.MaxStuck,
		MaxEvents:    c.MaxEvents,
		EventAge:     c.EventAge,
		Middleware:   c.Middleware,
		Logger:       c.Logger,
		Version:      c.Version,
	}
}

// check reports everything that is wrong with the config, as FieldErrors joined.
func (c *Config) check() error {
	rc := c.replica()
	if len(rc.Queues) == 0 {
		// Only a replica must have one.
		rc.Queues = map[string]Queue{DefaultQueue: {}}
	}
	errs := []error{rc.Check()}
	if c.OnFinish != nil && len(c.Queues) == 0 {
		errs = append(errs, &FieldError{Field: "on_finish", Msg: "needs queues, since it runs inside Run: use Subscribe in a pool that only enqueues"})
	}
	if c.Redeliver != 0 && (c.Redeliver < minRedeliver || c.Redeliver > maxRedeliver) {
		errs = append(errs, &FieldError{Field: "redeliver", Msg: fmt.Sprintf("must be from %v to %v, not %v", minRedeliver, maxRedeliver, c.Redeliver)})
	}
	return errors.Join(errs...)
}

// withDefaults returns the config with the defaults that this package applies
// spelled out.
func (c Config) withDefaults() Config {
	if c.Redeliver == 0 {
		c.Redeliver = defaultRedeliver
	}
	if c.StopGrace == 0 {
		c.StopGrace = worker.DefaultStopGrace
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
