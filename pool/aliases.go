package pool

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// The states of a task; see task.State.
const (
	Scheduled = task.Scheduled
	Waiting   = task.Waiting
	Running   = task.Running
	Exporting = task.Exporting
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
	CodeExport           = task.CodeExport
	CodeChildren         = task.CodeChildren
	CodeReleased         = task.CodeReleased
	CodeDetached         = task.CodeDetached
	CodeCleanUp          = task.CodeCleanUp
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

// The rules for misfires and overlaps of triggers; see package trigger.
const (
	MisfireSkip  = trigger.MisfireSkip
	MisfireOnce  = trigger.MisfireOnce
	MisfireAll   = trigger.MisfireAll
	OverlapAllow = trigger.OverlapAllow
	OverlapSkip  = trigger.OverlapSkip
	OverlapQueue = trigger.OverlapQueue
	OverlapStop  = trigger.OverlapStop
)

// The outcomes of a planned time; see task.TriggerOutcome.
const (
	TriggerEnqueued     = task.TriggerEnqueued
	TriggerDuplicate    = task.TriggerDuplicate
	TriggerQueueFull    = task.TriggerQueueFull
	TriggerLimitReached = task.TriggerLimitReached
	TriggerInvalid      = task.TriggerInvalid
	TriggerSkipped      = task.TriggerSkipped
	TriggerQueued       = task.TriggerQueued
	TriggerMissed       = task.TriggerMissed
)

// DefaultQueue is the queue of a task that sets none.
const DefaultQueue = task.DefaultQueue

// Forever is the duration that means "no limit" where zero means the default.
const Forever = task.Forever

// NoLimit is the limit that says "no limit" where zero means that nothing is set. A group
// with NoLimit is exempt from the default limit.
const NoLimit = task.NoLimit

// NoWait is the ArchiveWait of a pool whose ended tasks do not wait for an archive. It
// replaces a setting that was made before.
const NoWait = task.NoWait

// Errors of the store; use errors.Is. See the same names in package task.
var (
	ErrNotFound     = task.ErrNotFound
	ErrQueueFull    = task.ErrQueueFull
	ErrLimitReached = task.ErrLimitReached
	ErrSchema       = task.ErrSchema
	ErrUniqueTaken  = task.ErrUniqueTaken
	ErrShardsLive   = task.ErrShardsLive
	ErrDenied       = task.ErrDenied
	ErrNoReplica    = task.ErrNoReplica
	ErrNoQueue      = task.ErrNoQueue
	ErrQueueInUse   = task.ErrQueueInUse
	ErrNoReject     = task.ErrNoReject
	ErrNoTrigger    = task.ErrNoTrigger
	ErrRejectCut    = task.ErrRejectCut

	// ErrUnknownToken is returned by Report if the token is wrong or its attempt has
	// ended.
	ErrUnknownToken = task.ErrUnknownToken

	// The reasons why a handler's context is cancelled, as context.Cause returns them.
	ErrStopped   = task.ErrStopped
	ErrTimeout   = task.ErrTimeout
	ErrLeaseLost = task.ErrLeaseLost
	ErrShutdown  = task.ErrShutdown
	ErrReported  = task.ErrReported

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

// Detach ends the handler and not the attempt: the task stays running, without a slot,
// until a report from outside ends the attempt; see task.Detach and Report. If no report
// arrives within d, the attempt fails with CodeTimeout. The handler must have got a token
// from Task.ReportToken before.
func Detach(d time.Duration) error { return task.Detach(d) }

// Snooze returns the task to its queue without using an attempt. The task may start
// again after d. A d of less than 1 ms means one second, so that the task does not start
// again and again without a pause. If d is more than ten years of 365 days, Forever
// included, the task fails at once with CodePermanent.
func Snooze(d time.Duration) error { return task.Snooze(d) }
