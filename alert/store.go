package alert

import (
	"context"
	"iter"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Store reads a pool and keeps the state of its alerts. redisstore.Store implements it.
type Store interface {
	Pool() string

	// Running reads the counts of the pool and up to n running tasks of the same instant.
	Running(ctx context.Context, n int) (task.Stats, []*task.Task, time.Time, error)
	WaitingSince(ctx context.Context, queues ...string) (oldest map[string]time.Time, now time.Time, err error)
	Replicas(ctx context.Context) ([]task.ReplicaInfo, error)
	Groups(ctx context.Context, names ...string) (byDefault int, groups []task.GroupInfo, err error)
	LateTriggers(ctx context.Context) ([]task.StoredTrigger, time.Time, error)
	TriggerNames(ctx context.Context) ([]string, error)
	Triggers(ctx context.Context, names ...string) ([]task.StoredTrigger, time.Time, error)
	TriggerHistory(ctx context.Context, name string) ([]task.TriggerRecord, error)
	SubscriptionLags(ctx context.Context) (lags map[string]task.Lag, kept int, err error)
	Archives(ctx context.Context) ([]task.ArchiveInfo, error)
	Inspect(ctx context.Context, how task.Inspection) iter.Seq2[task.Finding, error]
	LastEvent(ctx context.Context) (cursor string, err error)
	ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]task.Event, error)

	// HoldAlerts takes the lease for owner. It returns false if another process has it.
	HoldAlerts(ctx context.Context, owner string, lease time.Duration) (bool, error)
	// ExtendAlerts extends the lease of owner. It returns false if the lease has ended.
	ExtendAlerts(ctx context.Context, owner string, lease time.Duration) (bool, error)
	// ReleaseAlerts ends the lease of owner.
	ReleaseAlerts(ctx context.Context, owner string) error
	ReadAlerts(ctx context.Context) (task.AlertRecords, error)
	// WriteAlerts changes the records in one step, if owner has the lease.
	WriteAlerts(ctx context.Context, owner string, w task.AlertWrite) (held bool, err error)
	// AlertQueue reads the notices that wait for a receiver, and its message under way.
	AlertQueue(ctx context.Context, receiver string) (task.AlertQueue, error)
}

// Board reads and changes the alerts of a pool for users. redisstore.Store implements it. It works
// whether or not a process runs the rules.
type Board interface {
	ReadAlerts(ctx context.Context) (task.AlertRecords, error)
	// SetAlertRule writes the stored rule with the name and the entry of the history that change returns,
	// in one step. It may call change several times, and returns its error.
	SetAlertRule(ctx context.Context, name string, change task.AlertRuleChange) error
	// RemoveAlertRule removes the stored rule with the name, as SetAlertRule. The text of change is not used.
	RemoveAlertRule(ctx context.Context, name string, change task.AlertRuleChange) error
	// SetSilence writes a silence as JSON.
	SetSilence(ctx context.Context, id, text string) error
	// PushNotice adds a notice to the queue of a receiver. It returns false if the queue is full.
	PushNotice(ctx context.Context, receiver, text string) (bool, error)
	// AlertLog reads up to limit entries of the history, newest first: those before the entry with
	// this ID, or the newest ones for "".
	AlertLog(ctx context.Context, before string, limit int) ([]task.AlertLogEntry, error)
	LogAlert(ctx context.Context, e task.AlertLogEntry) error
}
