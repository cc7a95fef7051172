package task

// Receipt is the result of enqueueing one Spec.
type Receipt struct {
	// ID is the id of the task that was made or already existed. If Err is set it is
	// the id that the task would have had.
	ID    string
	State State // of the task with that ID
	// Duplicate reports that no task was made, because an existing task, whose id is in
	// ID, has the id or the unique key.
	Duplicate bool
	// Err is ErrQueueFull, ErrLimitReached or a FieldError if the task was refused. A TTL or a deadline is
	// refused here if it passes before RunAt by the store's clock.
	Err error
}
