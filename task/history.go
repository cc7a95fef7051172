package task

import "time"

// AttemptRecord is a failed or lost attempt in a task's history. Other attempts are not
// recorded. The history keeps the newest MaxHistory.
type AttemptRecord struct {
	Attempt int64         // number of the attempt, from 1
	Code    Code          // why it ended
	At      time.Time     // when it ended
	Run     time.Duration // from its claim to its end
	Replica string        // the replica that ran it
	Error   string        // what went wrong
	Log     string        // the tail that the handler set with Task.SetLog
}

// MaxHistory is the number of attempts that a task's history keeps.
const MaxHistory = 10
