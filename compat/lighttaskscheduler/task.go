package lighttaskscheduler

//lint:file-ignore ST1003 The names are those of light-task-scheduler.

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// TaskStatus is the status of a task.
type TaskStatus int32

// The statuses of a task.
const (
	TASK_STATUS_INVALID   TaskStatus = 0
	TASK_STATUS_UNSTART   TaskStatus = 1 // scheduled: waits for its next try
	TASK_STATUS_WAITING   TaskStatus = 2 // waiting
	TASK_STATUS_RUNNING   TaskStatus = 3 // running
	TASK_STATUS_SUCCESS   TaskStatus = 4 // succeeded
	TASK_STATUS_FAILED    TaskStatus = 5 // failed, or expired
	TASK_STATUS_STOPED    TaskStatus = 6 // stopped
	TASK_STATUS_DELETE    TaskStatus = 7 // removed; no task has it
	TASK_STATUS_EXPORTING TaskStatus = 8 // exporting: its data is saved
)

// statusOf returns the status for a state of the pool.
func statusOf(s task.State) TaskStatus {
	switch s {
	case task.Scheduled:
		return TASK_STATUS_UNSTART
	case task.Waiting:
		return TASK_STATUS_WAITING
	case task.Running:
		return TASK_STATUS_RUNNING
	case task.Exporting:
		return TASK_STATUS_EXPORTING
	case task.Succeeded:
		return TASK_STATUS_SUCCESS
	case task.Failed, task.Expired:
		return TASK_STATUS_FAILED
	case task.Stopped:
		return TASK_STATUS_STOPED
	}
	return TASK_STATUS_INVALID
}

// Task is a task of the scheduler.
type Task struct {
	// TaskId names the task. Required. A second AddTask with the id of a live task makes no
	// second task.
	TaskId string
	// TaskPriority orders waiting tasks, higher first. Values beyond -128 and 127 are cut.
	TaskPriority int
	// TaskItem is what the actuator works on. Its type must be registered: see Register.
	TaskItem interface{}

	// The scheduler sets the other fields.

	TaskStartTime    time.Time // when the try began
	TaskEnbTime      time.Time // when the task ended
	TaskStatus       TaskStatus
	FailedReason     error // a *pool.TaskError on ended tasks
	TaskAttemptsTime int32 // the number of retries so far
}

// AsyncTaskStatus is what an actuator says about a task that it has started.
type AsyncTaskStatus struct {
	TaskStatus   TaskStatus
	FailedReason error
	// Progress becomes the progress of the task, as JSON, if it is not nil and at most
	// task.MaxProgress bytes long.
	Progress interface{}
}
