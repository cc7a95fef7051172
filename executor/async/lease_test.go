package async

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// execution is an attempt in a replica.
type execution struct {
	task.Execution
	leaseLost   chan struct{}
	checkpoints []string
	logs        []string
	jobs        []string      // of the calls of SaveJob
	fail        map[int]error // by the number of the checkpoint, from 1
}

func (e *execution) LeaseLost() <-chan struct{} { return e.leaseLost }
func (e *execution) SetLog(log []byte)          { e.logs = append(e.logs, string(log)) }
func (e *execution) SetProgress([]byte)         {}
func (e *execution) SaveJob(ctx context.Context, job string, data []byte) error {
	e.jobs = append(e.jobs, job)
	return e.Checkpoint(ctx, data)
}
func (e *execution) Checkpoint(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.checkpoints = append(e.checkpoints, string(data))
	return e.fail[len(e.checkpoints)]
}

func newExecution(tk *task.Task) *execution {
	e := &execution{leaseLost: make(chan struct{}), fail: map[int]error{}}
	tk.Bind(e)
	return e
}

func TestNothingIsStartedIfTheIntentCannotBeSaved(t *testing.T) {
	for name, c := range map[string]struct{ err, want error }{
		"the store is away": {errAway, task.Snooze(task.ReleaseDelay)},
		"lost lease":        {task.ErrLeaseLost, task.ErrLeaseLost},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				tk := newTask("1s")
				newExecution(tk).fail[1] = c.err
				_, err := begin(t, newJobs(t, r), tk).wait()
				if task.DispositionOf(err) != task.DispositionOf(c.want) || errors.Is(c.want, task.ErrLeaseLost) != errors.Is(err, task.ErrLeaseLost) {
					t.Error(err)
				}
				if len(r.calls) > 0 {
					t.Errorf("%q", r.calls)
				}
			})
		})
	}
}

func TestReferenceThatCannotBeSaved(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		tk := newTask("1s")
		e := newExecution(tk)
		e.fail[2] = errAway
		if result, err := begin(t, newJobs(t, r), tk).wait(); err != nil || result != "1s" || len(e.checkpoints) != 2 {
			t.Errorf("%q, %v, checkpoints %q", result, err, e.checkpoints)
		}
		tk = newTask("1s")
		newExecution(tk).fail[2] = task.ErrLeaseLost
		_, err := begin(t, newJobs(t, r), tk).wait()
		wantError(t, err, task.ErrLeaseLost)
		r.wantCalls(t, "Stop 0")
	})
}

// A stop request or a timeout first, then the lease is lost: the next owner stops the job.
func TestLostLeaseEndsCalls(t *testing.T) {
	for _, method := range []string{"Start", "Stop", "Output"} {
		for _, cause := range []error{task.ErrStopped, task.ErrTimeout, nil} {
			if method == "Stop" && cause == nil {
				continue
			}
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				r.fault = func(ctx context.Context, call string) fault {
					if f := failing(method, errAway)(ctx, call); f.before != nil {
						<-ctx.Done()
						return f
					}
					return fault{}
				}
				payload := ""
				if method == "Output" {
					payload = "ended"
				}
				tk := newTask(payload)
				e := newExecution(tk)
				a := begin(t, newJobs(t, r), tk)
				advance(2 * time.Second)
				if cause != nil {
					a.cancel(cause)
				}
				advance(time.Second)
				close(e.leaseLost)
				if cause == nil {
					a.cancel(task.ErrLeaseLost)
				}
				_, err := a.wait()
				if err == nil || errors.Is(err, ErrOrphan) || a.took != 3*time.Second {
					t.Errorf("%s, %v: %v after %v", method, cause, err, a.took)
				}
				if method == "Start" {
					r.wantCalls(t, "Stop 0")
				}
			})
		}
	}
}
