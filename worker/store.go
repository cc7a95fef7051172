package worker

import (
	"context"
	"time"
)

// Store is what a replica needs of the place that keeps the tasks. Every method
// is one atomic step or a bundle of them, may be called by several goroutines at
// once, and may be repeated after an error: a step whose reply was lost has the
// same effect as one whose reply arrived. Errors begin with the name of the step.
type Store interface {
	// Join announces a replica before its first claim and publishes its limits
	// and policies. Conflicts with what other replicas configured come back as
	// warnings for the log. It fails with ErrSchema where the pool was written by
	// a version that this one does not understand.
	Join(ctx context.Context, r Registration) (warnings []string, err error)

	// Exchange delivers reports and asks for tasks in one round trip: reports
	// first, so that the slots they free can be claimed again at once. The
	// verdicts are in the order of the reports, the answers in the order of the
	// claims. An error means that nothing is known of either; ErrNotJoined that the
	// pool has forgotten the replica, which must Join again before it claims: until
	// then the pool may not know its limits. The slices are the caller's again when
	// it returns.
	Exchange(ctx context.Context, reports []Report, claims []Claim) ([]Verdict, []Claimed, error)

	// Renew extends the leases of the held attempts, carries their progress, and
	// is the replica's heartbeat. The verdicts are in the order of r.Held.
	// They are valid with ErrNotJoined, too: then the replica must Join again; and
	// with ErrDrain: then somebody has asked it to drain.
	Renew(ctx context.Context, r Renewal) ([]Verdict, error)

	// Listen blocks until the replica's doorbell rings, one of the queues has
	// claimable tasks, or wait has passed (a zero Signal). A queue's marker wakes
	// one listener only: whoever cannot use it passes it on with Wake.
	Listen(ctx context.Context, replica string, queues []string, wait time.Duration) (Signal, error)

	// Ring makes the replica's Listen return with Bell set, now or when it is
	// called next.
	Ring(ctx context.Context, replica string) error

	// Wake leaves a marker for the queue if something in it can be claimed.
	Wake(ctx context.Context, queue string) error

	// AwaitInbox blocks until the inbox has an entry or wait has passed.
	AwaitInbox(ctx context.Context, wait time.Duration) (bool, error)

	// AdmitInbox turns one batch of inbox entries into tasks or rejects and
	// reports whether more are left.
	AdmitInbox(ctx context.Context) (more bool, err error)

	// Maintain takes one turn of the pool's upkeep: ended leases, expired tasks,
	// retention, trimming of the event stream, dead replicas. Where another
	// replica did so within the last second it does nothing and says Busy.
	Maintain(ctx context.Context, replica string) (Upkeep, error)

	// Leave takes the replica off the list. Tasks it still holds stay with it
	// until their leases end.
	Leave(ctx context.Context, replica string) error
}

// Registration is what a replica says of itself when it joins.
type Registration struct {
	Replica  string
	Host     string
	PID      int
	Version  string
	Lease    time.Duration
	Up       time.Duration // since it started: more than nothing where it joins again
	Queues   map[string]QueueConfig
	Kinds    map[string]Policy // every kind it has a handler for
	Limits   Limits
	MaxEvent int           // entries the event stream keeps at most; 0 keeps what is set
	EventAge time.Duration // how long the event stream keeps an entry; 0 keeps what is set
}

// QueueConfig is one queue as a replica serves it. Limit and MaxLen hold in the
// pool once the replica has joined; 0 leaves what is set there as it is, at first
// none.
type QueueConfig struct {
	Workers int // slots in this replica
	Limit   int // running tasks over all replicas
	MaxLen  int // waiting tasks beyond which enqueues are refused with ErrQueueFull; scheduled ones do not count
}

// Limits bound how many tasks run at once over all replicas, once the replica has
// joined. Zero leaves what is set in the pool as it is, at first no limit.
type Limits struct {
	Pool         int
	DefaultGroup int            // for every group without one of its own
	Groups       map[string]int // by group
}

// Op is what a report does with its attempt.
type Op int

// The reports a replica can make of an attempt.
const (
	Succeed Op = iota // the task has succeeded
	Fail              // the attempt failed: retried, or failed or stopped for good, as policy and code say
	Release           // given back without using an attempt
)

// Report is the end of one attempt, as its replica tells it.
type Report struct {
	ID    string
	Fence int64
	Op    Op
	Code  Code

	Result []byte // Succeed: nil for none
	Error  string // Fail: what went wrong, valid UTF-8
	Log    string // Fail: the tail of the attempt's log, kept in its history

	// Delay is when the task may start again: on Fail it replaces the backoff
	// where DelaySet is true, on Release it is how long the task pauses.
	Delay    time.Duration
	DelaySet bool
}

// MaxClaim is how many tasks one claim hands out at most, so that it keeps the
// store busy for a few milliseconds only.
const MaxClaim = 250

// Claim asks for tasks of one queue.
type Claim struct {
	Replica string
	Queue   string
	N       int           // free slots, at most MaxClaim; 0 only asks again for what a lost reply carried
	Lease   time.Duration // how long a silent replica keeps them
	Grace   time.Duration // how far past the attempt's own timeout a lease may reach
	// Call numbers the replica's claims of this queue. Repeating a number repeats
	// the answer instead of claiming more.
	Call int64
}

// Claimed is the answer to a Claim.
type Claimed struct {
	Tasks []*Task
	Now   time.Time     // the store's clock
	Next  time.Duration // until the next scheduled task is due; 0 where none is scheduled
}

// Verdict is what became of a report or a renewal.
type Verdict string

// The verdicts on reports and renewals.
const (
	Accepted      Verdict = "ok"      // report: written
	Already       Verdict = "already" // report: this attempt had been reported before; nothing changed
	Kept          Verdict = "kept"    // renewal: the lease is extended
	StopRequested Verdict = "stop"    // renewal: extended, but somebody asked for the task's end
	LeaseLost     Verdict = "lost"    // either: the attempt is not the task's current one; nothing changed
	Gone          Verdict = "gone"    // either: there is no such task any more
)

// Renewal is a replica's heartbeat with the attempts it holds.
type Renewal struct {
	Replica string
	Lease   time.Duration
	Grace   time.Duration
	Held    []Held
	Stuck   int // slots taken by handlers that ignore their context

	Draining bool // it claims no more
}

// Held is one attempt whose lease is to be renewed.
type Held struct {
	ID       string
	Fence    int64
	Progress []byte // what the handler last reported; nil where there is nothing new
	Slow     bool   // the soft timeout passed since the last renewal
}

// Signal is why Listen returned.
type Signal struct {
	Bell  bool   // the replica's doorbell: renew now, a stop may have been requested
	Drain bool   // … and it was rung by somebody who asks the replica to drain
	Queue string // a marker of this queue was taken; "" for none
}

// Upkeep is what a turn of Maintain found.
type Upkeep struct {
	Busy  bool          // another replica was at it; nothing was looked at
	Inbox bool          // the inbox holds entries
	Next  time.Duration // until something is due again; 0 where nothing is known to be

	Lost     int // leases that ended without a report
	Due      int // scheduled tasks that went into their lines
	Late     int // tasks that ended because their TTL or deadline had passed
	Removed  int // ended tasks that were kept long enough
	Trimmed  int // events that were too many or too old
	Replicas int // silent replicas that were taken off the list

	// Mended is what was broken and has been repaired or moved out of the way: a
	// little is looked at in every turn, all of it in time. It is valid with an
	// error, too.
	Mended []Finding
}
