package pool

import (
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// What a service needs of package worker, so that it imports this package and a
// store only.
type (
	Spec          = worker.Spec
	Receipt       = worker.Receipt
	State         = worker.State
	Code          = worker.Code
	Event         = worker.Event
	Filter        = worker.Filter
	Policy        = worker.Policy
	Backoff       = worker.Backoff
	Queue         = worker.QueueConfig
	QueueInfo     = worker.QueueInfo
	Stats         = worker.Stats
	ReplicaInfo   = worker.ReplicaInfo
	AttemptRecord = worker.AttemptRecord
	Scope         = worker.Scope
	Handler       = worker.Handler
	Middleware    = worker.Middleware
	FieldError    = worker.FieldError
	TrimmedError  = worker.TrimmedError
	SchemaError   = worker.SchemaError
	Finding       = worker.Finding
	Inspection    = worker.Inspection
	Severity      = worker.Severity
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
	ErrNoReplica   = worker.ErrNoReplica

	// Why a handler's context was cancelled, by context.Cause.
	ErrStopped   = worker.ErrStopped
	ErrTimeout   = worker.ErrTimeout
	ErrLeaseLost = worker.ErrLeaseLost
	ErrShutdown  = worker.ErrShutdown

	// ErrStuck is what Run returns past Config.MaxStuck.
	ErrStuck = worker.ErrStuck
)

// Permanent marks an error that no retry can mend: the task fails at once.
func Permanent(err error) error { return worker.Permanent(err) }

// RetryAfter fails the attempt with err and retries, if attempts are left,
// after d instead of the policy's backoff.
func RetryAfter(err error, d time.Duration) error { return worker.RetryAfter(err, d) }

// Snooze gives the task back without using an attempt; it may start again
// after d.
func Snooze(d time.Duration) error { return worker.Snooze(d) }
