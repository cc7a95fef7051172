package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Store keeps the tasks of a replica. Every method is one atomic step or several, and
// is safe for concurrent use. A call may be repeated after an error: a step whose reply
// was lost has the same effect as one whose reply arrived. Errors begin with the name
// of the step.
type Store interface {
	// Join registers a replica before its first claim and publishes its limits and
	// policies. It returns conflicts with the configuration of other replicas as
	// warnings for the log. It fails with ErrSchema if an incompatible version wrote
	// the pool.
	Join(ctx context.Context, r task.Registration) (warnings []string, err error)

	// Exchange delivers reports and claims tasks in one step. The reports come first,
	// so that the slots they free can be claimed at once. After an error nothing is
	// known of either: the caller repeats the same Exchange, unchanged, with the same
	// call number. With ErrNotJoined the verdicts are valid and nothing was claimed:
	// the pool does not know the replica, which cancels its handlers and joins under a
	// new id. The caller may reuse the slices of x when Exchange returns.
	Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error)

	// Renew extends the leases of the listed claims, stores progress and logs, and is the
	// replica's heartbeat. A claim that no renewal lists lapses. The answer is also
	// valid with ErrNotJoined, after which the replica must Join again, and with
	// ErrDrain, which means that a drain was requested.
	Renew(ctx context.Context, r task.Renewal) (task.Renewed, error)

	// Checkpoint writes the checkpoint of a running attempt. n counts the checkpoints of
	// the attempt from 1: a repeated call, and one that arrives after a call with a higher
	// n, changes nothing. Empty data removes the checkpoint. It fails with ErrLeaseLost,
	// and changes nothing, if the attempt is not the task's current one.
	Checkpoint(ctx context.Context, queue string, a task.Attempt, n int64, data []byte) error

	// SaveJob is Checkpoint that also stores the text that names the job of the task, ""
	// for no job.
	SaveJob(ctx context.Context, queue string, a task.Attempt, n int64, data []byte, job string) error

	// IssueToken stores the hash of an attempt's token for reports from outside. It
	// returns ErrLeaseLost if the attempt has ended.
	IssueToken(ctx context.Context, queue string, a task.Attempt, hash string) error

	// Listen blocks until the replica gets a signal or wait has passed. Then it returns
	// the zero Signal.
	Listen(ctx context.Context, replica string, wait time.Duration) (task.Signal, error)

	// Wake makes the replica's Listen return with Check set, now or when it is called
	// next.
	Wake(ctx context.Context, replica string) error

	// AwaitInbox blocks until the inbox has an entry or wait has passed. It reports
	// whether there is an entry.
	AwaitInbox(ctx context.Context, wait time.Duration) (bool, error)

	// AdmitInbox turns one batch of inbox entries into tasks or rejects, and reports
	// whether more entries are left. queues has the queue of each kind whose tasks do not
	// wait in task.DefaultQueue if their entry names no queue.
	AdmitInbox(ctx context.Context, queues map[string]string) (more bool, err error)

	// AwaitReports blocks until the list of reports from outside has an entry or wait has
	// passed. It reports whether there is an entry.
	AwaitReports(ctx context.Context, wait time.Duration) (bool, error)

	// AdmitReports applies or rejects one batch of reports from outside, and reports
	// whether more are left.
	AdmitReports(ctx context.Context) (more bool, err error)

	// FireTriggers applies what was decided about triggers, and returns up to most triggers
	// that are due now or soon. Other replicas do not get these until a moment after that. A
	// firing has no effect if its trigger has changed since it was read, so a repeated call
	// makes no task twice, or if the trigger is not due. If most is 0, other replicas get a
	// trigger that was not due at once.
	FireTriggers(ctx context.Context, firings []task.TriggerFiring, most int) (task.FiredTriggers, error)

	// Spread makes some children of a parent, or stops some of a parent that has ended. It
	// returns how long to wait until the next call; 0 if no parent needs one. Another
	// replica may call it at the same time.
	Spread(ctx context.Context) (next time.Duration, err error)

	// Maintain runs one turn of the pool's maintenance: ended leases, expired tasks,
	// retention, trimming of the event stream, dead replicas. If another replica did so
	// within the last second, it does nothing and returns Busy.
	Maintain(ctx context.Context, replica string) (task.Maintenance, error)

	// Leave removes the replica from the list. Tasks that it holds stay with it until
	// their leases end.
	Leave(ctx context.Context, replica string) error
}
