package task

import "time"

// AttemptRecord is one entry of a task's history. Only attempts that failed or
// were lost leave one; the newest MaxHistory are kept.
type AttemptRecord struct {
	Attempt int64         // its number, from 1
	Code    Code          // why it ended
	At      time.Time     // when it ended
	Run     time.Duration // from its claim to its end
	Replica string        // who ran it
	Error   string        // what went wrong
	Log     string        // the end of its log, where its handler kept one
}

// MaxHistory is how many attempts a task's history keeps.
const MaxHistory = 10
