package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// snapshot saves every key of the pool. The returned function restores the keys, as a failover to a
// lagging replica of Redis does.
func (s *site) snapshot(t *testing.T) (restore func()) {
	t.Helper()
	ctx := t.Context()
	values := map[string]string{}
	for _, key := range s.keys(t) {
		value, err := s.rdb.Dump(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		values[key] = value
	}
	return func() {
		t.Helper()
		if _, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range s.keys(t) {
				p.Del(ctx, key)
			}
			for key, value := range values {
				p.RestoreReplace(ctx, key, 0, value)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailoverThatForgetsHoldsNoLimit loses a claim, a report, or both, while the replica continues
// as before: it repeats its call, reports, and renews, in every order. At every point a task has
// one owner, and in the end nothing is held.
func TestFailoverThatForgetsHoldsNoLimit(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	for _, forget := range []string{"claim", "report", "claim and report"} {
		for _, order := range [][]string{{"renew", "repeat", "report"}, {"repeat", "report", "renew"}, {"report", "renew", "repeat"}, {"renew"}, {"repeat"}, {"report"}} {
			t.Run(fmt.Sprint(forget, order), func(t *testing.T) {
				f := &failover{site: newSite(t, rdb), t: t, order: order}
				f.join(t, "r", "s")
				f.limit(2)
				f.enqueue(t, task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
				claimed := f.snapshot(t)
				f.claim = claimOf(1, "default", 2)
				f.held = f.mustExchange(f.claim)
				if len(f.held) != 2 {
					t.Fatalf("claimed %v", f.held)
				}
				if forget != "report" {
					f.after(claimed, forget != "claim")
					return
				}
				reported := f.snapshot(t)
				f.after(reported, true)
			})
		}
	}
}

type failover struct {
	*site
	t     *testing.T
	order []string
	claim task.Exchange
	held  []*task.Task // tasks that the replica holds
	calls int64
}

func (f *failover) limit(n int) {
	f.t.Helper()
	if err := f.store.Configure(f.t.Context(), task.Setting{Scope: task.QueueScope, Name: "default", Limit: &n}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *failover) mustExchange(x task.Exchange) []*task.Task {
	f.t.Helper()
	got, err := f.store.Exchange(f.t.Context(), x)
	if err != nil {
		f.t.Fatal(err)
	}
	return tasksOf(got)
}

// after reports the first task if report is set, calls forget, and runs the steps of the order.
func (f *failover) after(forget func(), report bool) {
	f.t.Helper()
	fence := f.held[0].Fence
	f.calls = 1
	if report {
		f.mustExchange(reportsOf(f.calls, reportOn(f.held[0], task.Succeed)))
		f.held = f.held[1:]
	}
	forget()
	for _, step := range f.order {
		switch step {
		case "renew":
			f.renew()
		case "repeat":
			// If the pool lost the call, this is a new call.
			for _, t := range f.mustExchange(f.claim) {
				if !slices.ContainsFunc(f.held, func(h *task.Task) bool { return h.ID == t.ID && h.Fence == t.Fence }) {
					f.held = append(f.held, t)
				}
			}
		case "report":
			f.calls++
			got, err := f.store.Exchange(f.t.Context(), reportsOf(f.calls, reportOn(f.held[0], task.Succeed)))
			if err != nil {
				f.t.Fatal(err)
			}
			_ = got // accepted or not, the replica drops the task
			f.held = f.held[1:]
		}
		f.oneOwner(fence)
	}
	f.finish(fence)
}

// renew drops the tasks that the pool does not keep, as a replica does.
func (f *failover) renew() {
	f.t.Helper()
	for _, h := range heldBy(f.held...) {
		got, err := f.store.Renew(f.t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Grace: time.Second, Held: []task.HeldClaim{h}})
		if err != nil {
			f.t.Fatal(err)
		}
		switch got.Verdicts[0] {
		case task.LeaseLost:
			f.held = slices.DeleteFunc(f.held, func(t *task.Task) bool { return t.Fence == h.Fence })
		case task.Recount:
			for _, t := range f.held {
				if t.Fence == h.Fence {
					h.IDs = append(h.IDs, t.ID)
				}
			}
			if got, err = f.store.Renew(f.t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Grace: time.Second, Held: []task.HeldClaim{h}}); err != nil || got.Verdicts[0] != task.Kept {
				f.t.Errorf("recount: %v, %v", got, err)
			}
		}
	}
}

// oneOwner checks that no fence is given out twice and that the limit is kept.
func (f *failover) oneOwner(fence int64) {
	f.t.Helper()
	st, err := f.store.Stats(f.t.Context())
	if err != nil || st.Running > 2 {
		f.t.Errorf("%d run, %v", st.Running, err)
	}
	for _, t := range f.held {
		if t.Fence < fence {
			f.t.Errorf("fence %d after %d", t.Fence, fence)
		}
	}
}

// finish waits until the replica's leases have ended and lets another replica run all tasks to
// their end.
func (f *failover) finish(fence int64) {
	f.t.Helper()
	ctx := f.t.Context()
	leases, err := f.rdb.ZRange(ctx, f.prefix+"leases", 0, -1).Result()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, l := range leases {
		f.rdb.ZAdd(ctx, f.prefix+"leases", redis.Z{Score: 1, Member: l})
	}
	if _, err := f.store.Maintain(ctx, "keeper"); err != nil {
		f.t.Fatal(err)
	}
	x := claimOf(1, "default", 2)
	x.Replica = "s"
	for ; ; x.Call++ {
		got := f.mustExchange(x)
		x.Reports = nil
		for _, t := range got {
			if t.Fence <= fence {
				f.t.Errorf("%s has fence %d, want one above %d", t.ID, t.Fence, fence)
			}
			x.Reports = append(x.Reports, reportOn(t, task.Succeed))
		}
		if len(got) == 0 {
			break
		}
	}
	st, err := f.store.Stats(ctx)
	if err != nil || st.Running+st.Waiting+st.Scheduled != 0 || st.Ended[task.Succeeded] != 3 {
		f.t.Errorf("stats %+v, %v, want all 3 to have succeeded", st, err)
	}
}
