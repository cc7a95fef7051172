package pool

import (
	"context"
	"iter"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// Store is what a pool needs of the place that keeps its tasks: what its
// replicas need, and what clients and operators need. redisstore.Store is one.
// Ids and names that reach it have been checked. Calls that wait return when
// their context ends.
type Store interface {
	worker.Store

	// Enqueue makes one task of each spec and answers in their order. Up to a
	// thousand specs with up to 4 MiB of payload, and up to a hundred changes of queue,
	// kind or options from one to the next, are one atomic step. A spec without an ID gets one of 22 characters that sorts by time. The unique key is stored as
	// task.UniqueKey says. Single refusals (queue full) are in their receipts; an
	// error means that nothing is known of those that have no receipt. The slice is
	// the caller's again when Enqueue returns.
	Enqueue(ctx context.Context, specs []task.Spec) ([]task.Receipt, error)

	// Get reads tasks; the answer has nil where there is none.
	Get(ctx context.Context, ids ...string) ([]*task.Task, error)
	// History reads the failed and lost attempts of a task, oldest first.
	History(ctx context.Context, id string) ([]task.AttemptRecord, error)
	// Tasks reads the tasks that match, state by state in the order of
	// task.States, inside a state in the order of its index. Tasks that change
	// state meanwhile may be seen twice or not at all.
	Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error]

	// Stop, Retry and Delete change single tasks and answer in their order.
	Stop(ctx context.Context, why string, ids ...string) ([]task.Change, error)
	Retry(ctx context.Context, ids ...string) ([]task.Change, error)
	Delete(ctx context.Context, ids ...string) ([]task.Change, error)

	// Configure changes live settings, all in one step.
	Configure(ctx context.Context, settings ...task.Setting) error
	// ForgetQueue takes a queue without live tasks and without a replica on the list
	// that serves it off the list, with its settings, while the inbox is empty;
	// ErrNoQueue and ErrQueueInUse say why not.
	ForgetQueue(ctx context.Context, queue string) error
	Stats(ctx context.Context) (task.Stats, error)
	// Groups reads the default limit of groups (0 is none) and the groups named, by
	// name; without any, those that have a limit of their own.
	Groups(ctx context.Context, names ...string) (byDefault int, groups []task.GroupInfo, err error)
	// WaitingSince reads since when the oldest of the waiting tasks that come first in
	// each priority of each queue waits, and the store's clock. Queues without a waiting
	// task are missing; tasks behind the first of their group are not counted.
	WaitingSince(ctx context.Context, queues ...string) (oldest map[string]time.Time, now time.Time, err error)
	// Rates reads what came and went in each queue that had either, on average over
	// the window that ends now, in whole steps of a few seconds.
	Rates(ctx context.Context, window time.Duration) (map[string]task.QueueRate, error)
	Replicas(ctx context.Context) ([]task.ReplicaInfo, error)
	// Drain asks replicas to drain and says in their order which of them are on the
	// list. Each learns of it at once if it listens, else with its next Renew.
	Drain(ctx context.Context, replicas ...string) (asked []bool, err error)

	// LastEvent is the cursor of the newest event, "0" where there is none.
	LastEvent(ctx context.Context) (cursor string, err error)
	// ReadEvents reads about limit events after the cursor and waits up to wait for
	// the first; none is no error. Entries are read whole: there may be up to 49 events
	// more than limit. It fails with *task.TrimmedError if events after the cursor
	// were trimmed unread. An entry that cannot be read in full fails nothing, here
	// and below: its events have Broken set.
	ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]task.Event, error)
	// RecentEvents reads about limit events of entries before the cursor ("" for the
	// end), newest first, as ReadEvents in whole entries.
	RecentEvents(ctx context.Context, before string, limit int) ([]task.Event, error)
	// ReadSubscription reads about limit events, in whole entries, for one consumer of
	// a subscription, whose events all its consumers share. It makes a new subscription
	// at the end of the stream. First come entries that any consumer, this one too,
	// has held for longer than idle, then new ones, waiting up to wait. trimmed says
	// that events were trimmed before any consumer read them; each such loss is
	// reported in one answer only.
	ReadSubscription(ctx context.Context, name, consumer string, limit int, idle, wait time.Duration) (events []task.Event, trimmed bool, err error)
	// HoldEvents restarts the time that the consumer has held the entries at these
	// cursors. Those that were acknowledged or trimmed are ignored.
	HoldEvents(ctx context.Context, name, consumer string, cursors ...string) error
	// AckEvents takes the entries at these cursors off the list of those that a
	// subscription's consumers hold.
	AckEvents(ctx context.Context, name string, cursors ...string) error
	// LeaveSubscription takes a consumer that holds nothing off the subscription.
	LeaveSubscription(ctx context.Context, name, consumer string) error
	// SubscriptionLag is how far a subscription is behind, and how many events the
	// pool keeps.
	SubscriptionLag(ctx context.Context, name string) (task.Lag, error)

	// Check reports everything that keeps the store from working well: version,
	// rights, eviction policy.
	Check(ctx context.Context) error
	// Inspect checks everything that can be wrong with the store and the pool's keys
	// and, in repair mode, repairs broken records or moves them out of the way. Each is
	// checked and repaired in one atomic step: the pool may be live. An error ends it.
	Inspect(ctx context.Context, how task.Inspection) iter.Seq2[task.Finding, error]
}
