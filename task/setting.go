package task

// Setting changes a limit, pause or cap of a running pool. A nil field changes nothing.
type Setting struct {
	Scope  Scope
	Name   string // of the queue or group; "" for PoolScope and GroupsScope
	Limit  *int   // 0 removes the limit
	Pause  *bool  // pool and queues only
	MaxLen *int   // queues only; 0 removes the cap
}

// Scope is the object of a Setting.
type Scope string

// The scopes of a Setting.
const (
	PoolScope   Scope = "pool"
	QueueScope  Scope = "queue"
	GroupScope  Scope = "group"
	GroupsScope Scope = "groups" // the default of every group without a limit of its own
)
