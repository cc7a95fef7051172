package task

import "time"

// Event is one change of state of one task, written to the event stream in the same
// atomic step as the change. An entry of the stream holds the events of one step that
// have state, kind, queue and code in common, 50 at most. What could not be read of an
// entry is left zero.
type Event struct {
	// Cursor is the position of the entry in the stream; reading continues after it.
	// All events of an entry have the same.
	Cursor string
	// More says that other events of the same entry follow: Cursor is to be stored
	// only with the last. Pool.Events sets it.
	More bool

	ID      string // of the task, as Kind and Queue
	Kind    string
	Queue   string
	Group   string            // "" for none
	State   State             // the state after the change
	Code    Code              // why the attempt ended; CodeSlow for the soft timeout; "" for a plain enqueue, promotion or claim
	Attempt int64             // the number of the attempt concerned; 0 before the first
	Version int64             // the task's own version: orders the events of one task and shows repeats
	Replica string            // whose attempt it is; "" where none is concerned
	At      time.Time         // by the store's clock
	Wait    time.Duration     // on claims: from due to claimed
	Run     time.Duration     // on ended attempts: from claimed to ended
	Error   string            // on failures; on a stop the reason given with it
	Meta    map[string]string // the task's headers, on terminal events
	Result  []byte            // on success, where it is at most MaxEventResult bytes
	// ResultBytes is the length of a result that is longer than that, and only in
	// its task; else 0.
	ResultBytes int

	// Broken says what of the entry could not be read, because something else than
	// this program wrote it, or spoiled the record of its task; nil for nothing. One
	// without even an ID is of no task.
	Broken error
}

// MaxEventResult is the size up to which a result travels inside its event.
const MaxEventResult = 1024

// Lag is how far the readers of a subscription are behind the event stream. The stream
// is read in entries of up to 50 events, so that the numbers are about right.
type Lag struct {
	Unread    int // events that none of them has read; not those that were trimmed
	Pending   int // events that were read and are not acknowledged
	MaxEvents int // how many events the pool keeps: those beyond are trimmed, read or not
}
