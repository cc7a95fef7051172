package pool

import (
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// The names of package worker that a service needs, so that it imports only this
// package and a store. All but Queue are the same there.
type (
	// Spec describes a task to enqueue; NewSpec makes one. See worker.Spec.
	Spec = worker.Spec
	// Receipt is the answer to one enqueued Spec. See worker.Receipt.
	Receipt = worker.Receipt
	// State is where a task is in its life. See worker.State.
	State = worker.State
	// Code is why an attempt ended. See worker.Code.
	Code = worker.Code
	// Event is one change of state of one task. See worker.Event.
	Event = worker.Event
	// Lag is how far a subscription is behind. See worker.Lag.
	Lag = worker.Lag
	// Filter selects tasks to list, stop, retry or delete. See worker.Filter.
	Filter = worker.Filter
	// Policy is the defaults of one kind of task. See worker.Policy.
	Policy = worker.Policy
	// Backoff is how long a failed task waits before its next attempt. See
	// worker.Backoff.
	Backoff = worker.Backoff
	// Queue is one queue as a replica serves it. See worker.QueueConfig.
	Queue = worker.QueueConfig
	// GroupInfo is a group of tasks at about one instant. See worker.GroupInfo.
	GroupInfo = worker.GroupInfo
	// QueueInfo is a queue at one instant. See worker.QueueInfo.
	QueueInfo = worker.QueueInfo
	// Stats is the pool at one instant. See worker.Stats.
	Stats = worker.Stats
	// ReplicaInfo is a live replica as its last heartbeat described it. See
	// worker.ReplicaInfo.
	ReplicaInfo = worker.ReplicaInfo
	// Health is how a replica is at one instant. See worker.Health.
	Health = worker.Health
	// Upkeep is what a turn of Maintain found. See worker.Upkeep.
	Upkeep = worker.Upkeep
	// AttemptRecord is one entry of a task's history: an attempt that failed or was lost. See
	// worker.AttemptRecord.
	AttemptRecord = worker.AttemptRecord
	// Scope is what a limit is about: the pool, a queue, a group, or groups by default. See
	// worker.Scope.
	Scope = worker.Scope
	// Handler runs one attempt of a task; see Handle for handlers of a Go type. See
	// worker.Handler.
	Handler = worker.Handler
	// Middleware wraps every handler: the one way to extend them. See worker.Middleware.
	Middleware = worker.Middleware
	// FieldError is one refused field of what was handed in; errors hold a pointer to
	// it, as errors.As wants it: var f *pool.FieldError. See worker.FieldError.
	FieldError = worker.FieldError
	// TrimmedError says that a reader fell behind the trimming of the event stream. See
	// worker.TrimmedError.
	TrimmedError = worker.TrimmedError
	// SchemaError says that another version wrote the pool; it is an ErrSchema. See
	// worker.SchemaError.
	SchemaError = worker.SchemaError
	// Finding is the result of one check of an inspection. See worker.Finding.
	Finding = worker.Finding
	// Inspection is how a pool is inspected. See worker.Inspection.
	Inspection = worker.Inspection
	// Severity is how much a Finding matters. See worker.Severity.
	Severity = worker.Severity
)

// The states of a task; see worker.State.
const (
	Scheduled = worker.Scheduled
	Waiting   = worker.Waiting
	Running   = worker.Running
	Succeeded = worker.Succeeded
	Failed    = worker.Failed
	Stopped   = worker.Stopped
	Expired   = worker.Expired
)

// Why an attempt ended; see worker.Code.
const (
	CodeOK               = worker.CodeOK
	CodeError            = worker.CodeError
	CodePermanent        = worker.CodePermanent
	CodePanic            = worker.CodePanic
	CodeTimeout          = worker.CodeTimeout
	CodeTimeoutAbandoned = worker.CodeTimeoutAbandoned
	CodeStopped          = worker.CodeStopped
	CodeStopAbandoned    = worker.CodeStopAbandoned
	CodeLost             = worker.CodeLost
	CodeExpired          = worker.CodeExpired
	CodeDeadline         = worker.CodeDeadline
	CodeNoHandler        = worker.CodeNoHandler
	CodeBadPayload       = worker.CodeBadPayload
	CodeReleased         = worker.CodeReleased
	CodeSlow             = worker.CodeSlow
)

// What a limit set with SetLimit is about; see worker.Scope.
const (
	PoolScope   = worker.PoolScope
	QueueScope  = worker.QueueScope
	GroupScope  = worker.GroupScope
	GroupsScope = worker.GroupsScope
)

// How much a Finding matters; see worker.Severity.
const (
	SeverityOK      = worker.SeverityOK
	SeverityNote    = worker.SeverityNote
	SeverityWarning = worker.SeverityWarning
	SeverityError   = worker.SeverityError
)

// DefaultQueue is the queue of a task that names none.
const DefaultQueue = worker.DefaultQueue

// Forever is the duration that says "no limit" where zero means the default.
const Forever = worker.Forever

// Errors to branch on with errors.Is; see the same names in package worker.
var (
	ErrNotFound    = worker.ErrNotFound
	ErrQueueFull   = worker.ErrQueueFull
	ErrSchema      = worker.ErrSchema
	ErrUniqueTaken = worker.ErrUniqueTaken
	ErrDenied      = worker.ErrDenied
	ErrNoReplica   = worker.ErrNoReplica
	ErrNoQueue     = worker.ErrNoQueue
	ErrQueueInUse  = worker.ErrQueueInUse

	// Why a handler's context was cancelled, by context.Cause.
	ErrStopped   = worker.ErrStopped
	ErrTimeout   = worker.ErrTimeout
	ErrLeaseLost = worker.ErrLeaseLost
	ErrShutdown  = worker.ErrShutdown

	// ErrStuck is what Run returns past Config.MaxStuck.
	ErrStuck = worker.ErrStuck
)

// Permanent marks an error that no retry can help: the task fails at once. It is nil
// if err is.
func Permanent(err error) error { return worker.Permanent(err) }

// RetryAfter fails the attempt with err and retries, if attempts are left, after d
// instead of the policy's backoff. A d that is not positive retries at once. With a d of
// more than ten years of 365 days, Forever included, the task fails at once. It is nil
// if err is.
func RetryAfter(err error, d time.Duration) error { return worker.RetryAfter(err, d) }

// Snooze gives the task back without using an attempt; it may start again after d, at
// once if d is not positive. With a d of more than ten years of 365 days, Forever
// included, the task fails at once with CodePermanent.
func Snooze(d time.Duration) error { return worker.Snooze(d) }
