package worker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A replica with one slot detaches an attempt. The slot is free for the next task at once, the
// replica no longer renews or holds the task, and a drain does not wait for it.
func TestDetachFreesTheSlotAndLeavesTheTaskRunning(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		queue string
	}{
		"plain":            {Config{}, task.DefaultQueue},
		"own queue":        {Config{Handlers: map[string]task.HandlerConfig{"job": {Concurrency: 1}}}, "job"},
		"retries in place": {Config{Policies: map[string]task.Policy{"job": {InPlace: 2}}}, task.DefaultQueue},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				c.cfg.Queues = map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}
				c.cfg.Lease = 30 * time.Second
				tr := newTestReplica(t, c.cfg)
				var s starts
				tr.r.Handle("job", func(ctx context.Context, k *task.Task) ([]byte, error) {
					s.add(k)
					if _, err := k.ReportToken(ctx); err != nil {
						t.Error(err)
					}
					k.SetLog([]byte("sent"))
					return nil, task.Detach(time.Hour)
				})
				tr.r.Handle("plain", noop)
				tr.store.put(task.Spec{ID: "x", Kind: "job", Queue: c.queue}, task.Spec{ID: "y", Kind: "job", Queue: c.queue}, task.Spec{ID: "z", Kind: "plain"})
				tr.run()
				tr.advance(time.Second)
				s.want(t, "x 1", "y 1")
				tr.wantState("z", task.Succeeded, task.CodeOK)
				renewals := len(tr.store.renewals)
				tr.advance(10 * time.Minute)
				for _, id := range []string{"x", "y"} {
					k := tr.store.task(id)
					if k.State != task.Running || k.Code != task.CodeDetached || k.detached != time.Hour || k.token == "" || k.released != 0 {
						t.Errorf("%s: %+v", id, k)
					}
				}
				for _, r := range tr.store.renewals[renewals:] {
					if len(r.Held) > 0 {
						t.Fatalf("a renewal names claims: %+v", r)
					}
				}
				if n := tr.r.Counts(); n.Running != 0 || n.Stuck != 0 {
					t.Errorf("it counts %+v", n)
				}
				for _, q := range tr.r.queues.all {
					if n := q.free[0] + q.free[1]; n != 1 {
						t.Errorf("%d slots of queue %s are free", n, q.name)
					}
				}
				if i := slices.IndexFunc(tr.store.verdicts, func(v verdictOf) bool { return v.ID == "x" }); tr.store.verdicts[i].Log != "sent" {
					t.Errorf("the report is %+v", tr.store.verdicts[i])
				}
				began := time.Now()
				if err := tr.shutDown(); err != nil || time.Since(began) > time.Second {
					t.Errorf("the drain took %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// Calls of an attempt return one token, which the store knows. A call whose answer was lost
// leaves no second valid token.
func TestReportTokenIsTheOneThatTheStoreKnows(t *testing.T) {
	for name, c := range map[string]struct {
		fault  fault // of the first call
		during func(tr *testReplica)
		want   error // of the first call
	}{
		"nothing":         {none, nil, nil},
		"no connection":   {fail, nil, errDown},
		"a lost answer":   {lose, nil, errDown},
		"a lost lease":    {none, func(tr *testReplica) { tr.store.takeOver("x") }, task.ErrLeaseLost},
		"an ended caller": {hang, nil, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				ran := false
				tr.r.Handle("job", func(ctx context.Context, k *task.Task) ([]byte, error) {
					if ran {
						return nil, nil
					}
					ran = true
					if c.during != nil {
						c.during(tr)
					}
					tr.store.setFault(func(op string) fault {
						if op == "issue token" {
							return c.fault
						}
						return none
					})
					call, cancel := context.WithTimeout(ctx, time.Second)
					first, err := k.ReportToken(call)
					cancel()
					if !errors.Is(err, c.want) || (first == "") != (c.want != nil) {
						t.Errorf("the first call: %q, %v", first, err)
					}
					tr.store.setFault(func(string) fault { return none })
					if errors.Is(c.want, task.ErrLeaseLost) {
						return nil, nil
					}
					second, err := k.ReportToken(ctx)
					third, err2 := k.ReportToken(ctx)
					if err := errors.Join(err, err2); err != nil || second != third || first != "" && first != second {
						t.Errorf("tokens %q, %q, %q, %v", first, second, third, err)
					}
					id, hash, err := task.ParseToken(third)
					if got := tr.store.task("x").token; err != nil || id != "x" || hash != got {
						t.Errorf("the token is of %q, %v; its hash is %s, the store has %s", id, err, hash, got)
					}
					return nil, task.Detach(time.Hour)
				})
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.run()
				tr.advance(time.Minute)
				if !ran {
					t.Error("the handler did not run")
				}
				tr.shutDown()
			})
		})
	}
}
