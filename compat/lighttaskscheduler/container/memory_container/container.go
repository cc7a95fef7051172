// Package memeorycontainer makes containers. It has the names of the package of
// light-task-scheduler, but the tasks are in Redis: see lighttaskscheduler.EnvContainer.
package memeorycontainer

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
)

// MemeoryContainer is a container with a method to add tasks that ran before.
type MemeoryContainer interface {
	lighttaskscheduler.TaskContainer
	AddRunningTask(ctx context.Context, task lighttaskscheduler.Task) (err error)
}

// MakeQueueContainer returns a container for at most size waiting tasks; 0 is no bound. One
// more task is refused with pool.ErrQueueFull. The timeout has no effect.
func MakeQueueContainer(size uint32, timeout time.Duration) *lighttaskscheduler.Container {
	return lighttaskscheduler.EnvContainer(int(size))
}

// MakeOrderedMapContainer returns a container without a bound.
func MakeOrderedMapContainer() *lighttaskscheduler.Container {
	return lighttaskscheduler.EnvContainer(0)
}

// MakeredisContainer returns a container without a bound.
func MakeredisContainer() *lighttaskscheduler.Container { return lighttaskscheduler.EnvContainer(0) }
