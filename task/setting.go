package task

// Setting is a live setting of a pool, a queue or a group.
type Setting struct {
	Scope  Scope
	Name   string // the queue's or group's; "" for the pool and the group default
	Limit  *int   // 0 removes the limit
	Pause  *bool  // pool and queues only
	MaxLen *int   // queues only; 0 removes the cap
}

// Scope is what a Setting is about.
type Scope string

// The scopes of a Setting.
const (
	PoolScope   Scope = "pool"
	QueueScope  Scope = "queue"
	GroupScope  Scope = "group"
	GroupsScope Scope = "groups" // the default of every group without a limit of its own
)
