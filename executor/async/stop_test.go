package async

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestStopRequestAndTimeoutStopTheJob(t *testing.T) {
	for _, cause := range []error{task.ErrStopped, task.ErrTimeout} {
		t.Run(cause.Error(), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				a := begin(t, newJobs(t, r), newTask(""))
				advance(time.Minute)
				a.cancel(cause)
				_, err := a.wait()
				wantError(t, err, cause, "the job was stopped: exit status 143")
				if r.running() != 0 {
					t.Error("the job runs")
				}
				r.wantCalls(t, "Stop 1")
			})
		})
	}
}

func TestJobThatSucceededBeforeItsStopIsASuccess(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r, func(o *Options) { o.Interval = time.Minute }), newTask("10s"))
		advance(11 * time.Second)
		a.cancel(task.ErrTimeout)
		if result, err := a.wait(); err != nil || result != "10s" {
			t.Errorf("%q, %v", result, err)
		}
	})
}

func TestDrainAndLostLeaseLeaveTheJobRunning(t *testing.T) {
	for name, cause := range map[string]error{"drain": task.ErrShutdown, "lost lease": task.ErrLeaseLost, "no cause": nil} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				j := newJobs(t, r)
				tk := newTask("1m")
				a := begin(t, j, tk)
				advance(10 * time.Second)
				a.cancel(cause)
				_, err := a.wait()
				wantError(t, err, cause, "continues")
				r.wantCalls(t, "Stop 0", "Start 1")
				if r.running() != 1 {
					t.Error("the job does not run")
				}
				if result, err := begin(t, j, tk).wait(); err != nil || result != "1m" {
					t.Errorf("the next owner: %q, %v", result, err)
				}
				r.wantCalls(t, "Stop 0", "Start 1")
			})
		})
	}
}

// A call of Start that hangs ends with the drain. A stop waits for it, because a call that
// is given up could start the job after the stop.
func TestEndDuringStart(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		lasts time.Duration // of Start
		took  time.Duration
		want  string
		stops int
	}{
		"drain":             {task.ErrShutdown, time.Hour, 0, "may have been started", 0},
		"stop":              {task.ErrStopped, 2 * time.Second, time.Second, "the job was stopped", 1},
		"stop, Start hangs": {task.ErrStopped, time.Hour, DefaultStopWithin / 2, "no job lts-", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				r.fault = func(ctx context.Context, call string) fault {
					if strings.HasPrefix(call, "Start") {
						select {
						case <-ctx.Done():
							return fault{before: ctx.Err()}
						case <-time.After(c.lasts):
						}
					}
					return fault{}
				}
				a := begin(t, newJobs(t, r), newTask(""))
				advance(time.Second)
				a.cancel(c.cause)
				_, err := a.wait()
				wantError(t, err, c.cause, c.want)
				if a.took != time.Second+c.took {
					t.Errorf("took %v after the cause, want %v", a.took-time.Second, c.took)
				}
				r.wantCalls(t, "Start 1", fmt.Sprint("Stop ", c.stops))
			})
		})
	}
}

func TestStopIsRepeated(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r), newTask(""))
		advance(time.Second)
		r.setFault(func(_ context.Context, call string) fault {
			if strings.HasPrefix(call, "Stop") && r.count("Stop") < 4 {
				return fault{before: errAway}
			}
			return fault{}
		})
		a.cancel(task.ErrStopped)
		_, err := a.wait()
		wantError(t, err, task.ErrStopped, "the job was stopped")
		r.wantCalls(t, "Stop 4")
	})
}

func TestUnconfirmedStopLeavesAnOrphan(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r), newTask(""))
		advance(time.Second)
		r.setFault(failing("Stop", errAway))
		a.cancel(task.ErrTimeout)
		_, err := a.wait()
		wantError(t, err, task.ErrTimeout, "orphan: the job lts-media-", "could not be stopped within 8s", errAway.Error())
		wantError(t, err, ErrOrphan)
		if a.took > time.Second+DefaultStopWithin || r.log.count("could not be stopped") != 1 {
			t.Errorf("took %v, logged %q", a.took, r.log.lines)
		}
	})
}

// The limit counts from the start of the job, over owners, by the clock of the store.
