package task

import "time"

// QueueInfo is a queue at one instant.
type QueueInfo struct {
	Name    string
	Waiting int
	Running int
	Limit   int // running tasks over all replicas; 0 is no limit
	MaxLen  int // 0 is no cap
	Paused  bool
	// GroupsFull reports that tasks wait and that the limits of their groups block all
	// of them. Tasks that no claim has checked count as not blocked.
	GroupsFull bool
	Rate       Rate // the zero Rate is no rate
	// RateUntil is when the next task may start if tasks wait only for the rate; zero if none do.
	RateUntil time.Time
	Aging     time.Duration // step per priority; 0 is strict priority
	// Lines are the lines of the queue with tasks that have labels, at most 16, and fewer in a
	// pool with many queues. Waiting includes them.
	Lines []LineInfo
	// MoreLines is how many lines are not in Lines.
	MoreLines int
}

// LineInfo is a line: the tasks of a queue that have the same labels.
type LineInfo struct {
	Labels  []string `json:"labels"`
	Waiting int      `json:"waiting"`
}

// QueueRate is the number of tasks of a queue that were enqueued and that ended, per
// second.
type QueueRate struct{ In, Out float64 }

// GroupInfo is a group of tasks at about one instant.
type GroupInfo struct {
	Name    string
	Limit   int  // running tasks over all replicas and queues; 0 is no limit
	Own     bool // Limit was set for this group, also if it is 0; false if it is the default limit
	Running int
	// Held is how many waiting tasks the limit or the rate blocks; 0 while the group has free
	// slots and tokens. A task that was waiting before the limit was set counts once a claim has
	// checked it.
	Held int

	Rate    Rate // the zero Rate is no rate
	OwnRate bool // Rate was set for this group, also if it is no rate
	// RateUntil is when the next task may start if tasks wait only for the rate; zero if none do.
	RateUntil time.Time
}

// Full reports whether the group's limit is reached.
func (g GroupInfo) Full() bool { return g.Limit > 0 && g.Running >= g.Limit }

// Stats is the pool at one instant. In a pool with more than 150 queues, the queues
// after these are read a moment later. At every instant Enqueued + Retried equals the
// number of live tasks plus the Ended ones.
type Stats struct {
	Queues    []QueueInfo // by name
	Scheduled int
	Hold      int // of the scheduled tasks, those on hold
	Waiting   int
	Running   int
	Parents   int // of the running tasks, parents: they are in no queue
	Outside   int // running tasks that are outside: a report ends them; none is in a slot
	// Full has the kinds of which as many results are staged as may be: none of their tasks starts.
	Full       []string
	Kept       map[State]int   // terminal tasks that can still be read
	Enqueued   int64           // tasks made since the pool exists
	Retried    int64           // retries of ended tasks by an operator
	Ended      map[State]int64 // tasks ended since the pool exists
	LeasesLost int64           // leases that ended without a report since the pool exists
	Inbox      int             // entries not yet admitted
	Rejected   int             // entries in the inbox's reject stream
	Events     int             // events in the event stream
	Replicas   int
	Limit      int // of the pool; 0 is no limit
	Paused     bool
}

// ReplicaInfo is a live replica as of its last heartbeat.
type ReplicaInfo struct {
	ID        string
	Host      string
	IP        string // see Host.IP
	PID       int
	Version   string
	StartedAt time.Time
	SeenAt    time.Time
	Silent    time.Duration // since SeenAt, by the store's clock
	Lease     time.Duration // how long the replica may be silent before other replicas get its tasks
	Draining  bool          // a drain was requested
	// DrainingSince is when a drain was requested or began; zero if the replica does not drain. It
	// waits for running tasks for DrainTimeout, then cancels them and waits for StopGrace. Both
	// are zero if the replica did not report them.
	DrainingSince           time.Time
	DrainTimeout, StopGrace time.Duration
	Refuses                 string         // why the replica takes no tasks for now, as its Config.Admit returned it; "" if it takes some
	Outages                 []Outage       // of servers that its tasks need, the oldest first
	Queues                  map[string]int // slots by queue, of at most 250 queues
	// Shared names, by queue, the slots that the queue shares with others. Queues then has the
	// number of these slots for each of the queues. It is nil for none.
	Shared map[string]string
	// Weights has the weight of each queue that shares slots.
	Weights   map[string]int
	Kinds     []string // that have a handler
	Disabled  []string // those of the Kinds that do not run here, at most 250
	Labels    []string // that the replica configures; see AllLabels
	Exclusive bool     // it takes only tasks that have a label
	Running   int
	Stuck     int

	CalendarEnds map[string]time.Time // last day of the data of calendars of triggers whose data ends, of at most 250
}
