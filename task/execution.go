package task

import "context"

// Execution is the running attempt of a task in a replica. It is safe for concurrent
// use.
type Execution interface {
	// SetProgress replaces the progress that the next renewal of leases sends.
	SetProgress(progress []byte)
	// WriteLog appends to the attempt's log.
	WriteLog(p []byte)
	// SetLog replaces the attempt's log.
	SetLog(log []byte)
	// LimitLog keeps at most n bytes of the end of the log from now on, none if n is not
	// positive.
	LimitLog(n int)
	// Checkpoint writes the checkpoint of the attempt: see Task.Checkpoint.
	Checkpoint(ctx context.Context, data []byte) error
	// SaveJob writes the checkpoint and names the job of the task: see Task.SaveJob.
	SaveJob(ctx context.Context, job string, data []byte) error
	// SetMeta sets an entry of the attempt's meta; Meta returns a copy of it.
	SetMeta(key, value string) error
	Meta() Meta
	// ReportToken returns the attempt's token for reports from outside.
	ReportToken(ctx context.Context) (string, error)
	// LeaseLost returns a channel that is closed when another replica may run the task.
	LeaseLost() <-chan struct{}
}

// Bind sets the attempt that runs the task. A replica calls it before the handler.
func (t *Task) Bind(e Execution) { t.running = e }

// LeaseLost returns a channel that is closed when another replica may run the task: the
// lease was lost, or the handler was given up after the replica's StopGrace. It is nil
// on a task that no replica runs.
//
// A context keeps its first cause. If a handler was stopped, has timed out or is being
// shut down, the cause does not change to ErrLeaseLost afterwards: use this channel to
// detect a lease lost later. After the cancellation, a handler that still cleans up, or
// that waits for a process that it started, must end at once when the channel is
// closed. If the cause is ErrLeaseLost, the channel is closed when the context ends.
func (t *Task) LeaseLost() <-chan struct{} {
	if t.running == nil {
		return nil
	}
	return t.running.LeaseLost()
}
