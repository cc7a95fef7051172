package task

import "time"

// AttemptRecord is an ended attempt in a task's history: one that failed, was stopped or
// was lost, or one that succeeded or was released and has a log. Of successive releases
// only the last is recorded. The history keeps the newest MaxHistory.
type AttemptRecord struct {
	Attempt int64         // number of the attempt, from 1
	Code    Code          // why it ended: CodeOK for a success
	At      time.Time     // when it ended
	Run     time.Duration // from its claim to its end, or until its loss was noticed
	Replica string        // the replica that ran it
	Error   string        // what went wrong; "" for a success or a release
	Log     string        // the end of its log: see Task.LogWriter; "" for none
	LogSize int64         // bytes that the attempt wrote to its log
}

// MaxHistory is the number of attempts that a task's history keeps.
const MaxHistory = 10
