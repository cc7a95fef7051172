package task

// Receipt is the answer to one enqueued Spec.
type Receipt struct {
	// ID is that of the task that was made, or was there. With an Err it is the one
	// that the task was to have; one that was refused has not been made.
	ID    string
	State State // the one it is in
	// Duplicate says that no task was made: the id or the unique key was taken
	// by the task that ID names, which is in State.
	Duplicate bool
	// Err is set where the task was refused: ErrQueueFull.
	Err error
}
