package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// Config configures a pool in this process. A pool with the zero Config enqueues, reads
// and operates but runs no tasks. The fields that concern running then have no effect,
// so a front end may use the same Config as its workers.
type Config struct {
	// Queues are the queues that this process serves, by name. Without queues, and without
	// a handler that has its own, the pool only enqueues.
	//
	//   - Workers is how many tasks of the queue run at once in this process. Default:
	//     GOMAXPROCS.
	//   - Limit is how many run at once over all replicas.
	//   - MaxLen is how many tasks may wait. Beyond it an enqueue fails with ErrQueueFull.
	//     Scheduled tasks are neither counted nor refused.
	//   - Rate is how many tasks start per time over all replicas, such as PerSecond(100).
	//   - Aging lets waiting gain priority: see QueueConfig.
	//
	// Limit, MaxLen, Rate and Aging belong to the pool, not to the process. They apply to all
	// clients from the moment when Run has joined, and remain when Run has ended. If
	// one is 0, the pool keeps its current value, at first no limit and no cap. NoLimit
	// removes it.
	Queues map[string]Queue

	// Slots are slots that several queues of this process share, by a name. A queue names them
	// in Queue.Slots, in place of Workers, with its Weight.
	//
	//   - Workers is how many tasks of these queues run at once in this process. Default:
	//     GOMAXPROCS.
	//   - Strict starts tasks of the queue with the highest weight that has any. Otherwise each
	//     queue that has tasks starts them in proportion to its weight, so that a flood in one
	//     queue does not keep the others waiting.
	//
	// Default: none, each queue has its own slots.
	Slots map[string]Slots

	// Handlers configures handlers by kind.
	//
	//   - Concurrency is how many attempts of the kind run at once in this process. The
	//     kind then has its own queue, with its name and this many slots. Tasks that this
	//     pool enqueues, and inbox entries that it admits, wait in that queue if they
	//     name none.
	//   - Disabled keeps tasks of the kind from running in this process. Its own queue is
	//     not served here. Tasks of the kind in other queues run on other replicas, or wait.
	//
	// A process that only enqueues may set it, too: its tasks then go to the same queues.
	// Each kind needs a handler in a pool that runs, unless it is disabled. Default: none.
	Handlers map[string]HandlerConfig

	// Exports configures by kind an Exporter that keeps the results outside of the pool. The
	// result of a handler is first staged in the pool, which ends the attempt and frees its
	// slot. The task is Exporting until a replica has saved the result; the handler does not
	// run again. The result of the task is then a small reference, from which Wait, Result and
	// LoadResult load the data. Set it in every process that has the handler, and in those
	// that read results. A result that is nil is not exported. Default: none.
	Exports map[string]Export

	// Limit is how many tasks of the pool run at once over all replicas. Default: 0,
	// which keeps the pool's current limit, at first none. NoLimit removes it.
	Limit int

	// Groups limits how many tasks of one group run at once, and start per time, over all
	// replicas. Default: the pool's current limits and rates, at first none. A group with
	// NoLimit or NoRate is exempt from the default.
	Groups Groups
	// Labels are names such as gpu or zone=eu, in addition to the labels that every replica
	// has: id= and its id, host= and the name of its host. Run takes only tasks whose labels
	// it has all of. At most task.MaxReplicaLabels. Default: none.
	Labels []string
	// Exclusive keeps tasks without labels from running here. It does not concern saves of
	// results. Default: false.
	Exclusive bool

	// Policies are the defaults of tasks by kind: timeout, attempts, backoff. Run
	// publishes those of kinds with a handler in this pool; they then also apply to
	// tasks of other programs. Zero fields, and kinds without an entry, have the
	// defaults of package task.
	Policies map[string]Policy

	// Lease is how long other replicas wait before they take the tasks of a process
	// that died. It is renewed every third of that time. From 100 ms to 1 h. Default:
	// 30 s.
	Lease time.Duration

	// DrainTimeout is how long Run waits for running handlers after its context has
	// ended. Then it cancels them with ErrShutdown and returns their tasks to their
	// queues. At most 24 h. Default: 30 s.
	DrainTimeout time.Duration

	// StopGrace is how long a handler may take to return after its context was
	// cancelled. After it the handler counts as stuck, and its task may run elsewhere.
	// At most 1 h. Default: 10 s.
	StopGrace time.Duration

	// MaxStuck is how many handlers may ignore their cancelled context. With one more
	// the replica drains and Run returns ErrStuck. Default: half of all workers, at
	// least 1.
	MaxStuck int
	// MaxLog is how many bytes of the end of an attempt's log are kept, for every
	// attempt: see task.Task.LogWriter. At most task.MaxLogLen. task.NoLog keeps none.
	// Default: task.DefaultLogLen.
	MaxLog int

	// MaxEvents and EventAge bound the event stream. Events beyond either bound are
	// trimmed, read or not: those beyond MaxEvents by each step that appends events,
	// those beyond EventAge by maintenance. EventAge is from 1 ms to ten years of 365
	// days. Default: the pool's current bounds, at first 1,000,000 events and 24 h.
	MaxEvents int
	EventAge  time.Duration

	// ArchiveWait keeps every ended task of the pool until an archiver has archived it, and at
	// most for this long if that is longer than the task's retention. It is from a minute to
	// ten years of 365 days. NoWait removes the setting. Default: the pool's current setting, at first NoWait.
	ArchiveWait time.Duration

	// OnFinish is called for every task of the pool that ends, whichever replica or
	// program ended it. Each event goes to one of the replicas that set OnFinish, at
	// least once. After a panic the event is delivered again, together with those of up
	// to 49 other tasks that ended in the same step. Default: none.
	//
	// It is a subscription to the group FinishGroup, runs inside Run and therefore
	// requires Queues. Its context ends when Run has drained or Close was called.
	// Services that must each receive all events use Subscribe with groups of their
	// own.
	OnFinish func(ctx context.Context, e Event)

	// Redeliver is how long a consumer of OnFinish or Subscribe may hold an event
	// without acknowledging it. Then the event is delivered again, to any consumer of
	// the group. From 100 ms to 24 h. Default: 30 s.
	Redeliver time.Duration

	// OnTrimmed is called when events were trimmed before a group of Subscribe or
	// OnFinish had read them. The service must then read the current state from another
	// source. The loss is also logged. Default: none.
	OnTrimmed func(group string)

	// Admit decides whether this process takes tasks now. Its error refuses them, and its
	// text is the reason, which Health and Replicas show. Package admission has a function
	// that measures the load of the machine.
	//
	// Run calls Admit about twice a second, and before it claims tasks if its latest answer
	// is older than 100 ms. It never calls it concurrently. A call that takes more than a
	// second counts as a refusal until it returns; its context then ends. A panic is logged
	// and counts as a refusal.
	//
	// While Admit refuses, no task starts here, and waiting tasks start on other replicas.
	// Running tasks, heartbeats, maintenance and the admission of inbox entries go on.
	// Default: nil, which admits all.
	Admit func(ctx context.Context) error

	// OnConnect is called when Run has joined the pool, and when calls to the
	// store work again after OnDisconnect. OnDisconnect is called when calls to the store
	// begin to fail, with the first error. The end
	// of Run calls neither.
	//
	// OnLeaseLost is called for each attempt whose handler was cancelled with ErrLeaseLost:
	// another replica may run the task. The task is read-only.
	//
	// One goroutine makes these calls, in the order of what they report, so that a slow one
	// delays no task and no heartbeat. Later calls wait in memory. Of more than 10,000
	// waiting calls of OnLeaseLost the newest are dropped and logged; of more than 100 changes
	// of the connection an outage is left out together with its end. Before Run returns it
	// waits up to a second for calls. A panic is logged. Default: none.
	OnConnect    func()
	OnDisconnect func(err error)
	OnLeaseLost  func(t *task.Task)

	// Calendars are the calendars that triggers may name. A trigger with a calendar fires only
	// on replicas that have it. Package trigger/calendar has some. Default: none.
	Calendars map[string]Calendar

	// Middleware wraps every handler. The first one is the outermost. Default: none.
	Middleware []Middleware

	// Tracer makes spans of enqueues and attempts. Package observe/traces has one for
	// OpenTelemetry. The span of an attempt is in the context of Middleware and handlers.
	// Default: none.
	Tracer Tracer

	// Version is shown for this program in the list of replicas. Default: empty.
	Version string

	// Logger gets failed attempts and the joining of the pool at Info. At Warn and
	// Error it gets problems that no caller sees: outages of the store, lost leases,
	// events that could not be delivered, and kinds without a handler, each kind once a
	// minute. Tasks that succeed are not logged. Default: slog.Default().
	Logger *slog.Logger
}

// FinishGroup is the consumer group of Config.OnFinish.
const FinishGroup = "on_finish"

const (
	defaultRedeliver = 30 * time.Second
	minRedeliver     = 100 * time.Millisecond
	maxRedeliver     = 24 * time.Hour
)

// replica returns the config of package worker.
func (c *Config) replica() worker.Config {
	return worker.Config{
		Queues:       c.Queues,
		Slots:        c.Slots,
		Handlers:     c.Handlers,
		Policies:     c.Policies,
		Exports:      c.Exports,
		Limit:        c.Limit,
		Groups:       c.Groups,
		Labels:       c.Labels,
		Exclusive:    c.Exclusive,
		Lease:        c.Lease,
		DrainTimeout: c.DrainTimeout,
		StopGrace:    c.StopGrace,
		MaxStuck:     c.MaxStuck,
		MaxLog:       c.MaxLog,
		MaxEvents:    c.MaxEvents,
		EventAge:     c.EventAge,
		ArchiveWait:  c.ArchiveWait,
		Admit:        c.Admit,
		OnConnect:    c.OnConnect,
		OnDisconnect: c.OnDisconnect,
		OnLeaseLost:  c.OnLeaseLost,
		Middleware:   c.Middleware,
		Tracer:       c.Tracer,
		Logger:       c.Logger,
		Version:      c.Version,
	}
}

// check returns everything that is wrong with the config, as joined FieldErrors.
func (c *Config) check() error {
	rc := c.replica()
	serves := len(rc.Served()) > 0
	if !serves {
		// Only a replica requires a queue.
		rc.Queues = map[string]Queue{DefaultQueue: {}}
	}
	errs := []error{rc.Check()}
	if c.OnFinish != nil && !serves {
		errs = append(errs, &FieldError{Field: "on_finish", Msg: "needs queues, since it runs inside Run: use Subscribe in a pool that only enqueues"})
	}
	if c.Redeliver != 0 && (c.Redeliver < minRedeliver || c.Redeliver > maxRedeliver) {
		errs = append(errs, &FieldError{Field: "redeliver", Msg: fmt.Sprintf("must be from %v to %v, not %v", minRedeliver, maxRedeliver, c.Redeliver)})
	}
	return errors.Join(errs...)
}

// withDefaults returns the config with the defaults of this package filled in.
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
