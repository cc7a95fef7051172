package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The defaults of a replica's Config.
const (
	DefaultLease        = 30 * time.Second
	DefaultDrainTimeout = 30 * time.Second
	DefaultStopGrace    = 10 * time.Second
)

// MaxWorkers is the most slots that one queue may have in one replica.
const MaxWorkers = 100_000

// The bounds of the durations in a Config. A lease shorter than minLease would be lost
// in an ordinary pause of the network or the garbage collector.
const (
	minLease = 100 * time.Millisecond
	maxLease = time.Hour
	maxDrain = 24 * time.Hour
	maxGrace = time.Hour
)

// Config configures a replica. The zero value of every field but Queues means its
// documented default.
type Config struct {
	// Queues are the queues to serve, by name; at least one, or a handler with a queue of
	// its own. Workers is how many tasks
	// of the queue this replica runs at once. Default: GOMAXPROCS; at most MaxWorkers.
	// Limit is how many run at once over all replicas. Default: the pool's current
	// limit, at first none. task.NoLimit removes it.
	Queues map[string]task.QueueConfig
	// Slots are slots that several queues share, by a name. The queues name them. Workers is how
	// many tasks of these queues run at once here. Default: GOMAXPROCS.
	Slots map[string]task.Slots
	// Handlers configures handlers by kind. Each kind needs a handler unless it is
	// disabled. Default: none.
	Handlers map[string]task.HandlerConfig
	// Policies are the defaults of tasks by kind: timeout, attempts, backoff. The
	// replica publishes those of kinds with a handler, so that they also apply to tasks
	// of other programs. Default: the package defaults.
	Policies map[string]task.Policy
	// Exports configures by kind how results are kept outside of the pool. A handler's result
	// is then staged in the pool, and saved in a slot of its own. Default: none.
	Exports map[string]task.Export
	// Labels are names such as gpu or zone=eu, in addition to the labels that every replica
	// has: id= and its id, host= and the name of its host. The replica takes only tasks
	// whose labels it has all of. At most task.MaxReplicaLabels. Default: none.
	Labels []string
	// Exclusive keeps tasks without labels from running here. It does not concern saves of
	// results. Default: false.
	Exclusive bool
	// Limit is how many tasks of the pool run at once over all replicas. Default: the
	// pool's current limit, at first none. task.NoLimit removes it.
	Limit int
	// Groups limits how many tasks of one group run at once over all replicas. Default:
	// the pool's current limits, at first none. task.NoLimit exempts a group from the
	// default limit, or removes the default limit.
	Groups task.Groups

	// Lease is how long the tasks of a silent replica stay with it. It is renewed every
	// third of that time. From 100 ms to 1 h. Default: DefaultLease.
	Lease time.Duration
	// DrainTimeout is how long a drain waits for running handlers. Then it cancels them
	// and releases their tasks. From 1 ms to 24 h. Default: DefaultDrainTimeout.
	DrainTimeout time.Duration
	// StopGrace is how long a handler may take to return after its context was
	// cancelled. After it the handler is given up as stuck. From 1 ms to 1 h. Default:
	// DefaultStopGrace.
	StopGrace time.Duration
	// MaxStuck is how many handlers may ignore their cancelled context at once. With
	// one more the replica drains and Run returns ErrStuck. Default: half of all
	// workers, at least 1.
	MaxStuck int

	// MaxLog is how many bytes of the end of an attempt's log are kept, for every
	// attempt. At most task.MaxLogLen. task.NoLog keeps none. Default:
	// task.DefaultLogLen.
	MaxLog int

	// MaxEvents and EventAge bound the pool's event stream. EventAge is from 1 ms to
	// MaxDuration. Default: the pool's current bounds.
	MaxEvents int
	EventAge  time.Duration

	// ArchiveWait keeps every ended task of the pool until an archiver has archived it, and at
	// most for this long if that is longer than the task's retention. It is from a minute to
	// ten years of 365 days. task.NoWait removes the setting. Default: the pool's current setting.
	ArchiveWait time.Duration

	// Admit decides whether the replica takes tasks. Its error refuses them, and its text
	// is the reason. The replica calls it in a goroutine of its own: about twice a second,
	// and before a claim whose latest answer is older than 100 ms. It never calls it
	// concurrently. A call that takes more than a second counts as a refusal until it
	// returns; its context then ends. A panic is logged and counts as a refusal.
	//
	// While Admit refuses, the replica claims nothing, and signals for waiting tasks go to
	// other replicas. Running tasks, their reports, heartbeats, maintenance and the
	// admission of inbox entries go on. Default: nil, which admits all.
	Admit func(context.Context) error

	// OnConnect is called when the replica has joined the pool, and when calls to the
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

	// Triggers decides what to do with triggers that are due. Default: nil, the replica fires
	// no triggers.
	Triggers TriggerPlanner

	// TriggerEntries are the entries that other programs push to set triggers. Default: none.
	TriggerEntries EntryList

	// Middleware wraps every handler. The first one is the outermost. Default: none.
	Middleware []task.Middleware
	// Tracer makes spans of attempts, outside of Middleware. Default: none.
	Tracer task.Tracer
	// Logger gets failed attempts and the joining of the pool at Info. At Warn and
	// Error it gets problems of the replica, such as a kind without a handler, at most
	// once a minute per kind. Tasks that succeed are not logged. Default:
	// slog.Default().
	Logger *slog.Logger
	// Version is shown in the list of replicas. Default: empty.
	Version string
}

// Check returns everything that is wrong with the config, as joined FieldErrors.
func (c Config) Check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	count := func(field string, n int) {
		if n < 0 {
			add(field, "must not be negative, but is %d", n)
		}
	}
	limit := func(field string, n int) {
		if n < 0 && n != task.NoLimit {
			add(field, "must be at least 1, or NoLimit (%d), not %d", task.NoLimit, n)
		}
	}
	rate := func(field string, r task.Rate) {
		if err := r.Check(); err != nil {
			add(field, "%v", err)
		}
	}
	within := func(field string, d, least, most time.Duration) {
		switch {
		case d == 0:
		case d < least:
			add(field, "must be at least %v, not %v", least, d)
		case d > most:
			add(field, "must be at most %v, not %v", most, d)
		}
	}

	if len(c.Served()) == 0 {
		add("queues", "must name at least one queue to serve, such as %q", task.DefaultQueue)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		q, at := c.Queues[name], "queues."+task.Clip(name)
		if err := task.CheckName(name); err != nil {
			add(at, "%v", err)
		}
		count(at+".workers", q.Workers)
		if q.Workers > MaxWorkers {
			add(at+".workers", "must be at most %d, not %d", MaxWorkers, q.Workers)
		}
		limit(at+".limit", q.Limit)
		limit(at+".max_len", q.MaxLen)
		rate(at+".rate", q.Rate)
		if err := task.CheckAging(q.Aging); err != nil {
			add(at+".aging", "%v", err)
		}
	}
	errs = append(errs, c.checkSlots()...)
	errs = append(errs, c.checkHandlers()...)
	errs = append(errs, c.checkExports()...)
	for _, kind := range slices.Sorted(maps.Keys(c.Policies)) {
		at := "policies." + task.Clip(kind)
		if err := task.CheckName(kind); err != nil {
			add(at, "%v", err)
		}
		errs = append(errs, c.Policies[kind].Check(at)...)
	}
	if err := task.CheckReplicaLabels(c.Labels); err != nil {
		add("labels", "%v", err)
	}
	limit("limit", c.Limit)
	limit("groups.default_limit", c.Groups.DefaultLimit)
	for _, group := range slices.Sorted(maps.Keys(c.Groups.Limits)) {
		at := "groups.limits." + task.Clip(group)
		if err := task.CheckName(group); err != nil {
			add(at, "%v", err)
		}
		limit(at, c.Groups.Limits[group])
	}
	rate("groups.default_rate", c.Groups.DefaultRate)
	for _, group := range slices.Sorted(maps.Keys(c.Groups.Rates)) {
		at := "groups.rates." + task.Clip(group)
		if err := task.CheckName(group); err != nil {
			add(at, "%v", err)
		}
		rate(at, c.Groups.Rates[group])
	}

	within("lease", c.Lease, minLease, maxLease)
	within("drain_timeout", c.DrainTimeout, time.Millisecond, maxDrain)
	within("stop_grace", c.StopGrace, time.Millisecond, maxGrace)
	count("max_stuck", c.MaxStuck)
	if c.MaxLog < task.NoLog || c.MaxLog > task.MaxLogLen {
		add("max_log", "must be from 1 to %d bytes, not %d", task.MaxLogLen, c.MaxLog)
	}
	count("max_events", c.MaxEvents)
	within("event_age", c.EventAge, time.Millisecond, task.MaxDuration)
	if c.ArchiveWait != task.NoWait {
		within("archive_wait", c.ArchiveWait, time.Minute, task.MaxDuration)
	}
	for i, m := range c.Middleware {
		if m == nil {
			add("middleware", "entry %d is nil", i)
		}
	}
	return errors.Join(errs...)
}

// withDefaults returns the config with every default filled in. Its maps and slices are
// copies, so later changes by the caller have no effect.
func (c Config) withDefaults() Config {
	workers := 0
	queues := c.Served()
	counted := map[string]bool{}
	for name, q := range queues {
		if q.Slots != "" {
			q.Workers = c.Slots[q.Slots].Workers
		}
		q.Workers = cmp.Or(q.Workers, runtime.GOMAXPROCS(0))
		if q.Slots == "" || !counted[q.Slots] {
			counted[q.Slots] = true
			workers += q.Workers
		}
		queues[name] = q
	}
	c.Queues = queues
	c.Slots = maps.Clone(c.Slots)
	c.Handlers = maps.Clone(c.Handlers)
	c.Policies = maps.Clone(c.Policies)
	c.Exports = maps.Clone(c.Exports)
	c.Labels = task.CanonicalLabels(c.Labels)
	c.Groups.Limits = maps.Clone(c.Groups.Limits)
	c.Groups.Rates = maps.Clone(c.Groups.Rates)
	c.Middleware = slices.Clone(c.Middleware)

	c.Lease = cmp.Or(c.Lease, DefaultLease)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	c.StopGrace = cmp.Or(c.StopGrace, DefaultStopGrace)
	c.MaxStuck = cmp.Or(c.MaxStuck, max(workers/2, 1))
	c.MaxLog = cmp.Or(c.MaxLog, task.DefaultLogLen)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}
