package async

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAllJobsOfAProcessArePolledInBatches(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r, func(o *Options) { o.Interval, o.MaxBatch = 10*time.Second, 20 })
		var all []*run
		for range 50 {
			all = append(all, begin(t, j, newTask("15s")))
		}
		for _, a := range all {
			if _, err := a.wait(); err != nil {
				t.Error(err)
			}
		}
		// Two rounds of 20, 20 and 10 jobs.
		r.wantCalls(t, "Poll 6", "Start 50", "Output 50")
		synctest.Wait() // the test fails if a goroutine of the poller stays
	})
}

func TestIntervalHasJitter(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		var gaps []time.Duration
		last := time.Now()
		r.fault = func(_ context.Context, call string) fault {
			if strings.HasPrefix(call, "Poll") {
				gaps, last = append(gaps, time.Since(last)), time.Now()
			}
			return fault{}
		}
		_, _ = begin(t, newJobs(t, r, func(o *Options) { o.Interval = 10 * time.Second }), newTask("5m")).wait()
		differ := false
		for _, g := range gaps {
			differ = differ || g != gaps[0]
			if g < 8*time.Second || g > 10*time.Second {
				t.Errorf("polled after %v", g)
			}
		}
		if !differ {
			t.Errorf("no jitter: %v", gaps)
		}
	})
}

func TestJobWhoseStateIsUnknownDelaysNoOther(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		bad, good := begin(t, j, newTask("")), begin(t, j, newTask("5s"))
		advance(time.Millisecond)
		r.mu.Lock()
		r.jobs["ref-"+jobName("media", bad.task)].ended = true
		r.jobs["ref-"+jobName("media", bad.task)].status = Status{Err: errAway}
		r.mu.Unlock()
		if result, err := good.wait(); err != nil || result != "5s" || good.took > 7*time.Second {
			t.Errorf("%q, %v after %v", result, err, good.took)
		}
		advance(time.Minute)
		if n := r.log.count("the state of a job is not known"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		bad.cancel(task.ErrTimeout)
		if _, err := bad.wait(); !errors.Is(err, task.ErrTimeout) {
			t.Error(err)
		}
	})
}

// The remote does not answer, or answers nonsense, for an hour.
func TestOutageOfTheRemoteIsWaitedFor(t *testing.T) {
	for name, c := range map[string]func(ctx context.Context) fault{
		"fails":             func(context.Context) fault { return fault{before: errAway} },
		"hangs":             func(ctx context.Context) fault { <-ctx.Done(); return fault{before: ctx.Err()} },
		"answers too few":   func(context.Context) fault { return fault{statuses: []Status{}} },
		"answers too many":  func(context.Context) fault { return fault{statuses: make([]Status, 7)} },
		"panics":            func(context.Context) fault { panic("boom") },
		"fails, answers it": func(context.Context) fault { return fault{after: errAway} },
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				r := newRemote()
				j := newJobs(t, r)
				a, stopped := begin(t, j, newTask("10s")), begin(t, j, newTask(""))
				advance(5 * time.Second)
				r.setFault(func(ctx context.Context, call string) fault {
					if strings.HasPrefix(call, "Poll") {
						return c(ctx)
					}
					return fault{}
				})
				advance(30 * time.Minute)
				stopped.cancel(task.ErrTimeout)
				if _, err := stopped.wait(); !errors.Is(err, task.ErrTimeout) || stopped.took > 31*time.Minute {
					t.Errorf("timeout during the outage: %v after %v", err, stopped.took)
				}
				advance(30 * time.Minute)
				polls := r.count("Poll")
				if polls > 2*3600 {
					t.Errorf("%d calls during the outage", polls)
				}
				r.setFault(nil)
				if result, err := a.wait(); err != nil || result != "10s" {
					t.Errorf("%q, %v", result, err)
				}
				synctest.Wait()
				r.wantCalls(t, "Start 2")
				if n := r.count("Output " + jobName("media", a.task)); n != 1 {
					t.Errorf("the output was read %d times", n)
				}
				if down := r.log.count("jobs cannot be polled"); down != 1 {
					t.Errorf("the outage was logged %d times", down)
				}
			})
		})
	}
}

// One job makes each call fail that contains it.
func TestJobThatMakesCallsFailDelaysOthersBriefly(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		bad := begin(t, j, newTask(""))
		advance(time.Second)
		all := []*run{}
		for range 30 {
			all = append(all, begin(t, j, newTask("5s")))
		}
		poison := &poisoned{remote: r, ref: "ref-" + jobName("media", bad.task)}
		j.poller.mu.Lock()
		j.poller.executor = poison
		j.poller.mu.Unlock()
		for _, a := range all {
			if _, err := a.wait(); err != nil || a.took > time.Minute {
				t.Errorf("%v after %v", err, a.took)
			}
		}
		bad.cancel(task.ErrStopped)
		_, _ = bad.wait()
	})
}

type poisoned struct {
	*remote
	ref string
}

func (p *poisoned) Poll(ctx context.Context, jobs []Job) ([]Status, error) {
	for _, j := range jobs {
		if j.Ref == p.ref {
			return nil, errAway
		}
	}
	return p.remote.Poll(ctx, jobs)
}

func TestJobIsGoneWhenTheRemoteHasSaidSoTwice(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, NoPolling} {
		inFakeTime(t, func(t *testing.T) {
			r := newRemote()
			j := newJobs(t, r, func(o *Options) { o.Interval = interval })
			a := begin(t, j, newTask("1m"))
			advance(10 * time.Second)
			var kept *job
			r.change(func(ref string, job *job) { kept = job; delete(r.jobs, ref) })
			j.Notify("ref-" + kept.name)
			synctest.Wait()
			select {
			case <-a.done:
				t.Fatalf("ended after one answer: %v", a.err)
			default:
			}
			_, err := a.wait()
			wantError(t, err, nil, "the job lts-media-", "is gone")
			if a.took > 20*time.Second {
				t.Errorf("took %v", a.took)
			}

			// One wrong answer does no harm.
			b := begin(t, j, newTask("1m"))
			advance(10 * time.Second)
			r.setFault(func(_ context.Context, call string) fault {
				r.setFault(nil)
				return fault{statuses: []Status{{State: Gone}}}
			})
			j.Notify("ref-" + jobName("media", b.task))
			advance(time.Minute)
			j.Notify("ref-" + jobName("media", b.task))
			if _, err := b.wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProgressAndLogOfTheJobAreThoseOfTheTask(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		a := begin(t, newJobs(t, r), newTask(""))
		n := 0
		r.setFault(func(_ context.Context, call string) fault {
			if !strings.HasPrefix(call, "Poll") {
				return fault{}
			}
			n++
			s := Status{State: Running, Progress: fmt.Appendf(nil, `{"done":%d}`, n/3), Log: fmt.Appendf(nil, "line %d", n)}
			if n == 10 {
				s.Progress = make([]byte, task.MaxProgress+1)
			}
			return fault{statuses: []Status{s}}
		})
		advance(20 * time.Second)
		synctest.Wait()
		if got := string(a.task.Progress); got != fmt.Sprintf(`{"done":%d}`, n/3) || a.task.Log != fmt.Sprintf("line %d", n) {
			t.Errorf("progress %s, log %q after %d polls", got, a.task.Log, n)
		}
		if r.log.count("progress of a job cannot be set") != 1 {
			t.Errorf("logged %q", r.log.lines)
		}
		a.cancel(task.ErrStopped)
		_, _ = a.wait()
	})
}

func TestNotifyPollsAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r, func(o *Options) { o.Interval = time.Hour })
		a := begin(t, j, newTask("10s"))
		advance(10 * time.Second)
		r.wantCalls(t, "Poll 0")
		j.Notify("ref of another process")
		for range 100 {
			j.Notify("ref-" + jobName("media", a.task))
		}
		if result, err := a.wait(); err != nil || result != "10s" || a.took != 10*time.Second {
			t.Errorf("%q, %v after %v", result, err, a.took)
		}
		j.Notify("ref-" + jobName("media", a.task)) // a second report
		r.wantCalls(t, "Output 1")
		if n := r.count("Poll"); n > 2 {
			t.Errorf("polled %d times", n)
		}
	})
}

// The report may arrive before the attempt waits, and while no replica runs the task.
func TestCallbackOnlyMode(t *testing.T) {
	callbackOnly := func(o *Options) { o.Interval = NoPolling }
	t.Run("a report before the attempt waits counts", func(t *testing.T) {
		inFakeTime(t, func(t *testing.T) {
			r := newRemote()
			a := begin(t, newJobs(t, r, callbackOnly), newTask("ended"))
			if _, err := a.wait(); err != nil || a.took > time.Second {
				t.Errorf("%v after %v", err, a.took)
			}
		})
	})
	t.Run("a report between two owners counts", func(t *testing.T) {
		inFakeTime(t, func(t *testing.T) {
			r := newRemote()
			j := newJobs(t, r, callbackOnly)
			tk := newTask("1m")
			a := begin(t, j, tk)
			advance(time.Second)
			a.cancel(task.ErrShutdown)
			_, _ = a.wait()
			advance(time.Hour)
			if result, err := begin(t, j, tk).wait(); err != nil || result != "1m" {
				t.Errorf("%q, %v", result, err)
			}
		})
	})
	t.Run("the time limit holds", func(t *testing.T) {
		inFakeTime(t, func(t *testing.T) {
			r := newRemote()
			tk := newTask("")
			tk.TimeLeft = time.Hour
			a := begin(t, newJobs(t, r, callbackOnly), tk)
			_, err := a.wait()
			wantError(t, err, task.ErrTimeout)
			if a.took != time.Hour || r.running() != 0 {
				t.Errorf("after %v", a.took)
			}
		})
	})
	t.Run("a failed poll after a report is repeated", func(t *testing.T) {
		inFakeTime(t, func(t *testing.T) {
			r := newRemote()
			j := newJobs(t, r, callbackOnly)
			a := begin(t, j, newTask("1m"))
			advance(time.Minute)
			r.setFault(failing("Poll", errAway))
			j.Notify("ref-" + jobName("media", a.task))
			advance(time.Minute)
			r.setFault(nil)
			if _, err := a.wait(); err != nil || a.took > 3*time.Minute {
				t.Errorf("%v after %v", err, a.took)
			}
		})
	})
}

// oneRef is a remote that gives all jobs one reference, and knows them by their names.
type oneRef struct{ *remote }

func (o oneRef) Start(ctx context.Context, name string, t *task.Task) (Started, error) {
	_, err := o.remote.Start(ctx, name, t)
	return Started{Ref: "ref"}, err
}

func (o oneRef) Poll(ctx context.Context, jobs []Job) ([]Status, error) {
	for i := range jobs {
		jobs[i].Ref = "ref-" + jobs[i].Name
	}
	return o.remote.Poll(ctx, jobs)
}

func (o oneRef) Output(ctx context.Context, job Job) (Output, error) {
	return o.remote.Output(ctx, Job{Name: job.Name, Ref: "ref-" + job.Name})
}

func TestJobsWithOneReferenceHaveTheirOwnOutcomes(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, NoPolling} {
		inFakeTime(t, func(t *testing.T) {
			j, err := New(oneRef{newRemote()}, Options{Pool: "media", Interval: interval})
			if err != nil {
				t.Fatal(err)
			}
			long, short := begin(t, j, newTask("1m")), begin(t, j, newTask("5s"))
			for _, a := range []*run{short, long} {
				advance(time.Minute / 2)
				j.Notify("ref")
				if result, err := a.wait(); err != nil || result != string(a.task.Payload) {
					t.Errorf("%q, %v", result, err)
				}
			}
			if long.took < time.Minute {
				t.Errorf("the job of a minute took %v", long.took)
			}
		})
	}
}
