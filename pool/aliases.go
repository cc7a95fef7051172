package pool

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// The names of package task that a service needs, so that it imports only this
// package and a store. All but Queue are the same there.
type (
	// Spec describes a task to enqueue; NewSpec makes one. See task.Spec.
	Spec = task.Spec
	// Receipt is the answer to one enqueued Spec. See task.Receipt.
	Receipt = task.Receipt
	// State is where a task is in its life. See task.State.
	State = task.State
	// Code is why an attempt ended. See task.Code.
	Code = task.Code
	// Event is one change of state of one task. See task.Event.
	Event = task.Event
	// Lag is how far a subscription is behind. See task.Lag.
	Lag = task.Lag
	// Filter selects tasks to list, stop, retry or delete. See task.Filter.
	Filter = task.Filter
	// Policy is the defaults of one kind of task. See task.Policy.
	Policy = task.Policy
	// Backoff is how long a failed task waits before its next attempt. See
	// task.Backoff.
	Backoff = task.Backoff
	// Queue is one queue as a replica serves it. See task.QueueConfig.
	Queue = task.QueueConfig
	// Groups limits groups of tasks. See task.Groups.
	Groups = task.Groups
	// GroupInfo is a group of tasks at about one instant. See task.GroupInfo.
	GroupInfo = task.GroupInfo
	// QueueInfo is a queue at one instant. See task.QueueInfo.
	QueueInfo = task.QueueInfo
	// Stats is the pool at one instant. See task.Stats.
	Stats = task.Stats
	// ReplicaInfo is a live replica as its last heartbeat described it. See
	// task.ReplicaInfo.
	ReplicaInfo = task.ReplicaInfo
	// Health is how a replica is at one instant. See worker.Health.
	Health = worker.Health
	// Maintenance is what a turn of Maintain found. See task.Maintenance.
	Maintenance = task.Maintenance
	// AttemptRecord is one entry of a task's history: an attempt that failed or was lost. See
	// task.AttemptRecord.
	AttemptRecord = task.AttemptRecord
	// Scope is what a limit is about: the pool, a queue, a group, or groups by default. See
	// task.Scope.
	Scope = task.Scope
	// Handler runs one attempt of a task; see Handle for handlers of a Go type. See
	// task.Handler.
	Handler = task.Handler
	// Middleware wraps every handler: the one way to extend them. See task.Middleware.
	Middleware = task.Middleware
	// FieldError is one refused field of what was handed in; errors hold a pointer to
	// it, as errors.As wants it: var f *pool.FieldError. See task.FieldError.
	FieldError = task.FieldError
	// TrimmedError says that a reader fell behind the trimming of the event stream. See
	// task.TrimmedError.
	TrimmedError = task.TrimmedError
	// SchemaError says that another version wrote the pool; it is an ErrSchema. See
	// task.SchemaError.
	SchemaError = task.SchemaError
	// Finding is the result of one check of an inspection. See task.Finding.
	Finding = task.Finding
	// Inspection is how a pool is inspected. See task.Inspection.
	Inspection = task.Inspection
	// Severity is how much a Finding matters. See task.Severity.
	Severity = task.Severity
)

// The states of a task; see task.State.
const (
	Scheduled = task.Scheduled
	Waiting   = task.Waiting
	Running   = task.Running
	Succeeded = task.Succeeded
	Failed    = task.Failed
	Stopped   = task.Stopped
	Expired   = task.Expired
)

// Why an attempt ended; see task.Code.
const (
	CodeOK               = task.CodeOK
	CodeError            = task.CodeError
	CodePermanent        = task.CodePermanent
	CodePanic            = task.CodePanic
	CodeTimeout          = task.CodeTimeout
	CodeTimeoutAbandoned = task.CodeTimeoutAbandoned
	CodeStopped          = task.CodeStopped
	CodeStopAbandoned    = task.CodeStopAbandoned
	CodeLost             = task.CodeLost
	CodeExpired          = task.CodeExpired
	CodeDeadline         = task.CodeDeadline
	CodeNoHandler        = task.CodeNoHandler
	CodeBadPayload       = task.CodeBadPayload
	CodeReleased         = task.CodeReleased
	CodeSlow             = task.CodeSlow
)

// What a limit set with SetLimit is about; see task.Scope.
const (
	PoolScope   = task.PoolScope
	QueueScope  = task.QueueScope
	GroupScope  = task.GroupScope
	GroupsScope = task.GroupsScope
)

// How much a Finding matters; see task.Severity.
const (
	SeverityOK      = task.SeverityOK
	SeverityNote    = task.SeverityNote
	SeverityWarning = task.SeverityWarning
	SeverityError   = task.SeverityError
)

// DefaultQueue is the queue of a task that names none.
const DefaultQueue = task.DefaultQueue

// Forever is the duration that says "no limit" where zero means the default.
const Forever = task.Forever

// Errors to branch on with errors.Is; see the same names in package task.
var (
	ErrNotFound    = task.ErrNotFound
	ErrQueueFull   = task.ErrQueueFull
	ErrSchema      = task.ErrSchema
	ErrUniqueTaken = task.ErrUniqueTaken
	ErrDenied      = task.ErrDenied
	ErrNoReplica   = task.ErrNoReplica
	ErrNoQueue     = task.ErrNoQueue
	ErrQueueInUse  = task.ErrQueueInUse

	// Why a handler's context was cancelled, by context.Cause.
	ErrStopped   = task.ErrStopped
	ErrTimeout   = task.ErrTimeout
	ErrLeaseLost = task.ErrLeaseLost
	ErrShutdown  = task.ErrShutdown

	// ErrStuck is returned by Run if more handlers than Config.MaxStuck are stuck.
	ErrStuck = task.ErrStuck
)

// Permanent marks an error that a retry cannot fix: the task fails at once. It returns nil
// for a nil error.
func Permanent(err error) error { return task.Permanent(err) }

// RetryAfter fails the attempt with err and retries, if attempts are left, after d
// instead of the policy's backoff. A d that is not positive retries at once. With a d of
// more than ten years of 365 days, Forever included, the task fails at once. It returns nil
// for a nil error.
func RetryAfter(err error, d time.Duration) error { return task.RetryAfter(err, d) }

// Snooze releases the task without using an attempt. It may start again after d, at once
// if d is not positive. With a d of more than ten years of 365 days, Forever
// included, the task fails at once with CodePermanent.
func Snooze(d time.Duration) error { return task.Snooze(d) }
