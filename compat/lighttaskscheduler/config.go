package lighttaskscheduler

import (
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// Config configures a scheduler.
type Config struct {
	// TaskTimeout bounds each try, in every mode. A try that takes longer is stopped and has
	// failed. It is retried like any other one. Default: 0, no limit.
	TaskTimeout time.Duration

	// TaskLimit is how many tasks run at once, over all processes of the pool. Required.
	TaskLimit int32

	// MaxFailedAttempts is how many times a task is retried, whatever the cause of its
	// failures. Default: 0, never.
	MaxFailedAttempts int32

	// SchedulingPollInterval has no effect: a waiting task starts at once.
	SchedulingPollInterval time.Duration

	// DisableStatePoll leaves the ends of tasks to callbacks. It requires
	// EnableStateCallback.
	DisableStatePoll bool

	// StatePollInterval is the time between two calls of GetAsyncTaskStatus. Default:
	// DefaultStatePollInterval. A function actuator is not polled.
	StatePollInterval time.Duration

	// EnableStateCallback takes the ends of tasks from the channel of CallbackReceiver. With
	// polling, too, the first report of an end counts.
	EnableStateCallback bool

	// CallbackReceiver is required with EnableStateCallback.
	CallbackReceiver CallbackReceiver

	// EnableFinshedTaskList makes FinshedTasks return ended tasks. They are then kept in
	// Redis for a day after their end. Default: false.
	EnableFinshedTaskList bool
}

// DefaultStatePollInterval is the StatePollInterval of a Config that sets none.
const DefaultStatePollInterval = time.Second

// The wait before retries, with jitter.
var retryBackoff = task.Backoff{Base: 100 * time.Millisecond, Max: time.Minute}

// check returns everything that is wrong with the config.
func (c *Config) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.TaskLimit < 1 || c.TaskLimit > worker.MaxWorkers {
		add("TaskLimit must be from 1 to %d, not %d: it is how many tasks run at once", worker.MaxWorkers, c.TaskLimit)
	}
	if c.TaskTimeout != 0 && (c.TaskTimeout < time.Millisecond || c.TaskTimeout > task.MaxDuration) {
		add("TaskTimeout must be 0 for no limit, or from 1ms to %v, not %v", task.MaxDuration, c.TaskTimeout)
	}
	if c.MaxFailedAttempts < 0 || c.MaxFailedAttempts >= task.MaxMaxAttempts {
		add("MaxFailedAttempts must be from 0 to %d, not %d", task.MaxMaxAttempts-1, c.MaxFailedAttempts)
	}
	if c.StatePollInterval < 0 {
		add("StatePollInterval must not be negative, but is %v", c.StatePollInterval)
	}
	if c.DisableStatePoll && !c.EnableStateCallback {
		add("DisableStatePoll needs EnableStateCallback: otherwise no end of a task is noticed")
	}
	if c.EnableStateCallback && c.CallbackReceiver == nil {
		add("EnableStateCallback needs a CallbackReceiver")
	}
	return errors.Join(errs...)
}

// policy returns the policy of the tasks.
func (c *Config) policy() pool.Policy {
	p := pool.Policy{Timeout: task.Forever, MaxAttempts: int(c.MaxFailedAttempts) + 1, Backoff: retryBackoff}
	if c.TaskTimeout > 0 {
		p.Timeout = c.TaskTimeout
	}
	return p
}

// interval returns the interval of the poller.
func (c *Config) interval() time.Duration {
	switch {
	case c.DisableStatePoll:
		return async.NoPolling
	case c.StatePollInterval == 0:
		return DefaultStatePollInterval
	}
	return c.StatePollInterval
}
