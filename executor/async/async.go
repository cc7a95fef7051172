// Package async runs tasks as jobs of a remote: a container engine, a batch system, a
// service with an API to start and to query. The job is not a child of the replica. It
// goes on when the replica drains, dies or loses its lease, and the next owner of the
// task continues to wait for it.
//
//	jobs, err := async.New(executor, async.Options{Pool: "media"})
//	p.HandleKind("video.cut", jobs.Handle)
//
// # An attempt
//
// An attempt has four steps:
//
//  1. It writes its intent, which is the name of the job, as a checkpoint of the task.
//  2. It starts the job, with Executor.Start.
//  3. It writes the reference that Start returned, as a checkpoint.
//  4. It reports the outcome of the job.
//
// The name is made from the pool, the fence, the attempt and the id of the task. An owner
// that takes the task over and finds an intent without a reference calls Start with the same
// name. One that finds a reference starts nothing. A failed attempt clears the checkpoint, so
// the next attempt starts a job with a new name.
//
// Start must therefore be idempotent by name: it returns the job of that name if there is
// one, ended or not. With a remote that cannot do this, a crash between Start and the
// second checkpoint starts the job twice.
//
// One poller per Jobs asks the remote for the states of all jobs of this process.
// Failures of the remote delay the attempts but do not fail them. The timeout of an
// attempt counts from the start of the job, over all owners.
//
//   - Stop request or timeout: the job is stopped, then the attempt ends.
//   - Drain or lost lease: the job goes on. The handler returns at once.
//
// The task has a job from the intent on, see task.Task.SaveJob: it counts for all limits and
// reaches no end before the job has ended. If the job was not stopped within
// Options.StopWithin, or if the end is decided while no replica runs the task, a clean-up
// follows: another attempt of the task, on any replica, which stops the job. After 20
// clean-ups that failed, or a day of clean-ups on replicas that use another remote (see
// Locator), the task ends, and Task.Orphan names the job.
//
// # Limits
//
// If a handler ignores its cancelled context (an Executor that does not return when its
// context ends), the replica gives the attempt up after its StopGrace without a confirmed
// stop, and a clean-up follows.
package async

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/internal/outages"
	"github.com/ltsworker/ltsworker/task"
)

// Executor starts and watches jobs at a remote. Its methods are called concurrently. They
// must return when ctx ends. A call whose context ended may have had its effect or not.
//
// An error is temporary, and the call is repeated after a pause, unless it is made by
// Reject or by Permanent, BadPayload, RetryAfter or Snooze of package task.
type Executor interface {
	// Start starts the job of t under a name, or returns the job of that name if there is
	// one, also if it has ended. The name consists of at most 63 lower-case letters, digits
	// and hyphens, and begins with a letter. A final error means that there is no job of
	// that name. After any other error the job may exist, and Start is repeated with the
	// same name.
	Start(ctx context.Context, name string, t *task.Task) (Started, error)
	// Poll returns the states of the jobs, one per job and in their order. An error
	// concerns all jobs of the call. If the state of one job is not known, its Status is
	// Unknown, and the other jobs of the call are not affected.
	Poll(ctx context.Context, jobs []Job) ([]Status, error)
	// Stop ends the job and returns when it has ended. It also returns nil if the job has
	// ended before or does not exist. Ref is empty if the result of Start is not known: Stop
	// then finds the job by its name, or returns an error if it cannot.
	Stop(ctx context.Context, job Job) error
	// Output returns what an ended job has left. It may be called more than once for a job,
	// also by another replica.
	Output(ctx context.Context, job Job) (Output, error)
}

// Locator is an Executor that may use another remote on another replica, such as another
// container engine. An owner of a task that uses another remote than the one that began to
// start the job does not start or stop it: it releases the task, or its clean-up.
type Locator interface {
	Executor
	// Location returns what identifies the remote that this process uses, of at most 128
	// bytes.
	Location(ctx context.Context) (string, error)
}

// Job identifies a job.
type Job struct {
	Name string // the name that Start got
	Ref  string // the reference that Start returned; it need not be unique
	// LargeResult is what happens to a result that is longer than the limit of the Executor.
	// Its method Limit returns how much of the result Output needs.
	LargeResult task.LargeResult
}

// Started is a job that Start started or found.
type Started struct {
	Ref string // what Poll, Stop and Output get; never empty
	// Age is how long the job has run. Zero is for a job that this call started, and if it
	// is not known. The timeout of the attempt counts from there.
	Age time.Duration
}

// State is the state of a job.
type State int

// The states of a job.
const (
	Unknown   State = iota // not known now; the job is polled again
	Running                // has not ended; also while it waits at the remote
	Succeeded              // has ended as it should
	Failed                 // has ended otherwise
	Gone                   // the remote does not know the job
	// Elsewhere is a job of another remote than this process uses. Its task is released, so
	// that a replica that uses the other one continues to wait for the job.
	Elsewhere
)

// Status is the answer about one job.
type Status struct {
	State State
	// Err is the failure of a Failed job, and why the state is Unknown or Elsewhere. For a
	// Failed job the functions of package task that change what follows a failure, such as
	// task.Permanent, apply. After task.Snooze the next attempt starts another job.
	Err error
	// Progress sets the task's progress if it is not nil and differs from the last one:
	// JSON, at most task.MaxProgress bytes.
	Progress []byte
	// Log replaces the attempt's log if it is not nil: the end of what the job has logged.
	Log []byte
}

// Output is what an ended job has left.
type Output struct {
	// Result is the task's result if the job succeeded, of at most task.MaxResult bytes, or
	// task.MaxStagedResult with task.ExportLargeResult.
	Result []byte
	Log    []byte // replaces the attempt's log if it is not nil
	// TooLong fails the task if the job succeeded: see task.LargeResult.Fit.
	TooLong error
}

// ErrOrphan is in the error of an attempt whose job was not stopped within StopWithin. The
// job may still run at the remote, and the task ends after a clean-up.
var ErrOrphan = errors.New("the stop of the job is not confirmed")

// Reject marks an error as final: the call is not repeated, and the attempt fails with
// err. It returns nil if err is nil.
func Reject(err error) error {
	if err == nil {
		return nil
	}
	return &rejection{err}
}

type rejection struct{ error }

func (r *rejection) Unwrap() error { return r.error }

// isFinal reports whether a call that failed with err is not repeated.
func isFinal(err error) bool {
	var r *rejection
	return errors.As(err, &r) || task.DispositionOf(err) != task.Disposition{}
}

// NoPolling as Options.Interval polls a job only after its start, after a take-over and
// after Notify.
const NoPolling = -1

// The defaults of Options.
const (
	DefaultInterval    = 5 * time.Second
	DefaultMaxBatch    = 100
	DefaultCallTimeout = 30 * time.Second
	DefaultStartWithin = 5 * time.Minute
	DefaultStopWithin  = 8 * time.Second
)

// outageGap is the time without a failed call after which a failure is a new outage. It is
// longer than the pauses between the calls that are repeated.
const outageGap = 5 * time.Minute

// Options configure Jobs.
type Options struct {
	// Pool is the name of the pool, a part of the names of jobs. Required.
	Pool string
	// Interval is the time between two polls, shortened by a random part of up to a
	// fifth. With NoPolling the remote has to report ends, see Jobs.Notify. Default:
	// DefaultInterval.
	Interval time.Duration
	// MaxBatch is how many jobs one call of Poll gets at most. Default: DefaultMaxBatch.
	MaxBatch int
	// CallTimeout is how long one call of Poll or Output may take. Default:
	// DefaultCallTimeout.
	CallTimeout time.Duration
	// StartTimeout is how long one call of Start may take. Default: DefaultCallTimeout.
	StartTimeout time.Duration
	// StartWithin is how long Start is repeated. Then a job that may have been started is
	// stopped, and the attempt fails. Default: DefaultStartWithin.
	StartWithin time.Duration
	// StopWithin is how long Stop may take and is repeated. It must be shorter than the
	// replica's StopGrace. Default: DefaultStopWithin.
	StopWithin time.Duration
	// Remote names the remote in logs, in doctor and in the list of replicas. Default: "the
	// remote".
	Remote string
	// Logger gets outages of the remote and jobs that were not stopped. Default: slog.Default.
	Logger *slog.Logger
}

// Jobs runs tasks as jobs of one Executor. It is safe for concurrent use, and its Handle
// may serve several kinds of tasks.
type Jobs struct {
	executor Executor
	opts     Options
	outage   outages.Tracker
	poller   poller
}

// New returns a Jobs. It calls nothing and starts no goroutine. The error joins a
// *task.FieldError for everything that is wrong with opts.
func New(e Executor, opts Options) (*Jobs, error) {
	err := opts.check()
	if e == nil {
		err = errors.Join(err, &task.FieldError{Field: "executor", Msg: "is missing"})
	}
	if err != nil {
		return nil, err
	}
	opts.Interval = cmp.Or(opts.Interval, DefaultInterval)
	opts.MaxBatch = cmp.Or(opts.MaxBatch, DefaultMaxBatch)
	opts.CallTimeout = cmp.Or(opts.CallTimeout, DefaultCallTimeout)
	opts.StartTimeout = cmp.Or(opts.StartTimeout, DefaultCallTimeout)
	opts.StartWithin = cmp.Or(opts.StartWithin, DefaultStartWithin)
	opts.StopWithin = cmp.Or(opts.StopWithin, DefaultStopWithin)
	opts.Remote = cmp.Or(opts.Remote, "the remote")
	opts.Logger = cmp.Or(opts.Logger, slog.Default())
	j := &Jobs{executor: e, opts: opts}
	j.outage.Of, j.outage.Log, j.outage.Again, j.outage.Gap = opts.Remote, opts.Logger, "calls to the remote succeed again", outageGap
	j.poller.init(e, opts, &j.outage)
	return j, nil
}

func (o *Options) check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	if err := task.CheckName(o.Pool); err != nil {
		add("pool", "%v", err)
	}
	if o.Interval < 0 && o.Interval != NoPolling {
		add("interval", "must be positive, zero for the default or NoPolling, not %v", o.Interval)
	}
	if o.MaxBatch < 0 {
		add("max_batch", "must be positive, not %d", o.MaxBatch)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"call_timeout", o.CallTimeout}, {"start_timeout", o.StartTimeout}, {"start_within", o.StartWithin}, {"stop_within", o.StopWithin}} {
		if d.value < 0 {
			add(d.field, "must be positive, not %v", d.value)
		}
	}
	return errors.Join(errs...)
}

// Notify makes the poller ask for the state of a job at once, because the remote has
// reported something about it. It does not wait, and ignores a reference that no attempt
// in this process waits for: the owner of such a task polls it when it starts to wait. A
// notification does not decide about the outcome, Poll does. So a forged one, or a second
// one, changes nothing.
func (j *Jobs) Notify(ref string) { j.poller.notify(ref) }
