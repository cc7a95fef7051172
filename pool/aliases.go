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
	// State is the state of a task. See task.State.
	State = task.State
	// Code is the reason why an attempt ended. See task.Code.
	Code = task.Code
	// Event is one change of state of one task. See task.Event.
	Event = task.Event
	// Lag is how far a subscription is behind. See task.Lag.
	Lag = task.Lag
	// Filter selects tasks to list, stop, retry or delete. See task.Filter.
	Filter = task.Filter
	// Policy holds the defaults of one kind of task. See task.Policy.
	Policy = task.Policy
	// Backoff is the wait between a failed attempt and the next one. See task.Backoff.
	Backoff = task.Backoff
	// Queue configures one queue of a replica. See task.QueueConfig.
	Queue = task.QueueConfig
	// Groups limits groups of tasks. See task.Groups.
	Groups = task.Groups
	// GroupInfo is a group of tasks at about one instant. See task.GroupInfo.
	GroupInfo = task.GroupInfo
	// QueueInfo is a queue at one instant. See task.QueueInfo.
	QueueInfo = task.QueueInfo
	// Stats is the pool at one instant. See task.Stats.
	Stats = task.Stats
	// ReplicaInfo is a live replica as of its last heartbeat. See task.ReplicaInfo.
	ReplicaInfo = task.ReplicaInfo
	// Health describes a replica at one instant. See worker.Health.
	Health = worker.Health
	// Maintenance is the result of one turn of Maintain. See task.Maintenance.
	Maintenance = task.Maintenance
	// AttemptRecord is an ended attempt in a task's history. See
	// task.AttemptRecord.
	AttemptRecord = task.AttemptRecord
	// Scope is the object of a limit: the pool, a queue, a group, or all groups without
	// a limit of their own. See task.Scope.
	Scope = task.Scope
	// Handler runs one attempt of a task; see Handle for handlers of a Go type. See
	// task.Handler.
	Handler = task.Handler
	// Middleware wraps every handler of a replica. See task.Middleware.
	Middleware = task.Middleware
	// FieldError is an invalid field of an argument or a config. Read it with errors.As
	// and a *pool.FieldError. See task.FieldError.
	FieldError = task.FieldError
	// TrimmedError is returned when events were trimmed before a reader read them. See
	// task.TrimmedError.
	TrimmedError = task.TrimmedError
	// SchemaError is returned when an incompatible version wrote the pool. It wraps
	// ErrSchema. See task.SchemaError.
	SchemaError = task.SchemaError
	// Finding is the result of one check of an inspection. See task.Finding.
	Finding = task.Finding
	// Inspection configures an inspection. See task.Inspection.
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

// The reason codes; see task.Code.
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

// The scopes of SetLimit; see task.Scope.
const (
	PoolScope   = task.PoolScope
	QueueScope  = task.QueueScope
	GroupScope  = task.GroupScope
	GroupsScope = task.GroupsScope
)

// The severities of a Finding; see task.Severity.
const (
	SeverityOK      = task.SeverityOK
	SeverityNote    = task.SeverityNote
	SeverityWarning = task.SeverityWarning
	SeverityError   = task.SeverityError
)

// DefaultQueue is the queue of a task that sets none.
const DefaultQueue = task.DefaultQueue

// Forever is the duration that means "no limit" where zero means the default.
const Forever = task.Forever

// Errors of the store; use errors.Is. See the same names in package task.
var (
	ErrNotFound    = task.ErrNotFound
	ErrQueueFull   = task.ErrQueueFull
	ErrSchema      = task.ErrSchema
	ErrUniqueTaken = task.ErrUniqueTaken
	ErrDenied      = task.ErrDenied
	ErrNoReplica   = task.ErrNoReplica
	ErrNoQueue     = task.ErrNoQueue
	ErrQueueInUse  = task.ErrQueueInUse

	// The reasons why a handler's context is cancelled, as context.Cause returns them.
	ErrStopped   = task.ErrStopped
	ErrTimeout   = task.ErrTimeout
	ErrLeaseLost = task.ErrLeaseLost
	ErrShutdown  = task.ErrShutdown

	// ErrStuck is returned by Run after more than Config.MaxStuck handlers have ignored
	// their cancelled context.
	ErrStuck = task.ErrStuck
)

// Permanent marks an error that a retry cannot fix: the task fails at once. It returns
// nil if err is nil.
func Permanent(err error) error { return task.Permanent(err) }

// RetryAfter fails the attempt with err. If attempts are left, the task is retried after
// d instead of the policy's backoff. A d that is not positive retries at once. If d is
// more than ten years of 365 days, Forever included, the task fails at once. It returns
// nil if err is nil.
func RetryAfter(err error, d time.Duration) error { return task.RetryAfter(err, d) }

// Snooze returns the task to its queue without using an attempt. The task may start
// again after d. A d of less than 1 ms means one second, so that the task does not start
// again and again without a pause. If d is more than ten years of 365 days, Forever
// included, the task fails at once with CodePermanent.
func Snooze(d time.Duration) error { return task.Snooze(d) }
