package lighttaskscheduler

//lint:file-ignore ST1003 The names are those of light-task-scheduler.

import "context"

// TaskActuator runs tasks. Its methods are called concurrently, on the replica that runs
// the task. The pointers are to copies: a change of the task counts only if Init or Start
// returns it. The context of a call ends after five minutes, that of Stop after eight
// seconds.
type TaskActuator interface {
	// Init prepares a task before AddTask enqueues it. An error refuses the task.
	Init(ctx context.Context, task *Task) (newTask *Task, err error)

	// Start starts a try of the task and returns without waiting for its end. The TaskItem of
	// newTask is what the other methods get during this try. An error fails the try. With
	// ignoreErr the task goes back to its queue instead and no try is used; it starts again
	// after about a second. The context ends with the try, so it may be used for work in the
	// background.
	Start(ctx context.Context, task *Task) (newTask *Task, ignoreErr bool, err error)

	// GetOutput returns the data of a task that has succeeded, for the persistencer. It is
	// repeated after an error, up to ten times, also on another replica.
	GetOutput(ctx context.Context, task *Task) (data interface{}, err error)

	// Stop ends a running try, because of StopTask or a timeout. It is repeated after an
	// error for a few seconds.
	Stop(ctx context.Context, task *Task) error

	// GetAsyncTaskStatus returns the statuses of running tasks, in their order. An error
	// concerns all of them, and the call is repeated.
	GetAsyncTaskStatus(ctx context.Context, tasks []Task) (status []AsyncTaskStatus, err error)
}

// CallbackReceiver gives the scheduler the channel on which ends of tasks are reported.
type CallbackReceiver interface {
	// GetCallbackChannel is called once. A task on the channel has ended if its status is
	// TASK_STATUS_SUCCESS or TASK_STATUS_FAILED.
	GetCallbackChannel(ctx context.Context) (taskChannel chan Task)
}

// TaskdataPersistencer saves the data of tasks.
type TaskdataPersistencer interface {
	// DataPersistence saves the data that GetOutput returned. It is called before the task
	// becomes TASK_STATUS_SUCCESS, in any process of the pool, and repeated after an error. It
	// may be called again for data that it has saved, after a crash, so it must be idempotent.
	DataPersistence(ctx context.Context, task *Task, data interface{}) (err error)

	// GetPersistenceData returns saved data. The scheduler does not call it, pool.Result does.
	GetPersistenceData(ctx context.Context, task *Task) (data interface{}, err error)

	// DeletePersistenceData removes saved data. The scheduler does not call it.
	DeletePersistenceData(ctx context.Context, task *Task) (err error)
}

// TaskContainer keeps tasks. The containers of this package, and those of the packages in
// container, name a pool in Redis. Another implementation learns of the tasks: see
// Combination.
type TaskContainer interface {
	AddTask(ctx context.Context, task Task) (err error)
	GetRunningTask(ctx context.Context) (tasks []Task, err error)
	GetRunningTaskCount(ctx context.Context) (count int32, err error)
	GetWaitingTask(ctx context.Context, limit int32) (tasks []Task, err error)
	ToRunningStatus(ctx context.Context, task *Task) (newTask *Task, err error)
	ToStopStatus(ctx context.Context, task *Task) (newTask *Task, err error)
	ToDeleteStatus(ctx context.Context, task *Task) (newTask *Task, err error)
	ToFailedStatus(ctx context.Context, task *Task, reason error) (newTask *Task, err error)
	ToExportStatus(ctx context.Context, task *Task) (newTask *Task, err error)
	ToSuccessStatus(ctx context.Context, task *Task) (newTask *Task, err error)
	UpdateRunningTaskStatus(ctx context.Context, task *Task, status AsyncTaskStatus) error
}
