package pool

import (
	"context"
	"iter"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// Store keeps the tasks of a pool: it is the worker.Store of the replicas and has the
// methods for clients and operators. redisstore.Store implements it. Ids and names
// passed to it have been checked. Calls that wait return when their context ends.
type Store interface {
	worker.Store
	TaskStore
	ReportStore
	RejectStore
	QueueStore
	TriggerStore
	ReplicaStore
	EventStore
	InspectedStore
}

// TaskStore makes, reads and changes tasks.
type TaskStore interface {
	// Enqueue makes one task of each spec and returns receipts in their order. A call
	// with up to a thousand specs, 4 MiB of payload, and a hundred changes of queue,
	// kind or options from one spec to the next is one atomic step. A spec without an
	// ID gets one of 22 characters that sorts by time. The unique key is stored as
	// task.UniqueKey returns it.
	//
	// A refused spec has its error in the receipt: the queue is full, or the TTL or the
	// deadline passes before RunAt. If Enqueue returns an
	// error, nothing is known of the specs without a receipt. The caller may reuse the
	// slice when Enqueue returns.
	Enqueue(ctx context.Context, specs []task.Spec) ([]task.Receipt, error)

	// Get reads tasks in the order of the ids; nil for one that does not exist.
	Get(ctx context.Context, ids ...string) ([]*task.Task, error)
	// ByUnique reads the live task that has the unique key, else the one that ended last
	// among the ended tasks with it; nil for none. It searches at least the
	// task.RetainNewest ended tasks of each state that are kept longest.
	ByUnique(ctx context.Context, key string) (*task.Task, error)
	// History reads the failed and lost attempts of a task, oldest first.
	History(ctx context.Context, id string) ([]task.AttemptRecord, error)
	// Tasks reads the tasks that match f, state by state in the order of task.States,
	// within a state in the order of its index. Tasks that change state meanwhile may
	// be yielded twice or not at all.
	Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error]
	// Page reads a page of tasks, with a bounded number of reads.
	Page(ctx context.Context, q task.PageQuery) (task.Page, error)

	// Stop, Retry, RunNow, Change and Delete change tasks and return the changes in the order
	// of the ids. Retry and Change give the tasks the priority and the payload of the edit.
	Stop(ctx context.Context, why string, ids ...string) ([]task.Change, error)
	Retry(ctx context.Context, e task.Edit, ids ...string) ([]task.Change, error)
	RunNow(ctx context.Context, ids ...string) ([]task.Change, error)
	Change(ctx context.Context, e task.Edit, ids ...string) ([]task.Change, error)
	Delete(ctx context.Context, ids ...string) ([]task.Change, error)
}

// ReportStore takes reports from outside.
type ReportStore interface {
	// Report ends the attempt that the token belongs to, or sets its progress. It returns
	// ErrUnknownToken if the token belongs to no running attempt. The same report is
	// accepted again within ten minutes, without another effect.
	Report(ctx context.Context, token string, r task.OutsideReport) error
}

// RejectStore reads and removes inbox entries that could not become tasks. An id that is
// no position among these entries is a FieldError.
type RejectStore interface {
	// Rejected reads the rejected entries, newest first. An error ends the iteration.
	Rejected(ctx context.Context) iter.Seq2[task.Reject, error]
	// GetRejected reads rejected entries in the order of the ids; nil for one that does
	// not exist.
	GetRejected(ctx context.Context, ids ...string) ([]*task.Reject, error)
	// PutBack removes a rejected entry and appends text to the inbox, in one step. A nil
	// text is the text of the entry. Another text that cannot become a task is a
	// FieldError. PutBack returns ErrNoReject if there is no such entry, and
	// ErrRejectCut if text is nil and the entry is not kept as a whole.
	PutBack(ctx context.Context, id string, text []byte) error
	// DropRejected removes rejected entries and returns, in their order, which of them
	// existed.
	DropRejected(ctx context.Context, ids ...string) (dropped []bool, err error)
}

// QueueStore reads queues and groups and changes their settings.
type QueueStore interface {
	// Configure changes live settings, all in one step.
	Configure(ctx context.Context, settings ...task.Setting) error
	// ForgetQueue removes a queue and its settings from the list. It returns
	// ErrQueueInUse if the queue has live tasks, a replica on the list serves it, or
	// the inbox has entries. It returns ErrNoQueue if the queue is not on the list.
	ForgetQueue(ctx context.Context, queue string) error
	Stats(ctx context.Context) (task.Stats, error)
	// Groups reads the default limit of groups, 0 for none, and the named groups, by
	// name. Without names it reads the groups that have a limit of their own or are
	// exempt.
	Groups(ctx context.Context, names ...string) (byDefault int, groups []task.GroupInfo, err error)
	// DefaultRate reads the rate of each group without a rate of its own, the zero Rate for
	// none.
	DefaultRate(ctx context.Context) (task.Rate, error)
	// WaitingSince reads when the oldest waiting task of each queue began to wait, and
	// the store's clock. It compares the first tasks of each priority. Queues without a
	// waiting task are missing. Tasks behind the first one of their group are not
	// counted.
	WaitingSince(ctx context.Context, queues ...string) (oldest map[string]time.Time, now time.Time, err error)
	// Rates reads the rates of each queue that had any, averaged over the window that
	// ends now. The window is rounded to steps of a few seconds.
	Rates(ctx context.Context, window time.Duration) (map[string]task.QueueRate, error)
}

// TriggerStore keeps triggers. It does not read their definitions.
type TriggerStore interface {
	// Triggers reads triggers in the order of the names, and the store's clock. A trigger
	// that does not exist has no version.
	Triggers(ctx context.Context, names ...string) ([]task.StoredTrigger, time.Time, error)
	// TriggerNames returns the names of all triggers, sorted.
	TriggerNames(ctx context.Context) ([]string, error)
	// LateTriggers reads up to 100 triggers that no replica has handled for more than a
	// minute after they were due, those that are due for longest first, and the store's clock.
	LateTriggers(ctx context.Context) ([]task.StoredTrigger, time.Time, error)
	// SetTrigger writes a definition, and ResumeTrigger plans the next firing of a paused
	// trigger. They return false and write nothing if the trigger has changed since the
	// caller has read it.
	SetTrigger(ctx context.Context, c task.TriggerChange) (bool, error)
	ResumeTrigger(ctx context.Context, c task.TriggerChange) (bool, error)
	// PauseTrigger pauses a trigger, RemoveTrigger removes it with its history. A firing
	// that was decided before has no effect any more. They return ErrNoTrigger if there is
	// no such trigger.
	PauseTrigger(ctx context.Context, name string) error
	RemoveTrigger(ctx context.Context, name string) error
	// AwaitTriggerEntries blocks until programs have pushed an entry for a trigger, or wait
	// has passed. It reports whether there is an entry. TriggerEntries reads the first ones.
	// SetTrigger with an Entry, DropTriggerEntry (which rejects it if there is a reason) and
	// RemoveTriggerOf apply and remove the first entry in one step. They return ErrEntryTaken
	// and change nothing if another entry is the first one.
	AwaitTriggerEntries(ctx context.Context, wait time.Duration) (bool, error)
	TriggerEntries(ctx context.Context) ([]string, error)
	DropTriggerEntry(ctx context.Context, entry, reason string) error
	RemoveTriggerOf(ctx context.Context, entry, name string) error
	// TriggerHistory reads the newest entries of a trigger's history, newest first.
	TriggerHistory(ctx context.Context, name string) ([]task.TriggerRecord, error)
}

// ReplicaStore reads and drains replicas.
type ReplicaStore interface {
	Replicas(ctx context.Context) ([]task.ReplicaInfo, error)
	// Hosts returns where replicas run, or ran until they left, by replica. It leaves out
	// replicas of which that is not known. The store keeps at least the newest 1,000 that left in
	// the last week.
	Hosts(ctx context.Context, replicas ...string) (map[string]task.Host, error)
	// Drain requests a drain of replicas and returns, in their order, which of them are
	// on the list. A replica learns of it at once if it listens, else with its next
	// Renew.
	Drain(ctx context.Context, replicas ...string) (asked []bool, err error)
}

// EventStore reads the event stream, as a whole or as one consumer of a subscription.
type EventStore interface {
	// LastEvent returns the cursor of the newest event, "0" if there is none.
	LastEvent(ctx context.Context) (cursor string, err error)
	// ReadEvents reads about limit events after the cursor. It waits up to wait for the
	// first one; none is no error. Entries are read as a whole: there may be up to 49
	// events more than limit. It returns *task.TrimmedError if events after the cursor
	// were trimmed. An entry that cannot be read in full is no error, here and below:
	// its events have Broken set.
	ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]task.Event, error)
	// RecentEvents reads about limit events before the cursor ("" for the end of the
	// stream), newest first, in whole entries as ReadEvents.
	RecentEvents(ctx context.Context, before string, limit int) ([]task.Event, error)
	// ReadSubscription reads about limit events, in whole entries, for one consumer of
	// a subscription. The consumers of a subscription share its events. A new
	// subscription starts at the end of the stream. Entries that any consumer, this one
	// included, has held for longer than idle come first, then new ones; it waits up to
	// wait. trimmed reports that events were trimmed before any consumer read them.
	// Each such loss is reported by one call only. It also removes consumers of the
	// subscription that hold no entries and have made no call for a while longer than
	// idle.
	ReadSubscription(ctx context.Context, name, consumer string, limit int, idle, wait time.Duration) (events []task.Event, trimmed bool, err error)
	// HoldEvents restarts the hold time of the entries at these cursors. Entries that
	// were acknowledged or trimmed are ignored.
	HoldEvents(ctx context.Context, name, consumer string, cursors ...string) error
	// AckEvents acknowledges the entries at these cursors for the subscription.
	AckEvents(ctx context.Context, name string, cursors ...string) error
	// LeaveSubscription removes a consumer that holds no entries from the subscription.
	LeaveSubscription(ctx context.Context, name, consumer string) error
	// SubscriptionLags reads how far each subscription is behind, by name, and how many
	// events the pool keeps.
	SubscriptionLags(ctx context.Context) (lags map[string]task.Lag, kept int, err error)
}

// InspectedStore checks itself.
type InspectedStore interface {
	// Check returns everything that keeps the store from working well: version,
	// permissions, eviction policy.
	Check(ctx context.Context) error
	// Inspect checks the store and the pool's keys. In repair mode it repairs broken
	// records or renames their keys. Each record is checked and repaired in one atomic
	// step, so the pool may be live. An error ends the iteration.
	Inspect(ctx context.Context, how task.Inspection) iter.Seq2[task.Finding, error]
}
