package task

// Execution is the running attempt of a task in a replica. Its methods may be called by
// several goroutines at once.
type Execution interface {
	// SetProgress replaces the progress that travels with the next renewal of leases.
	SetProgress(progress []byte)
	// SetLog replaces the tail of the attempt's log.
	SetLog(tail []byte)
	// LeaseLost is closed when another replica may run the task from now on.
	LeaseLost() <-chan struct{}
}

// Bind ties the task to the attempt that runs it. A replica calls it before the handler.
func (t *Task) Bind(e Execution) { t.running = e }

// LeaseLost is closed when another replica may run the task from now on: the lease
// of the attempt was lost, or its handler was given up after the replica's StopGrace. A
// context keeps its first cause, so that the context of a handler that was stopped, has
// timed out or is being shut down does not change to ErrLeaseLost: use this to detect a
// lease lost later. A handler that takes time to end after its context was cancelled, or
// leaves a grace to what it has started, must end both as soon as this is closed. If
// the cause is ErrLeaseLost, it is closed when the context ends. It is nil on a task
// that no replica runs.
func (t *Task) LeaseLost() <-chan struct{} {
	if t.running == nil {
		return nil
	}
	return t.running.LeaseLost()
}

// SetLog keeps the tail of the attempt's log: its last MaxLogLen bytes are
// reported, as valid UTF-8, if the attempt fails. A later call replaces what an
// earlier one set. Several goroutines may call it at once. On a task that no
// replica runs it does nothing.
func (t *Task) SetLog(b []byte) {
	if t.running != nil {
		t.running.SetLog(b)
	}
}
