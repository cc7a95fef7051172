package task

import "time"

// The bounds of one Exchange. They keep its time in the store to a few milliseconds.
const (
	MaxClaim      = 200     // tasks that one Exchange claims, over all queues
	MaxReports    = 200     // reports in one Exchange
	MaxReportSize = 4 << 20 // bytes of results, errors and logs in one Exchange; one report always fits
	MaxQueues     = 64      // queues that one Exchange claims from, and that Exchanged.Ready lists
)

// Exchange is one request of a replica: it reports attempts and claims tasks. A replica
// has two request sequences. The call numbers of each start at 1 and grow by one with
// every answered call. A sequence makes its next call after the answer to the last.
type Exchange struct {
	Replica  string
	Sequence int   // 1 or 2
	Call     int64 // the same number again repeats the answer; a lower number fails without effect

	Lease time.Duration // how long a silent replica keeps the tasks that it claims
	Grace time.Duration // how far a lease may extend past the attempts' own bound

	Reports []Report // at most MaxReports, and MaxReportSize bytes unless there is only one
	Claims  []Claim  // at most MaxQueues, for MaxClaim tasks in total

	// Closed is set if the replica takes no tasks: it drains, or its admission refuses
	// them. The answer then lists no ready queues, and the replica gets no signals for
	// them.
	Closed bool
	// Idle is set if the replica has free slots in queues that it does not claim from.
	// If none of its queues is ready, the store then signals the replica when one
	// becomes ready. A replica whose claim is answered short is signalled, too. A
	// replica that gets a signal for a queue claims from it or lists it in Busy.
	Idle bool
	// Busy lists ready queues from which the replica cannot take tasks, at most
	// 4*MaxQueues. The store signals another idle replica for each of them and does not
	// list them in this answer.
	Busy []string
}

// Claim requests tasks of one queue.
type Claim struct {
	Queue string
	N     int // free slots
}

// Op is the effect of a report on its attempt.
type Op int

// The ops of a Report.
const (
	Succeed  Op = iota // the task has succeeded
	Fail               // the attempt failed: policy and code decide whether the task is retried, failed or stopped
	Release            // the task goes back to its queue without using an attempt
	Detached           // the attempt continues outside of the replica until a report from outside ends it
)

// Report is the end of one attempt.
type Report struct {
	ID    string
	Queue string
	Fence int64 // of the claim
	Last  bool  // the replica knows of no other open attempt of the claim
	Op    Op
	Code  Code

	Result []byte // Succeed: nil for none
	Stage  bool   // Succeed with a result: an exporter saves it before the task has succeeded
	Error  string // Fail: what went wrong, valid UTF-8
	// InPlace is set on a Fail if the replica can run the next attempt at once, under the
	// same claim. The store then answers Again and counts that attempt as started, unless
	// the task ends or the stop of the attempt was requested.
	InPlace bool

	Meta Meta // added to the headers in the task's terminal event, if this report ends the task; nil for none

	Log     string // the end of the attempt's log, kept in its history; "" for none
	LogSize int64  // bytes that the attempt wrote to its log

	// Delay is the time until the task may start again. A Fail with DelaySet uses it
	// instead of the backoff. For Detached it is how long the attempt may be outside.
	Delay    time.Duration
	DelaySet bool
	// Elsewhere is set on a Release with CodeReleased if the job of the task is at another
	// remote than the replica uses.
	Elsewhere bool
}

// Exchanged is the answer to an Exchange.
type Exchanged struct {
	Verdicts []Verdict // in the order of the reports
	Claimed  []Claimed // a queue may have several, or none
	// Short has one element per Claim, in their order. It is true if the queue has no
	// more claimable tasks for now; the replica is signalled when it has.
	Short []bool
	// Ready lists queues of the replica that have claimable tasks, at most MaxQueues. A
	// repeated answer may list none: the replica then makes another exchange to learn
	// them.
	Ready []string
	Stops []Attempt // attempts of the replica for which a stop was requested, or that a report from outside has ended
	Drain bool      // a drain of the replica was requested

	Now  time.Time     // the store's clock
	Next time.Duration // until the next scheduled task becomes waiting; 0 if none is scheduled
}

// Claimed is a batch of tasks of one queue under one fence and one lease.
type Claimed struct {
	Queue   string
	Fence   int64
	Started time.Time     // by the store's clock; earlier than Exchanged.Now if the answer is repeated
	Left    time.Duration // how long the attempts may take from Now on; Forever if nothing bounds them
	Tasks   []*Task
}

// Attempt names one attempt of a task.
type Attempt struct {
	ID     string
	Fence  int64
	Number int64 // its Task.Attempt if its claim may have several attempts of the task; else 0
	// Reported is set on a stop if a report from outside has ended the attempt.
	Reported bool
}

// Verdict is the store's answer to a report or to the renewal of a claim.
type Verdict string

// The verdicts on reports and renewals.
const (
	Accepted  Verdict = "ok"      // report: written
	Again     Verdict = "again"   // report with InPlace: written, and the next attempt of the task runs under the same claim
	Kept      Verdict = "kept"    // renewal: the lease is extended
	Recount   Verdict = "recount" // renewal: extended, but the store has more open attempts than the replica, which must list its ids in the next renewal
	LeaseLost Verdict = "lost"    // both: the attempt is not the task's current one, or the claim has ended; nothing changed
	Gone      Verdict = "gone"    // report: the task no longer exists
)
