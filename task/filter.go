package task

// Filter selects tasks. Fields are combined with and, the values inside one
// field with or. The zero Filter selects everything; operations that change
// tasks refuse it.
type Filter struct {
	IDs    []string // the tasks named
	States []State
	Kinds  []string
	Queues []string
	Groups []string // tasks without a group match none

	// Brief leaves payload, headers and result unread, which may be nearly all there is
	// to read. It selects nothing.
	Brief bool
}

// Empty reports whether the filter would select every task.
func (f Filter) Empty() bool {
	return len(f.IDs) == 0 && len(f.States) == 0 && len(f.Kinds) == 0 && len(f.Queues) == 0 && len(f.Groups) == 0
}

// Change is what became of one task that somebody asked to stop, retry or
// delete.
type Change struct {
	ID string
	// Done says that the request took effect. A running task that is asked to
	// stop is Done while it is still Running: its handler's context is cancelled.
	Done bool
	// State is the task's state afterwards, "" where there is no such task.
	State State
	// Err says why a request that fits the state was refused: ErrUniqueTaken.
	Err error
}
