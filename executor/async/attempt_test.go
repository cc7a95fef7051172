package async

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestJobIsStartedAndItsOutputIsTheResult(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r), newTask("3s"))
		if result, err := a.wait(); err != nil || result != "3s" {
			t.Errorf("%q, %v", result, err)
		}
		if a.took < 3*time.Second || a.took > 5*time.Second {
			t.Errorf("took %v", a.took)
		}
		if !strings.HasPrefix(a.task.Log, "log of lts-media-") {
			t.Errorf("log %q", a.task.Log)
		}
		r.wantCalls(t, "Start 1", "Stop 0", "Output 1")
	})
}

func TestOutcomeOfAFailedJob(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		status Status
		want   error
	}{
		"text":      {Status{State: Failed, Err: boom}, boom},
		"no text":   {Status{State: Failed}, errors.New("the job failed")},
		"permanent": {Status{State: Failed, Err: task.Permanent(boom)}, task.Permanent(boom)},
		"snooze":    {Status{State: Failed, Err: task.Snooze(time.Minute)}, task.Snooze(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				a := begin(t, newJobs(t, r), newTask(""))
				advance(500 * time.Millisecond)
				r.change(func(_ string, j *job) { j.ended, j.status = true, c.status })
				result, err := a.wait()
				if result != "" || err.Error() != c.want.Error() || task.DispositionOf(err) != task.DispositionOf(c.want) {
					t.Errorf("%q, %v", result, err)
				}
				if !strings.HasPrefix(a.task.Log, "log of lts-media-") {
					t.Errorf("log %q", a.task.Log)
				}
			})
		})
	}
}

// A release keeps the checkpoint of a task, but not that of a job which has ended.
func TestJobThatReleasesItsTaskIsFollowedByAnother(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j, tk := newJobs(t, r), newTask("")
		a := begin(t, j, tk)
		advance(time.Second / 2)
		r.change(func(_ string, j *job) { j.ended, j.status = true, Status{State: Failed, Err: task.Snooze(time.Minute)} })
		if _, err := a.wait(); !task.DispositionOf(err).Snooze || tk.LastCheckpoint != nil {
			t.Errorf("%v, checkpoint %q", err, tk.LastCheckpoint)
		}
		tk.Fence += 100
		tk.Payload = []byte("1s")
		if result, err := begin(t, j, tk).wait(); err != nil || result != "1s" || len(r.jobs) != 2 {
			t.Errorf("%q, %v, %d jobs", result, err, len(r.jobs))
		}
	})
}

func TestTaskOfAJobElsewhereIsReleasedWithItsJob(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r, tk := newRemote(), newTask("10s")
		a := begin(t, newJobs(t, r), tk)
		advance(time.Second / 2)
		a.cancel(task.ErrLeaseLost)
		_, _ = a.wait()
		saved := string(tk.LastCheckpoint)
		r.fault = func(context.Context, string) fault { return fault{statuses: []Status{{State: Elsewhere}}} }
		if _, err := begin(t, newJobs(t, r), tk).wait(); task.DispositionOf(err) != task.DispositionOf(task.Elsewhere()) || string(tk.LastCheckpoint) != saved {
			t.Errorf("%v, checkpoint %q, want %q", err, tk.LastCheckpoint, saved)
		}
		r.fault = nil
		if result, err := begin(t, newJobs(t, r), tk).wait(); err != nil || result != "10s" {
			t.Errorf("%q, %v", result, err)
		}
		r.wantCalls(t, "Start 1", "Stop 0")
	})
}

// The owner of the task dies at each step. The next owner has only the checkpoint.
func TestNextOwnerStartsNoSecondJob(t *testing.T) {
	var j *Jobs
	for name, c := range map[string]struct {
		before func(r *remote, tk *task.Task) // what the dead owner did
		starts int
	}{
		"nothing": {func(*remote, *task.Task) {}, 1},
		"intent": {func(_ *remote, tk *task.Task) {
			_ = tk.Checkpoint(context.Background(), intent("media", tk))
		}, 1},
		"intent and Start": {func(r *remote, tk *task.Task) {
			s := intent("media", tk)
			_ = tk.Checkpoint(context.Background(), s)
			_, _ = r.Start(context.Background(), s.Name, tk)
		}, 2}, // the second finds the job of the first
		"intent, Start and reference": {func(r *remote, tk *task.Task) {
			s := intent("media", tk)
			started, _ := r.Start(context.Background(), s.Name, tk)
			s.Ref = started.Ref
			_ = tk.Checkpoint(context.Background(), s)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				j = newJobs(t, r)
				tk := newTask("10s")
				c.before(r, tk)
				advance(4 * time.Second)
				tk.Fence += 100 // another claim
				if result, err := begin(t, j, tk).wait(); err != nil || result != "10s" {
					t.Errorf("%q, %v", result, err)
				}
				if len(r.jobs) != 1 {
					t.Errorf("%d jobs were started", len(r.jobs))
				}
				r.wantCalls(t, fmt.Sprint("Start ", c.starts))
			})
		})
	}
}

func TestStartIsRepeatedWithTheSameName(t *testing.T) {
	for name, c := range map[string]fault{
		"fails":           {before: errAway},
		"loses its reply": {after: errAway},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				n := 0
				r.fault = func(_ context.Context, call string) fault {
					if strings.HasPrefix(call, "Start") {
						if n++; n <= 4 {
							return c
						}
					}
					return fault{}
				}
				tk := newTask("1s")
				e := newExecution(tk)
				if _, err := begin(t, newJobs(t, r), tk).wait(); err != nil {
					t.Error(err)
				}
				if len(r.jobs) != 1 {
					t.Errorf("%d jobs were started", len(r.jobs))
				}
				r.wantCalls(t, "Start 5")
				waiting := "the job is not started yet: remote is away\n"
				if want := []string{waiting, waiting, waiting, waiting, "", "log of " + jobName("media", tk)}; !slices.Equal(e.logs, want) {
					t.Errorf("logs %q", e.logs)
				}
				if n := r.log.count("a call to the remote failed"); n != 1 {
					t.Errorf("logged %d times", n)
				}
			})
		})
	}
}

func TestFinalErrorOfStartFailsTheAttempt(t *testing.T) {
	for name, err := range map[string]error{"Reject": Reject(errAway), "Permanent": task.Permanent(errAway), "RetryAfter": task.RetryAfter(errAway, 0)} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				r.fault = failing("Start", fmt.Errorf("create: %w", err))
				a := begin(t, newJobs(t, r), newTask("1s"))
				_, got := a.wait()
				wantError(t, got, errAway, "start the job: create: ")
				if task.DispositionOf(got) != task.DispositionOf(err) || a.took > 0 {
					t.Errorf("%v after %v", got, a.took)
				}
				r.wantCalls(t, "Start 1", "Stop 0")
			})
		})
	}
}

// The job may exist although every reply was lost.
func TestStartWithoutSuccessStopsTheJobAndFailsTheAttempt(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		r.fault = func(_ context.Context, call string) fault {
			if strings.HasPrefix(call, "Start") {
				return fault{after: errAway}
			}
			return fault{}
		}
		a := begin(t, newJobs(t, r), newTask(""))
		_, err := a.wait()
		wantError(t, err, errAway, "start the job: no success within 5m0s")
		if a.took < 4*time.Minute || a.took > 6*time.Minute || r.running() != 0 || errors.Is(err, ErrOrphan) {
			t.Errorf("took %v, %d jobs run, %v", a.took, r.running(), err)
		}
	})
}

func TestTimeLimitCountsFromTheStartOfTheJob(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		tk := newTask("")
		tk.TimeLeft = time.Hour
		a := begin(t, j, tk)
		advance(10 * time.Minute)
		a.cancel(task.ErrShutdown)
		_, _ = a.wait()

		skew := 24 * time.Hour // of the store's clock
		tk.CheckpointAt = time.Now().Add(skew - 10*time.Minute)
		advance(20 * time.Minute) // no replica runs the task
		tk.StartedAt = time.Now().Add(skew)
		b := begin(t, j, tk)
		_, err := b.wait()
		wantError(t, err, task.ErrTimeout, "the job was stopped")
		if b.took != 30*time.Minute || r.running() != 0 {
			t.Errorf("the next owner stopped it after %v; %d jobs run", b.took, r.running())
		}

		// The next attempt has a new name and the whole time.
		tk.LastCheckpoint, tk.Fence = nil, tk.Fence+1000
		c := begin(t, j, tk)
		if _, err := c.wait(); !errors.Is(err, task.ErrTimeout) || c.took != time.Hour {
			t.Errorf("the next attempt: %v after %v", err, c.took)
		}
		if len(r.jobs) != 2 {
			t.Errorf("%d jobs", len(r.jobs))
		}
	})
}

func TestJobThatEndedWithinItsLimitBetweenTwoOwnersIsASuccess(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		tk := newTask("30m")
		tk.TimeLeft = time.Hour
		a := begin(t, j, tk)
		advance(time.Minute)
		a.cancel(task.ErrShutdown)
		_, _ = a.wait()
		tk.CheckpointAt = time.Now().Add(-time.Minute)
		advance(10 * time.Hour)
		tk.StartedAt = time.Now()
		if result, err := begin(t, j, tk).wait(); err != nil || result != "30m" {
			t.Errorf("%q, %v", result, err)
		}
	})
}

func TestOutputIsRepeatedUntilItIsRead(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r), newTask("1s"))
		r.setFault(failing("Output", errAway))
		advance(time.Hour)
		r.setFault(nil)
		if result, err := a.wait(); err != nil || result != "1s" {
			t.Errorf("%q, %v", result, err)
		}
		r.setFault(failing("Output", Reject(errAway)))
		_, err := begin(t, newJobs(t, r), newTask("1s")).wait()
		wantError(t, err, errAway, "the job succeeded, but its output cannot be read")
	})
}

func TestForeignCheckpointStartsNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		for _, text := range []string{`{"page":7}`, `{"async":2,"name":"x"}`, `{"async":1}`, "\x00"} {
			r := newRemote()
			tk := newTask("1s")
			tk.LastCheckpoint = []byte(text)
			_, err := begin(t, newJobs(t, r), tk).wait()
			wantError(t, err, nil, "checkpoint of another handler or version")
			if len(r.calls) > 0 {
				t.Errorf("%q", r.calls)
			}
		}
	})
}

func TestNoJobIsStartedForAnEndedContext(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(task.ErrShutdown)
		_, err := newJobs(t, r).Handle(ctx, newTask("1s"))
		wantError(t, err, task.ErrShutdown, "no job was started")
		if len(r.calls) > 0 {
			t.Errorf("%q", r.calls)
		}
	})
}

func TestNameOfAJob(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	var all []string
	for _, pool := range []string{"media", "Größe/名", strings.Repeat("x", 128)} {
		for _, id := range []string{"a", "b", strings.Repeat("名", 100)} {
			for _, fence := range []int64{1, 1<<63 - 1} {
				for _, created := range []int64{1, 2} {
					tk := &task.Task{Spec: task.Spec{ID: id}, Fence: fence, CreatedAt: time.UnixMilli(created)}
					name := jobName(pool, tk)
					if !valid.MatchString(name) || slices.Contains(all, name) || name != jobName(pool, tk) {
						t.Errorf("%s", name)
					}
					all = append(all, name)
				}
			}
		}
	}
}

func TestOptionsReportEveryProblemAtOnce(t *testing.T) {
	_, err := New(nil, Options{Pool: "{}", Interval: -time.Second, MaxBatch: -1, CallTimeout: -1, StartTimeout: -1, StartWithin: -1, StopWithin: -1})
	wantError(t, err, nil, "executor is missing", "pool must", "interval must", "max_batch must", "call_timeout must", "start_timeout must", "start_within must", "stop_within must")
}

// Attempts in place belong to one claim, and so to one fence.
func TestAttemptInPlaceStartsAnotherJob(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j, tk := newJobs(t, r), newTask("")
		tk.Attempt = 1
		a := begin(t, j, tk)
		advance(time.Second / 2)
		r.change(func(_ string, j *job) { j.ended, j.status = true, Status{State: Failed, Err: errors.New("boom")} })
		_, err := a.wait()
		wantError(t, err, nil, "boom")
		tk.Attempt, tk.LastCheckpoint, tk.Payload = 2, nil, []byte("1s")
		if result, err := begin(t, j, tk).wait(); err != nil || result != "1s" || len(r.jobs) != 2 {
			t.Errorf("%q, %v, %d jobs", result, err, len(r.jobs))
		}
	})
}

// After a refused start the task has no job, but its checkpoint has the name.
func TestStartAfterARefusedOneNamesTheJobFirst(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		r.fault = failing("Start", task.Snooze(time.Minute))
		j, tk := newJobs(t, r), newTask("1s")
		if _, err := begin(t, j, tk).wait(); !task.DispositionOf(err).Snooze || tk.Job != "" {
			t.Errorf("%v, job %q", err, tk.Job)
		}
		named := ""
		r.fault = func(_ context.Context, call string) fault {
			if strings.HasPrefix(call, "Start") {
				named = tk.Job
			}
			return fault{}
		}
		if _, err := begin(t, j, tk).wait(); err != nil || named != jobName("media", tk) {
			t.Errorf("%v; at the start the task had the job %q", err, named)
		}
	})
}

func TestResultThatWasReadIsReportedByAReplicaThatDrains(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r), newTask("1s"))
		r.setFault(func(_ context.Context, call string) fault {
			if strings.HasPrefix(call, "Output") {
				a.cancel(task.ErrShutdown)
				synctest.Wait() // the context of the call has ended
			}
			return fault{}
		})
		if result, err := a.wait(); err != nil || result != "1s" {
			t.Errorf("%q, %v", result, err)
		}
	})
}
