// Package lighttaskscheduler runs programs that are written for light-task-scheduler
// (github.com/memory-overflow/light-task-scheduler) on a pool in Redis. It has the names
// of that library. To move a program over, change the import paths:
//
//	github.com/memory-overflow/light-task-scheduler/…
//	github.com/ltsworker/ltsworker/compat/lighttaskscheduler/…
//
// and register the type of Task.TaskItem, because Redis keeps a text and not a Go value:
//
//	lighttaskscheduler.Register(AddTask{})
//
// # Where the tasks are
//
// The containers of memory_container name a pool in Redis: the server of LTS_REDIS and the
// pool of LTS_POOL. Without these variables they name redis://127.0.0.1:6379/0 and a pool
// with the name of the program. NewContainer names any other store. Tasks survive the
// program, and several processes of it share them and Config.TaskLimit. A container of the
// program learns of the changes: see Combination.
//
// # How a task runs
//
// MakeScheduler starts a replica of the pool. AddTask calls TaskActuator.Init and enqueues
// the task. An actuator made by actuator.MakeFucntionActuator is a plain handler. Any other
// one is an executor of package executor/async: an attempt calls Start, waits for the end,
// which GetAsyncTaskStatus or a callback reports, and then, if there is a persistencer,
// calls GetOutput. An exporter of the pool calls DataPersistence. Timeouts, stops, retries,
// limits and lost replicas are those of the pool.
//
// The page docs/from-light-task-scheduler.md maps every type, option and status, and says
// what differs.
package lighttaskscheduler
