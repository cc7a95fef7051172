package pool

import (
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// The names of what a pool shows of its queues, replicas and tasks: see names.go.
type (
	// GroupInfo is a group of tasks at about one instant. See task.GroupInfo.
	//
	//	Name    string
	//	Limit   int  // running tasks over all replicas and queues; 0 is no limit
	//	Own     bool // Limit was set for this group, also if it is 0; false if it is the default limit
	//	Running int
	//	// Held is how many waiting tasks the limit or the rate blocks; 0 while the group has free
	//	// slots and tokens. A task that was waiting before the limit was set counts once a claim has
	//	// checked it.
	//	Held int
	//
	//	Rate    Rate // the zero Rate is no rate
	//	OwnRate bool // Rate was set for this group, also if it is no rate
	//	// RateUntil is when the next task may start if tasks wait only for the rate; zero if none do.
	//	RateUntil time.Time
	GroupInfo = task.GroupInfo
	// QueueInfo is a queue at one instant. See task.QueueInfo.
	//
	//	Name    string
	//	Waiting int
	//	Running int
	//	Limit   int // running tasks over all replicas; 0 is no limit
	//	MaxLen  int // 0 is no cap
	//	Paused  bool
	//	// GroupsFull reports that tasks wait and that the limits of their groups block all
	//	// of them. Tasks that no claim has checked count as not blocked.
	//	GroupsFull bool
	//	Rate       Rate // the zero Rate is no rate
	//	// RateUntil is when the next task may start if tasks wait only for the rate; zero if none do.
	//	RateUntil time.Time
	//	Aging     time.Duration // step per priority; 0 is strict priority
	//	// Lines are the lines of the queue with tasks that have labels, at most 16, and fewer in a
	//	// pool with many queues. Waiting includes them.
	//	Lines []LineInfo
	//	// MoreLines is how many lines are not in Lines.
	//	MoreLines int
	QueueInfo = task.QueueInfo
	// Stats is the pool at one instant. See task.Stats.
	//
	//	Queues    []QueueInfo // by name
	//	Scheduled int
	//	Hold      int // of the scheduled tasks, those on hold
	//	Waiting   int
	//	Running   int
	//	Parents   int // of the running tasks, parents: they are in no queue
	//	Outside   int // running tasks that are outside: a report ends them; none is in a slot
	//	// Full has the kinds of which as many results are staged as may be: none of their tasks starts.
	//	Full       []string
	//	Kept       map[State]int   // terminal tasks that can still be read
	//	Enqueued   int64           // tasks made since the pool exists
	//	Retried    int64           // retries of ended tasks by an operator
	//	Ended      map[State]int64 // tasks ended since the pool exists
	//	LeasesLost int64           // leases that ended without a report since the pool exists
	//	Inbox      int             // entries not yet admitted
	//	Rejected   int             // entries in the inbox's reject stream
	//	Events     int             // events in the event stream
	//	Replicas   int
	//	Limit      int // of the pool; 0 is no limit
	//	Paused     bool
	Stats = task.Stats
	// ReplicaInfo is a live replica as of its last heartbeat. See task.ReplicaInfo.
	//
	//	ID        string
	//	Host      string
	//	IP        string // see Host.IP
	//	PID       int
	//	Version   string
	//	StartedAt time.Time
	//	SeenAt    time.Time
	//	Silent    time.Duration // since SeenAt, by the store's clock
	//	Lease     time.Duration // how long the replica may be silent before other replicas get its tasks
	//	Draining  bool          // a drain was requested
	//	// DrainingSince is when a drain was requested or began; zero if the replica does not drain. It
	//	// waits for running tasks for DrainTimeout, then cancels them and waits for StopGrace. Both
	//	// are zero if the replica did not report them.
	//	DrainingSince           time.Time
	//	DrainTimeout, StopGrace time.Duration
	//	Refuses                 string         // why the replica takes no tasks for now, as its Config.Admit returned it; "" if it takes some
	//	Outages                 []Outage       // of servers that its tasks need, the oldest first
	//	Queues                  map[string]int // slots by queue, of at most 250 queues
	//	// Shared names, by queue, the slots that the queue shares with others. Queues then has the
	//	// number of these slots for each of the queues. It is nil for none.
	//	Shared map[string]string
	//	// Weights has the weight of each queue that shares slots.
	//	Weights   map[string]int
	//	Kinds     []string // that have a handler
	//	Disabled  []string // those of the Kinds that do not run here, at most 250
	//	Labels    []string // that the replica configures; see AllLabels
	//	Exclusive bool     // it takes only tasks that have a label
	//	Running   int
	//	Stuck     int
	//
	//	CalendarEnds map[string]time.Time // last day of the data of calendars of triggers whose data ends, of at most 250
	ReplicaInfo = task.ReplicaInfo
	// Host is where a replica runs, or ran until it left. See task.Host.
	//
	//	Name string // host name, as the operating system reports it
	//	// IP is the address from which the replica opens connections to Redis, as its own machine or
	//	// container sees it: "" if it is unknown, as with a Unix socket. Behind network address
	//	// translation, Redis sees another one. 127.0.0.1 or ::1 means that Redis, or a proxy for it,
	//	// runs on the same host.
	//	IP      string
	//	PID     int
	//	Version string // of the program, as worker.Config has it
	Host = task.Host
	// Reject is an inbox entry that could not become a task. See task.Reject.
	//
	//	ID     string    // its position among the rejected entries, such as "1700000000000-0"
	//	At     time.Time // when it was rejected
	//	Code   string    // "invalid", "duplicate", "queue_full" or "limit_reached"
	//	Reason string    // everything that is wrong with the entry, one line
	//	Task   string    // for "duplicate": the id of the task that has the id or the unique key
	//	Bytes  int       // the length of the entry
	//	Entry  string    // at most its first 16 KiB
	Reject = task.Reject
	// Health describes a replica at one instant. See worker.Health.
	//
	//	Slots    int           // over all queues
	//	Running  int           // slots in use, those of stuck handlers included
	//	Stuck    int           // handlers that were given up because they ignore their cancelled context
	//	Dropped  int64         // outcomes dropped since the start, because another replica may run the task
	//	Refused  int64         // refusals of Config.Admit since the start: answers of its calls, and calls that took too long
	//	Joined   bool          // the replica has joined the pool
	//	Draining bool          // the replica takes no more tasks and ends after the running ones
	//	Refuses  string        // why Config.Admit refuses new tasks; "" if it admits them
	//	Failing  time.Duration // how long calls to the store have been failing; 0 if they work
	Health = worker.Health
	// Maintenance is the result of one turn of Maintain. See task.Maintenance.
	//
	//	Busy  bool          // another replica holds the maintenance lock; nothing was done
	//	Inbox bool          // the inbox holds entries
	//	Next  time.Duration // until the next scheduled work; 0 if none is known
	//	// Shards is set if parents have children to make or to stop.
	//	Shards bool
	//	// Reports is set if the list of reports from outside has entries.
	//	Reports bool
	//	// TriggerEntries is set if triggers:inbox has entries.
	//	TriggerEntries bool
	//
	//	Claims   int // leases that ended before all their attempts were reported
	//	Lost     int // attempts that were taken back from these leases
	//	TimedOut int // attempts outside for which no report arrived in time
	//	Due      int // scheduled tasks that became waiting
	//	Late     int // tasks that ended because their TTL or deadline passed
	//	Removed  int // ended tasks whose retention passed
	//	Trimmed  int // events that were too many or too old
	//	Replicas int // silent replicas that were removed from the list
	//
	//	// LateTriggers names triggers that should have fired and have not, each once per planned
	//	// time.
	//	LateTriggers []string
	//
	//	// Repaired lists broken records that were repaired or renamed. A turn checks a part
	//	// of the records; later turns check the others. Repaired is also valid with an
	//	// error.
	//	Repaired []Finding
	Maintenance = task.Maintenance
	// AttemptRecord is an ended attempt in a task's history. See
	// task.AttemptRecord.
	//
	//	Attempt int64         // number of the attempt, from 1
	//	Code    Code          // why it ended: CodeOK for a success
	//	At      time.Time     // when it ended
	//	Run     time.Duration // from its claim to its end, or until its loss was noticed
	//	Replica string        // the replica that ran it
	//	Error   string        // what went wrong; "" for a success or a release
	//	Log     string        // the end of its log: see Task.LogWriter; "" for none
	//	LogSize int64         // bytes that the attempt wrote to its log
	AttemptRecord = task.AttemptRecord
	// Scope is the object of a limit: the pool, a queue, a group, or all groups without
	// a limit of their own. See task.Scope.
	Scope = task.Scope
	// Finding is the result of one check of an inspection. See task.Finding.
	//
	//	Severity Severity
	//	Check    string // what was checked: "version", "eviction", "entries" …
	//	Code     string // what was found, as a stable word: "queue_unserved", "bad_record" …
	//	Key      string // the key concerned; "" for none
	//	Task     string // the id of the task concerned; "" for none
	//	What     string // what was found
	//	Do       string // what to do about it; "" if nothing has to be done
	//	Fixed    string // what the inspection did about it; "" for nothing
	//
	//	// Figures are the numbers in What by name, such as "used_bytes"; nil for none.
	//	// Durations are in ms.
	//	Figures map[string]float64
	//	// Values are the names and texts in What and Do by name, such as "queue"; nil for none.
	//	Values map[string]string
	Finding = task.Finding
	// Inspection configures an inspection. See task.Inspection.
	//
	//	// Brief leaves out the records of tasks and all other keys that an inspection walks: what is left
	//	// costs the same in a pool of any size.
	//	Brief bool
	//	// Fix repairs broken records. It renames a key that it cannot repair. It changes no
	//	// settings of the server.
	//	Fix bool
	//	// Progress is called repeatedly with the number of records checked so far and the
	//	// approximate total. It may be nil.
	//	Progress func(checked, total int)
	Inspection = task.Inspection
	// Severity is how much a Finding matters. See task.Severity.
	Severity = task.Severity
)
