// Package container combines containers. It has the names of the package of
// light-task-scheduler.
package container

import (
	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	memeorycontainer "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container/memory_container"
	persistcontainer "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container/persist_container"
)

// MakeCombinationContainer returns a container whose tasks are in the pool of the first
// container, which a function of memeorycontainer has made, and that the second learns of.
func MakeCombinationContainer(memeoryContainer memeorycontainer.MemeoryContainer, persistContainer persistcontainer.PersistContainer) *lighttaskscheduler.Combination {
	base, _ := memeoryContainer.(*lighttaskscheduler.Container)
	return &lighttaskscheduler.Combination{Container: base, Own: persistContainer}
}
