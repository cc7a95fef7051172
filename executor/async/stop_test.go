package async

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
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

func TestUnconfirmedStopLeavesTheJobToACleanUp(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j, tk := newJobs(t, r), newTask("")
		a := begin(t, j, tk)
		advance(time.Second)
		r.setFault(failing("Stop", errAway))
		a.cancel(task.ErrTimeout)
		_, err := a.wait()
		wantError(t, err, task.ErrTimeout, "the job lts-media-", "was not stopped within 8s", errAway.Error())
		wantError(t, err, ErrOrphan)
		if a.took > time.Second+DefaultStopWithin || r.log.count("was not stopped in time") != 1 || tk.Job == "" {
			t.Errorf("took %v, logged %q, job %q", a.took, r.log.lines, tk.Job)
		}

		tk.CleanUp = task.CodeTimeout
		a = begin(t, j, tk)
		_, err = a.wait()
		wantError(t, err, errAway, "was not stopped within 8s")
		if a.took > DefaultStopWithin {
			t.Errorf("a clean-up took %v", a.took)
		}
		r.setFault(nil)
		if _, err = begin(t, j, tk).wait(); err != nil || r.running() != 0 {
			t.Errorf("%v, %d jobs run", err, r.running())
		}
		r.wantCalls(t, "Start 1")
	})
}

// Both calls have to fit into the replica's StopGrace.
func TestStartAndStopThatHangShareTheTimeOfAStop(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		r.fault = func(ctx context.Context, _ string) fault { <-ctx.Done(); return fault{before: ctx.Err()} }
		a := begin(t, newJobs(t, r), newTask(""))
		advance(time.Second)
		a.cancel(task.ErrStopped)
		_, err := a.wait()
		wantError(t, err, ErrOrphan)
		if a.took != time.Second+DefaultStopWithin {
			t.Errorf("took %v", a.took)
		}
		r.wantCalls(t, "Start 1", "Stop 1")
	})
}

// A clean-up goes on after a stop request. It leaves the job to the next owner if the replica
// drains before it begins. It finds a job without a reference by its name.
func TestCleanUpStopsTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		cause  error
		intent bool
		stops  int
	}{
		"plain": {nil, false, 1}, "intent only": {nil, true, 1}, "stop request": {task.ErrStopped, false, 1}, "drain": {task.ErrShutdown, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				j, tk := newJobs(t, r), newTask("")
				a := begin(t, j, tk)
				advance(time.Second)
				a.cancel(task.ErrShutdown)
				_, _ = a.wait()
				if c.intent {
					s, err := load(tk)
					if err != nil {
						t.Fatal(err)
					}
					s.Ref = ""
					if err := tk.SaveJob(t.Context(), s.Name, s); err != nil {
						t.Fatal(err)
					}
				}
				tk.CleanUp = task.CodeStopped
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(c.cause)
				if c.cause == nil {
					ctx = t.Context()
				}
				_, err := j.Handle(ctx, tk)
				if (err == nil) != (c.stops > 0) || r.running() != 1-c.stops {
					t.Errorf("%v, %d jobs run", err, r.running())
				}
				r.wantCalls(t, fmt.Sprint("Stop ", c.stops), "Start 1")
			})
		})
	}
}

// A task whose job has ended, as the remote or a confirmed stop says, has no job any more.
func TestEndedJobIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		end     func(*remote, *run)
		job     bool
	}{
		"failed":    {"10s", func(r *remote, _ *run) { r.change(func(_ string, j *job) { j.status = Status{State: Failed} }) }, false},
		"gone":      {"", func(r *remote, _ *run) { r.change(func(ref string, _ *job) { delete(r.jobs, ref) }) }, false},
		"stopped":   {"", func(_ *remote, a *run) { a.cancel(task.ErrStopped) }, false},
		"timed out": {"", func(_ *remote, a *run) { a.cancel(task.ErrTimeout) }, false},
		"drained":   {"", func(_ *remote, a *run) { a.cancel(task.ErrShutdown) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				tk := newTask(c.payload)
				a := begin(t, newJobs(t, r), tk)
				advance(2 * time.Second)
				synctest.Wait() // the attempt waits for its job
				if name, ref, _ := strings.Cut(tk.Job, " "); !strings.HasPrefix(name, "lts-media-") || ref != "ref-"+name {
					t.Errorf("job %q", tk.Job)
				}
				c.end(r, a)
				if _, err := a.wait(); err == nil || (tk.Job != "") != c.job || len(tk.LastCheckpoint) == 0 {
					t.Errorf("%v, job %q, checkpoint %q", err, tk.Job, tk.LastCheckpoint)
				}
			})
		})
	}
}

// The limit counts from the start of the job, over owners, by the clock of the store.
