package task

import "time"

// Observer gets what a replica does, for metrics. Its methods are called by the goroutines that do
// the work, concurrently and some of them under a lock. They must return at once, and must not
// call the replica, its pool or its store.
type Observer interface {
	// Started is called when a handler starts. queue is the queue from which the task was
	// claimed. wait is the time from when the task was enqueued or last became due until the
	// claim, by the store's clock. It is -1 for a retry in place and for a save of a result.
	Started(t *Task, queue string, wait time.Duration)

	// Ended is called when a handler that was started returns or is given up, with the reason
	// and how long it has run. The code is CodeLost if the lease ended before. The store may
	// refuse the report of the attempt later. The task may be retried.
	Ended(t *Task, queue string, code Code, run time.Duration)

	// Fired is called after the firing of a trigger. late is the time from when the trigger
	// was due until it was fired, by the store's clock.
	Fired(f *TriggerFiring, records []TriggerRecord, late time.Duration)

	// Called is called after a call of a script, with the script's name, the time until the
	// reply with all tries, and the error of the call.
	Called(script string, took time.Duration, err error)
}
