package record

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Log is an attempt in the JSON output of logs.
type Log struct {
	ID    string     `json:"id"`
	State task.State `json:"state,omitempty"` // running if the attempt has not ended
	AttemptInfo
}

// Running describes the attempt that runs, with a part of its log. now is the time of Redis.
func Running(t *task.Task, log string, now time.Time) Log {
	return Log{t.ID, task.Running, AttemptInfo{
		Attempt: t.Attempt, RunMS: max(now.Sub(t.StartedAt).Milliseconds(), 0), Replica: t.Replica, Log: log, LogSize: t.LogSize,
	}}
}
