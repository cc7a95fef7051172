package worker

import (
	"context"
	"time"
)

// Store is what a replica needs of the place that keeps the tasks. Every method
// is one atomic step or a sequence of them and may be called by several goroutines
// at once. A call may be repeated after an error: a step whose reply was lost has
// the same effect as one whose reply arrived. Errors begin with the name of the
// step.
type Store interface {
	// Join announces a replica before its first claim and publishes its limits
	// and policies. Conflicts with what other replicas configured are returned as
	// warnings for the log. It fails with ErrSchema if the pool was written by
	// a version that this one does not understand.
	Join(ctx context.Context, r Registration) (warnings []string, err error)

	// Exchange delivers reports and claims tasks in one step: reports first, so
	// that the slots they free can be claimed at once. An error means that nothing
	// is known of either: the caller repeats the same Exchange, unchanged, under the
	// same call number. With ErrNotJoined the verdicts are valid and nothing was
	// claimed: the pool does not know the replica, which cancels what it holds and
	// joins under a new id. The slices of x are the caller's again when it returns.
	Exchange(ctx context.Context, x Exchange) (Exchanged, error)

	// Renew extends the leases of the claims that it names, carries progress, and is
	// the replica's heartbeat. A claim that it does not name lapses. Its answer
	// is valid with ErrNotJoined, too: then the replica must Join again; and with
	// ErrDrain: then the replica was asked to drain.
	Renew(ctx context.Context, r Renewal) (Renewed, error)

	// Listen blocks until the replica's doorbell rings or wait has passed (a zero
	// Signal).
	Listen(ctx context.Context, replica string, wait time.Duration) (Signal, error)

	// Ring makes the replica's Listen return with Bell set, now or when it is
	// called next.
	Ring(ctx context.Context, replica string) error

	// AwaitInbox blocks until the inbox has an entry or wait has passed.
	AwaitInbox(ctx context.Context, wait time.Duration) (bool, error)

	// AdmitInbox turns one batch of inbox entries into tasks or rejects and
	// reports whether more are left.
	AdmitInbox(ctx context.Context) (more bool, err error)

	// Maintain runs one turn of the pool's maintenance: ended leases, expired tasks,
	// retention, trimming of the event stream, dead replicas. If another
	// replica did so within the last second it does nothing and returns Busy.
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
	Up       time.Duration // since it started: more than zero if it joins again
	Queues   map[string]QueueConfig
	Kinds    map[string]Policy // every kind it has a handler for
	Limits   Limits
	MaxEvent int           // tasks whose events the stream keeps at most; 0 keeps what is set
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

// The bounds of one Exchange. They keep the store busy for a few milliseconds
// only.
const (
	MaxClaim      = 200     // tasks that one Exchange claims, over all queues
	MaxReports    = 200     // reports in one Exchange
	MaxReportSize = 4 << 20 // bytes of results, errors and logs in one Exchange; one report always fits
	MaxQueues     = 64      // queues that one Exchange claims from, and that it answers as Ready
)

// Exchange is one round trip of a replica. A replica has two lanes, each with call
// numbers of its own that start at 1 and grow by one with every answered call. The
// next call of a lane is made after the answer to the last.
type Exchange struct {
	Replica string
	Lane    int   // 1 or 2
	Call    int64 // repeating a number repeats the answer; a lower one does nothing and fails

	Lease time.Duration // how long a silent replica keeps what it claims
	Grace time.Duration // how far past the attempts' own bound a lease may reach

	Reports []Report // at most MaxReports and, but for one, MaxReportSize
	Claims  []Claim  // at most MaxQueues, and MaxClaim tasks in all

	// Draining says that the replica takes no more tasks: it is not told of ready
	// queues, and not woken for them.
	Draining bool
	// Idle says that the replica has free slots in queues that it does not claim
	// from. If no queue is ready for it, it is then woken through its
	// doorbell when one is. A replica whose claim comes back short is woken, too.
	// A replica that is woken for a queue asks for it, or names it as Busy.
	Idle bool
	// Busy are queues that the replica was told are ready and cannot take tasks
	// from, at most 4*MaxQueues. Another idle replica is woken for each, and they are not
	// told again in this answer.
	Busy []string
}

// Claim asks for tasks of one queue.
type Claim struct {
	Queue string
	N     int // free slots
}

// Op is what a report does with its attempt.
type Op int

// The reports a replica can make of an attempt.
const (
	Succeed Op = iota // the task has succeeded
	Fail              // the attempt failed: retried, or failed or stopped for good, as policy and code say
	Release           // given back without using an attempt
)

// Report is the end of one attempt.
type Report struct {
	ID    string
	Queue string
	Fence int64 // of its claim
	Last  bool  // the replica knows of no other open attempt of the claim
	Op    Op
	Code  Code

	Result []byte // Succeed: nil for none
	Error  string // Fail: what went wrong, valid UTF-8
	Log    string // Fail: the tail of the attempt's log, kept in its history

	// Delay is when the task may start again: on Fail it replaces the backoff
	// if DelaySet is true, on Release it is how long the task pauses.
	Delay    time.Duration
	DelaySet bool
}

// Exchanged is the answer to an Exchange.
type Exchanged struct {
	Verdicts []Verdict // in the order of the reports
	Claimed  []Claimed // what was claimed; a queue may have several, or none
	// Short has one element per Claim, in their order: true if the queue has no more
	// claimable tasks for now. The replica is woken when it has.
	Short []bool
	// Ready are queues of the replica that have claimable tasks, at most MaxQueues. A
	// repeated answer may have none: the replica makes another exchange to learn of them.
	Ready []string
	Stops []Attempt // attempts of the replica that were asked to stop and have not ended
	Drain bool      // the replica was asked to drain

	Now  time.Time     // the store's clock
	Next time.Duration // until the next scheduled task is due; 0 if none is scheduled
}

// Claimed is a batch of tasks of one queue under one fence and one lease.
type Claimed struct {
	Queue   string
	Fence   int64
	Started time.Time     // by the store's clock; earlier than Now if the answer is repeated
	Left    time.Duration // how long the attempts may take from Now on; Forever if nothing bounds them
	Tasks   []*Task
}

// Attempt names one attempt of a task.
type Attempt struct {
	ID    string
	Fence int64
}

// Verdict is what became of a report or of a claim that was renewed.
type Verdict string

// The verdicts on reports and renewals.
const (
	Accepted  Verdict = "ok"      // report: written
	Kept      Verdict = "kept"    // renewal: the lease is extended
	Recount   Verdict = "recount" // renewal: extended; the store holds more attempts of the claim than the replica named: name their ids
	LeaseLost Verdict = "lost"    // either: the attempt is not the task's current one, or the claim has ended; nothing changed
	Gone      Verdict = "gone"    // report: there is no such task any more
)

// Renewal is a replica's heartbeat with the claims it holds.
type Renewal struct {
	Replica string
	Lease   time.Duration
	Grace   time.Duration
	Held    []HeldClaim
	News    []News
	Running int // attempts in all
	Stuck   int // slots taken by handlers that ignore their context

	Draining bool // it claims no more
}

// HeldClaim is a claim whose lease is to be renewed.
type HeldClaim struct {
	Fence int64
	Held  int           // attempts of it that the replica has not seen accepted as ended
	Left  time.Duration // until the attempts' bound, by the replica's monotonic clock; negative once it has passed; Forever if nothing bounds them
	// IDs are the attempts held. They are set only in answer to a Recount: the
	// store takes the others of the claim back.
	IDs []string
}

// News is what a running attempt has to say.
type News struct {
	ID       string
	Fence    int64
	Progress []byte // what the handler last reported; nil if there is nothing new
	Slow     bool   // the soft timeout passed since the last renewal
}

// Renewed is the answer to a Renewal.
type Renewed struct {
	Verdicts []Verdict // in the order of Held: Kept, Recount or LeaseLost
	Stops    []Attempt // attempts of the replica that were asked to stop and have not ended
}

// Signal is why Listen returned.
type Signal struct {
	Bell  bool   // the replica's doorbell rang for another reason than a queue: renew and exchange now
	Drain bool   // the replica was asked to drain
	Queue string // this queue has claimable tasks; "" for none
}

// Upkeep is what a turn of Maintain found.
type Upkeep struct {
	Busy  bool          // another replica holds the maintenance lock; nothing was looked at
	Inbox bool          // the inbox holds entries
	Next  time.Duration // until something is due again; 0 if nothing is known to be

	Claims   int // leases that ended without a report of all their attempts
	Lost     int // attempts that were taken back from them
	Due      int // scheduled tasks that became waiting
	Late     int // tasks that ended because their TTL or deadline had passed
	Removed  int // ended tasks that were kept long enough
	Trimmed  int // events that were too many or too old
	Replicas int // silent replicas that were taken off the list

	// Mended is what was broken and has been repaired or moved out of the way. A
	// little is looked at in every turn, all of it in time. It is valid with an
	// error, too.
	Mended []Finding
}
