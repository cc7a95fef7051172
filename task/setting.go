package task

import "time"

// Setting changes a limit, pause or cap of a running pool. A nil field changes nothing.
type Setting struct {
	Scope  Scope
	Name   string // of the queue or group; "" for PoolScope and GroupsScope
	Limit  *int   // 0 removes the setting; NoLimit sets no limit
	Pause  *bool  // pool and queues only
	MaxLen *int   // queues only; 0 and NoLimit remove the cap

	Rate  *Rate          // queues and groups only; the zero Rate removes the setting; NoRate sets no rate
	Aging *time.Duration // queues only; 0 and NoAging remove it; it changes only while no task of the queue waits or runs
}

// NoLimit is the limit, or the cap of a queue, that says "no limit" where zero means
// that nothing is set. A group with NoLimit is exempt from the limit of GroupsScope.
// NoLimit in a config replaces a limit that was set before.
const NoLimit = -1

// Scope is the object of a Setting.
type Scope string

// The scopes of a Setting.
const (
	PoolScope   Scope = "pool"
	QueueScope  Scope = "queue"
	GroupScope  Scope = "group"
	GroupsScope Scope = "groups" // the default of every group without a limit of its own
)

// Configured are the settings of a queue, a group, all groups or the pool in the config of
// replicas. They are zero if no config has had them. The live settings differ if they were
// changed since.
type Configured struct {
	Limit  int // NoLimit for a config that removes the limit
	MaxLen int
	Rate   Rate
	Aging  time.Duration
}
