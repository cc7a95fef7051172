package task

import "time"

// The bounds of one Exchange. They keep the store busy for a few milliseconds
// only.
const (
	MaxClaim      = 200     // tasks that one Exchange claims, over all queues
	MaxReports    = 200     // reports in one Exchange
	MaxReportSize = 4 << 20 // bytes of results, errors and logs in one Exchange; one report always fits
	MaxQueues     = 64      // queues that one Exchange claims from, and that it answers as Ready
)

// Exchange is one round trip of a replica. A replica has two sequences, each with call
// numbers of its own that start at 1 and grow by one with every answered call. The
// next call of a sequence is made after the answer to the last.
type Exchange struct {
	Replica  string
	Sequence int   // 1 or 2
	Call     int64 // repeating a number repeats the answer; a lower one does nothing and fails

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
