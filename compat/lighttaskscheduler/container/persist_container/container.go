// Package persistcontainer has the name of the package of light-task-scheduler.
package persistcontainer

import "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"

// PersistContainer is a container whose tasks survive the program, as all containers of
// lighttaskscheduler do.
type PersistContainer lighttaskscheduler.TaskContainer
