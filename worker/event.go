package worker

import "time"

// Event is one entry of the callback stream: one change of state of one task,
// written in the same atomic step as the change.
type Event struct {
	// Cursor is the position in the stream; reading continues after it.
	Cursor string

	ID      string // of the task, as Kind and Queue
	Kind    string
	Queue   string
	State   State             // the state after the change
	Code    Code              // why the attempt ended; CodeSlow for the soft timeout; "" for a plain enqueue, promotion or claim
	Attempt int64             // the number of the attempt concerned; 0 before the first
	Version int64             // the task's own version: orders the events of one task and shows repeats
	Replica string            // whose attempt it is; "" where none is concerned
	At      time.Time         // by the clock of Redis
	Wait    time.Duration     // on claims: from due to claimed
	Run     time.Duration     // on ended attempts: from claimed to ended
	Error   string            // on failures; on a stop the reason given with it
	Meta    map[string]string // the task's headers, on terminal events
	Result  []byte            // on success, where it is at most EventResultMax bytes
	// ResultBytes is the length of a result that is longer than that, and only in
	// its task; else 0.
	ResultBytes int
}

// EventResultMax is the size up to which a result travels inside its event.
const EventResultMax = 1024
