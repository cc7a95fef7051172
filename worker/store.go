package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
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
	Join(ctx context.Context, r task.Registration) (warnings []string, err error)

	// Exchange delivers reports and claims tasks in one step: reports first, so
	// that the slots they free can be claimed at once. An error means that nothing
	// is known of either: the caller repeats the same Exchange, unchanged, under the
	// same call number. With ErrNotJoined the verdicts are valid and nothing was
	// claimed: the pool does not know the replica, which cancels what it holds and
	// joins under a new id. The slices of x are the caller's again when it returns.
	Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error)

	// Renew extends the leases of the claims that it names, carries progress, and is
	// the replica's heartbeat. A claim that it does not name lapses. Its answer
	// is valid with ErrNotJoined, too: then the replica must Join again; and with
	// ErrDrain: then the replica was asked to drain.
	Renew(ctx context.Context, r task.Renewal) (task.Renewed, error)

	// Listen blocks until the replica's doorbell rings or wait has passed (a zero
	// Signal).
	Listen(ctx context.Context, replica string, wait time.Duration) (task.Signal, error)

	// Ring makes the replica's Listen return with Check set, now or when it is
	// called next.
	Wake(ctx context.Context, replica string) error

	// AwaitInbox blocks until the inbox has an entry or wait has passed.
	AwaitInbox(ctx context.Context, wait time.Duration) (bool, error)

	// AdmitInbox turns one batch of inbox entries into tasks or rejects and
	// reports whether more are left.
	AdmitInbox(ctx context.Context) (more bool, err error)

	// Maintain runs one turn of the pool's maintenance: ended leases, expired tasks,
	// retention, trimming of the event stream, dead replicas. If another
	// replica did so within the last second it does nothing and returns Busy.
	Maintain(ctx context.Context, replica string) (task.Maintenance, error)

	// Leave takes the replica off the list. Tasks it still holds stay with it
	// until their leases end.
	Leave(ctx context.Context, replica string) error
}
