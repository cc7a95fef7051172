package worker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestLeasesAreRenewedEveryThirdWithJitter(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", untilCancelled)
		tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: task.Forever})
		tr.run()
		begin := time.Now().Add(time.Second) // a signal may arrive during the start
		tr.advance(time.Hour)
		seen := make(map[time.Duration]bool)
		renewals := tr.store.callsSince(begin, "renew")
		last := renewals[0].at
		for _, c := range renewals[1:] {
			gap := c.at.Sub(last)
			if gap < 9*time.Second || gap > 11*time.Second {
				t.Errorf("two renewals are %v apart, want 10s ± 10 %%", gap)
			}
			seen[gap.Round(100*time.Millisecond)] = true
			last = c.at
		}
		if len(seen) < 5 {
			t.Errorf("the gaps between renewals hardly vary: %v", seen)
		}
		tr.r.Close()
	})
}

func TestLongTaskKeepsItsLeaseAlsoWhileDraining(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Lease: time.Second, DrainTimeout: time.Hour})
		tr.r.Handle("job", func(ctx context.Context, _ *task.Task) ([]byte, error) {
			select {
			case <-time.After(20 * time.Second):
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		other, err := New(tr.store, Config{Queues: map[string]task.QueueConfig{"other": {Workers: 1}}, Lease: time.Second, Logger: tr.r.cfg.Logger})
		if err != nil {
			t.Fatal(err)
		}
		other.Handle("job", noop)
		ended := make(chan error)
		go func() { ended <- other.Run(context.Background()) }()
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(5 * time.Second)
		if err := tr.shutDown(); err != nil { // drains for the remaining 15 seconds
			t.Error(err)
		}
		tr.wantState("x", task.Succeeded, task.CodeOK)
		if len(tr.store.reaped) > 0 || tr.store.task("x").Attempt != 1 {
			t.Errorf("reaped %v, attempts %d", tr.store.reaped, tr.store.task("x").Attempt)
		}
		other.Close()
		<-ended
	})
}

// A failover loses the report of one task of a claim.
func TestRecountLetsTheStoreTakeBackUnheldAttempts(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 4}}})
		runs := make(map[string]int)
		tr.r.Handle("short", func(_ context.Context, tk *task.Task) ([]byte, error) {
			runs[tk.ID]++
			time.Sleep(time.Second)
			return nil, nil
		})
		tr.r.Handle("long", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "short", Kind: "short"}, task.Spec{ID: "long", Kind: "long"})
		tr.run()
		tr.advance(2 * time.Second)
		tr.wantState("short", task.Succeeded, task.CodeOK)
		tr.store.mu.Lock()
		x := tr.store.tasks["short"]
		x.State = task.Running
		tr.store.held[x.Fence].openIDs = append(tr.store.held[x.Fence].openIDs, "short")
		tr.store.mu.Unlock()
		tr.advance(13 * time.Second)
		if runs["short"] != 2 || !slices.Equal(tr.store.reaped, []string{"short"}) {
			t.Errorf("the task whose report was forgotten ran %d times; taken back: %v", runs["short"], tr.store.reaped)
		}
		tr.advance(time.Minute)
		tr.wantState("long", task.Succeeded, task.CodeOK)
		if tr.store.task("long").Attempt != 1 {
			t.Error("the other task of the claim ran again")
		}
		var named [][]string
		for _, r := range tr.store.renewals {
			for _, h := range r.Held {
				if h.IDs != nil {
					named = append(named, h.IDs)
				}
			}
		}
		if len(named) != 1 || !slices.Equal(named[0], []string{"long"}) {
			t.Errorf("renewals named %v, want what it holds once", named)
		}
		tr.shutDown()
	})
}

func TestManyClaimsAndUpdatesTakeSeveralRenewals(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		const n = 600
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: n}}})
		talk := make(chan struct{})
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			<-talk
			if err := tk.SetProgress(tk.ID); err != nil {
				t.Error(err)
			}
			return untilCancelled(ctx, tk)
		})
		for i := range n { // each with another bound and therefore a claim of its own
			tr.store.put(task.Spec{ID: fmt.Sprint("job-", i), Kind: "job", Timeout: time.Hour + time.Duration(i)*time.Second})
		}
		tr.run()
		tr.advance(12 * time.Second) // the fake store panics if a limit is exceeded
		fences := make(map[int64]int)
		for _, r := range tr.store.renewals {
			if r.Running != n {
				t.Errorf("%d running", r.Running)
			}
			for _, h := range r.Held {
				fences[h.Fence]++
			}
		}
		if len(fences) != n {
			t.Errorf("%d claims were renewed, want %d", len(fences), n)
		}
		from := len(tr.store.renewals)
		close(talk)
		tr.advance(2 * time.Second)
		for i := range n {
			id := fmt.Sprint("job-", i)
			if got := string(tr.store.task(id).Progress); got != `"`+id+`"` {
				t.Errorf("progress of %s is %s", id, got)
			}
		}
		for _, r := range tr.store.renewals[from:] {
			if len(r.Held) > 0 {
				t.Errorf("a renewal for updates names %d of %d claims", len(r.Held), n)
			}
		}
		tr.advance(time.Minute)
		if len(tr.store.reaped) > 0 {
			t.Errorf("taken back: %v", tr.store.reaped)
		}
		tr.r.Close()
	})
}

func TestRenewalContainsTheTimeLeft(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{StopGrace: time.Hour})
		h, free := ignoresContext()
		tr.r.Handle("job", h)
		tr.store.put(task.Spec{ID: "bounded", Kind: "job", Timeout: 15 * time.Second}, task.Spec{ID: "endless", Kind: "job", Timeout: task.Forever})
		tr.run()
		begin := time.Now()
		tr.advance(25 * time.Second)
		bounded := tr.store.task("bounded").Fence
		for _, c := range tr.store.callsSince(begin, "renew") {
			r := tr.store.renewals[0]
			tr.store.renewals = tr.store.renewals[1:]
			for _, h := range r.Held {
				want := task.Forever
				if h.Fence == bounded {
					want = 15*time.Second - c.at.Sub(begin)
				}
				if h.Left != want || h.Held != 1 {
					t.Errorf("after %v a claim of %d attempts has %v left, want %v", c.at.Sub(begin), h.Held, h.Left, want)
				}
			}
		}
		free()
		tr.shutDown()
	})
}

// The store ends what a stuck watch would have ended.
func TestAttemptIsTakenBackIfTheWatchIsStuck(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Lease: 10 * time.Second, StopGrace: time.Second})
		const givenUp = "a handler ignores its cancelled context"
		tr.log.blockOn, tr.log.unblock = givenUp, make(chan struct{})
		h, free := ignoresContext()
		tr.r.Handle("stubborn", h)
		var cause error
		var ended time.Duration
		begin := time.Now()
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			if tk.Attempt > 1 {
				return nil, nil
			}
			_, cause = untilCancelled(ctx, tk)
			ended = time.Since(begin)
			return nil, cause
		})
		tr.store.put(task.Spec{ID: "stubborn", Kind: "stubborn", Timeout: time.Second}, task.Spec{ID: "x", Kind: "job", Timeout: 20 * time.Second})
		tr.run()
		tr.advance(20*time.Second + 500*time.Millisecond)
		if cause != nil {
			t.Fatalf("the watch is not stuck: it ended the attempt with %v", cause)
		}
		tr.advance(20 * time.Second)
		// Bound, grace, slack, one turn of maintenance and one renewal.
		if cause != task.ErrLeaseLost || ended > (20+1+2+10+4)*time.Second {
			t.Errorf("the attempt was cancelled with %v after %v", cause, ended)
		}
		if reports := tr.store.verdictsOf("x"); len(reports) != 1 || reports[0].Op != task.Succeed {
			t.Errorf("reports: %+v, want one of the second attempt", reports)
		}
		close(tr.log.unblock)
		free()
		tr.shutDown()
	})
}
