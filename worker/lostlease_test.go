package worker

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestHandlerIsCancelledBeforeItsLeaseEndsUnrenewed(t *testing.T) {
	for name, f := range map[string]fault{"fail": fail, "hang": hang, "lose their replies": lose} {
		t.Run("renewals "+name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				var cancelled time.Duration
				var cause error
				begin := time.Now()
				tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
					tk.Logf("line")
					_, cause = untilCancelled(ctx, tk)
					cancelled = time.Since(begin)
					return []byte("too late"), nil
				})
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.store.setFault(func(op string) fault {
					if op == "renew" && time.Since(begin) < 27*time.Second {
						return f
					}
					return none
				})
				tr.run()
				tr.advance(27*time.Second - 1)
				if reports := tr.store.verdictsOf("x"); len(reports) != 0 {
					t.Fatalf("cancelled early: %+v", reports)
				}
				tr.advance(1)
				if !errors.Is(cause, task.ErrLeaseLost) || cancelled != 27*time.Second {
					t.Fatalf("cancelled with %v after %v, want a lost lease a tenth of a lease before its end", cause, cancelled)
				}
				reports := tr.store.verdictsOf("x")
				if len(reports) != 1 || reports[0].Op != task.Release || reports[0].Result != nil || reports[0].Log != "line\n" {
					t.Errorf("reports: %+v, want the task given back without its result and with its log", reports)
				}
				if tr.r.Counts().Dropped != 1 {
					t.Errorf("counts: %+v, want one outcome dropped", tr.r.Counts())
				}
				tr.shutDown()
			})
		})
	}
}

// A context keeps its first cause, so a handler that was cancelled for another reason
// learns of a lost lease from LeaseLost.
func TestCancelledHandlerLearnsOfALostLease(t *testing.T) {
	const lost = DefaultLease * 9 / 10 // after the last renewal
	down := failFirst("renew", 1_000_000)
	stop := func(tr *testReplica) {
		tr.store.setFault(func(string) fault { return none })
		tr.advance(5 * time.Second)
		tr.store.requestStop("x")
		synctest.Wait() // includes a renewal of the lease
		tr.store.setFault(down)
	}
	for name, c := range map[string]struct {
		timeout time.Duration
		grace   time.Duration
		end     func(tr *testReplica)
		cause   error
		after   time.Duration
	}{
		"for that alone": {cause: task.ErrLeaseLost, after: lost},
		"timed out":      {timeout: 20 * time.Second, cause: task.ErrTimeout, after: lost},
		"stopped":        {end: stop, cause: task.ErrStopped, after: 5*time.Second + lost},
		"stopped and taken over": {end: func(tr *testReplica) {
			stop(tr)
			tr.store.setFault(func(string) fault { return none })
			tr.advance(time.Second)
			tr.store.takeOver("x")
			tr.r.signalled()
		}, cause: task.ErrStopped, after: 6 * time.Second},
		"shut down": {end: func(tr *testReplica) { tr.cancel() }, cause: task.ErrShutdown, after: lost},
		"closed":    {end: func(tr *testReplica) { go tr.r.Close() }, cause: task.ErrShutdown, after: lost},
		"given up":  {timeout: time.Second, grace: 3 * time.Second, cause: task.ErrTimeout, after: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{StopGrace: cmp.Or(c.grace, time.Minute), DrainTimeout: 10 * time.Second})
				var cause error
				var ended, closed time.Duration
				begin := time.Now()
				tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
					if closed > 0 {
						return nil, nil // as if on another replica
					}
					_, cause = untilCancelled(ctx, tk)
					ended = time.Since(begin)
					<-tk.LeaseLost()
					closed = time.Since(begin)
					return nil, cause
				})
				tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: c.timeout})
				tr.store.setFault(down)
				tr.run()
				if c.end != nil {
					c.end(tr)
				}
				tr.advance(50 * time.Second)
				if cause != c.cause || closed != c.after || (ended == closed) != (cause == task.ErrLeaseLost) {
					t.Errorf("cancelled with %v after %v, LeaseLost closed after %v; want %v and %v", cause, ended, closed, c.cause, c.after)
				}
				tr.store.setFault(func(string) fault { return none })
				tr.shutDown()
			})
		})
	}
}

func TestLeaseLostIsNilWithoutAReplica(t *testing.T) {
	if (&task.Task{}).LeaseLost() != nil {
		t.Error("there is something to wait for")
	}
}

func TestRenewalAnsweredLostCancelsTheHandlerAndDropsItsResult(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		var cause error
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, cause = untilCancelled(ctx, tk)
			return []byte("too late"), nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.store.takeOver("x")
		tr.advance(12 * time.Second)
		if !errors.Is(cause, task.ErrLeaseLost) {
			t.Errorf("cause is %v", cause)
		}
		if reports := tr.store.verdictsOf("x"); len(reports) != 0 {
			t.Errorf("reports: %+v, want none", reports)
		}
		if c := tr.r.Counts(); c.Dropped != 1 || c.Running != 0 {
			t.Errorf("counts: %+v", c)
		}
		tr.shutDown()
	})
}

func TestRefusedReportIsCountedAndLogged(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.store.takeOver("x")
		tr.advance(2 * time.Second)
		if c := tr.r.Counts(); c.Dropped != 1 || tr.log.count("WARN a report was refused") != 1 {
			t.Errorf("counts: %+v, log: %v", c, tr.log.lines)
		}
		tr.shutDown()
	})
}

func TestLostClaimCancelsItsAttemptsOnly(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 6}}})
		causes := make(map[string]error)
		var mu sync.Mutex
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			mu.Lock()
			defer mu.Unlock()
			if tk.Attempt == 1 {
				causes[tk.ID] = err
			}
			return nil, err
		})
		tr.store.putN(6, task.Spec{Kind: "job"})
		tr.run()
		if len(tr.store.held) != 2 {
			t.Fatalf("%d claims, want one per sequence", len(tr.store.held))
		}
		for _, id := range []string{"job-1", "job-2", "job-3"} {
			tr.store.takeOver(id)
		}
		tr.advance(12 * time.Second)
		want := map[string]error{"job-1": task.ErrLeaseLost, "job-2": task.ErrLeaseLost, "job-3": task.ErrLeaseLost}
		if !maps.Equal(causes, want) {
			t.Errorf("cancelled: %v, want %v", causes, want)
		}
		if n := tr.log.count("WARN the lease has ended"); n != 1 {
			t.Errorf("the lost claim was logged %d times", n)
		}
		tr.r.Close()
	})
}
