package task

import "time"

// Event is one change of state of one task, or reports a late trigger: see Trigger. It is written to the event stream in the
// same atomic step as the change. One entry of the stream holds up to 50 events of one
// step that have the same state, kind, queue and code. Fields that could not be read
// are zero.
type Event struct {
	// Cursor is the position of the entry in the stream; reading continues after it.
	// All events of one entry have the same Cursor.
	Cursor string
	// More reports whether other events of the same entry follow. A reader stores
	// Cursor only after the last one. Pool.Events sets More.
	More bool

	ID      string // ID, Kind, Queue and Group are those of the task
	Kind    string
	Queue   string
	Group   string            // "" for none
	State   State             // the state after the change
	Code    Code              // why the attempt ended; CodeSlow for the soft timeout; "" for a plain enqueue, promotion or claim
	Attempt int64             // number of the attempt; 0 before the first
	Version int64             // version of the task: orders its events and identifies repeated ones
	Replica string            // the replica that runs or ran the attempt; "" for none
	At      time.Time         // by the store's clock
	Wait    time.Duration     // on claims: from due to claimed
	Run     time.Duration     // on ended attempts: from claimed to ended
	Error   string            // on failures; on a stop, the reason given with it
	Meta    map[string]string // on terminal events: the task's headers except those of its trace, and what SetMeta has set
	Orphan  string            // on terminal events: Task.Orphan
	// ThenID is the id of the task that follows, on a success of a task with Spec.Then.
	// ThenError says why it was not made.
	ThenID, ThenError string
	Result            []byte // on success, if it is at most MaxEventResult bytes
	// Exported is set on a success if an exporter has saved the result: Result is a Reference.
	Exported bool
	// ResultBytes is the length of a result that is longer than MaxEventResult and
	// therefore stored only in the task; else 0.
	ResultBytes int

	// Trigger is the name of a trigger that should have fired at Planned and had not at At. The
	// event is about no task: its other fields are zero.
	Trigger string
	Planned time.Time

	// Broken is set if a part of the entry could not be read, because another program
	// wrote it or damaged the record of its task. It says which part. An event that has
	// Broken and no ID belongs to no known task.
	Broken error
}

// MaxEventResult is the size, in bytes, up to which an event contains the result.
const MaxEventResult = 1024

// Lag is how far a subscription is behind the event stream. The numbers are
// approximate, because the stream is read in entries of up to 50 events.
type Lag struct {
	Unread    int // events that no consumer has read, without those that were trimmed
	Pending   int // events that were read and not yet acknowledged
	MaxEvents int // number of events that the pool keeps; older ones are trimmed, read or not
}
