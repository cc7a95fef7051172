package integration

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// cross is two queues with a replica each that share one slot: the limit of the
// pool, or of their group, is 1. The task that holds the slot runs in queue a.
// Freeing the slot must wake the replica of queue b, which only a signal
// can do.
type cross struct {
	*site
	c       *pool.Pool
	stopA   func() error
	holder  string
	entered chan struct{} // has an element for each attempt of the holder
	proceed chan error    // ends the holder's attempt
	deaf    chan struct{}
}

// hold blocks until the test sends an outcome or the context ends. A "deaf"
// task ignores its context.
func (x *cross) hold(ctx context.Context, t *task.Task) ([]byte, error) {
	x.entered <- struct{}{}
	if t.Headers["deaf"] != "" {
		<-x.deaf
		return nil, nil
	}
	select {
	case err := <-x.proceed:
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A waiting task starts at once after a slot is freed, whichever code path
// freed it. The bound suits a busy machine. It is a third of the slow poll,
// which would find the task without a signal.
func TestFreedSlotIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	// In some cases the slot is freed by time, after held. The next task must
	// be enqueued before that.
	const held = 5 * time.Second
	fill := pool.Spec{Kind: "hold", Queue: "a", Timeout: pool.Forever}
	with := func(change func(*pool.Spec)) pool.Spec {
		s := fill
		change(&s)
		return s
	}
	deaf := map[string]string{"deaf": "yes"}
	ends := func(err error) func(*testing.T, *cross) {
		return func(t *testing.T, x *cross) { send(t, x.proceed, err, "the holder waits for its outcome") }
	}
	stop := func(t *testing.T, x *cross) {
		if _, err := x.c.Stop(t.Context(), pool.Filter{IDs: []string{x.holder}}, ""); err != nil {
			t.Fatal(err)
		}
	}
	drain := func(t *testing.T, x *cross) {
		if err := x.stopA(); err != nil {
			t.Error(err)
		}
	}
	nothing := func(*testing.T, *cross) {}

	for _, path := range []struct {
		name  string
		spec  pool.Spec
		ghost bool          // the holder's replica is dead
		drain time.Duration // how long the holder's replica waits for it; 0 for 50 ms
		free  func(*testing.T, *cross)
	}{
		{name: "success", free: ends(nil)},
		{name: "failure", free: ends(pool.Permanent(errors.New("no")))},
		{name: "retry", free: ends(pool.RetryAfter(errors.New("no"), time.Hour))},
		{name: "release", free: ends(pool.Snooze(time.Hour))},
		{name: "stop", free: stop},
		{name: "stop of a deaf handler", spec: with(func(s *pool.Spec) { s.Headers = deaf }), free: stop},
		{name: "timeout", spec: with(func(s *pool.Spec) { s.Timeout, s.MaxAttempts = held, 1 }), free: nothing},
		{name: "timeout of a deaf handler", spec: with(func(s *pool.Spec) {
			s.Timeout, s.MaxAttempts, s.Headers = held, 1, deaf
		}), free: nothing},
		{name: "drain of the finisher", free: drain},
		// The handler must get its outcome before the drain ends its context.
		{name: "success while draining", drain: patience, free: func(t *testing.T, x *cross) {
			drained := make(chan struct{})
			go func() { drain(t, x); close(drained) }()
			ends(nil)(t, x)
			receive(t, drained, patience, "the end of the drain")
		}},
		{name: "reaper", ghost: true, free: nothing},
		{name: "reaper of a stopped task", ghost: true, free: stop},
		{name: "limit raised", free: func(t *testing.T, x *cross) {
			for scope, name := range map[pool.Scope]string{pool.PoolScope: "", pool.GroupScope: "g"} {
				if err := x.c.SetLimit(t.Context(), scope, name, 2); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{name: "limit removed", free: func(t *testing.T, x *cross) {
			for _, scope := range []pool.Scope{pool.PoolScope, pool.GroupsScope} {
				if err := x.c.SetLimit(t.Context(), scope, "", 0); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		for _, limit := range []string{"pool", "group"} {
			t.Run(path.name+" "+limit, func(t *testing.T) {
				t.Parallel()
				x := &cross{site: newSite(t), entered: make(chan struct{}, 100), proceed: make(chan error), deaf: make(chan struct{})}
				x.c = x.client()
				defer close(x.deaf)
				cfg := pool.Config{DrainTimeout: cmp.Or(path.drain, 50*time.Millisecond), StopGrace: 100 * time.Millisecond, MaxStuck: 5}
				if limit == "pool" {
					cfg.Limit = 1
				} else {
					cfg.Groups.DefaultLimit = 1
				}
				spec := path.spec
				if spec.Kind == "" {
					spec = fill
				}
				spec.Group = "g"

				// The replica of queue b joins first: its start may take long.
				started := make(chan time.Time, 1)
				b := cfg
				b.Queues = map[string]pool.Queue{"b": {Workers: 2}}
				p := x.pool(b)
				p.HandleKind("next", func(context.Context, *task.Task) ([]byte, error) {
					started <- time.Now()
					return nil, nil
				})
				x.serve(p)
				x.awaitReplicas(1)

				if path.ghost {
					x.holder = enqueue(t, x.c, spec)
					if got := x.seize("ghost", "a", 1, held); len(got) != 1 {
						t.Fatal("the dead replica could not claim")
					}
				} else {
					a := cfg
					a.Queues = map[string]pool.Queue{"a": {Workers: 2}}
					p := x.pool(a)
					p.HandleKind("hold", x.hold)
					x.stopA = x.serve(p)
					x.awaitReplicas(2)
					x.holder = enqueue(t, x.c, spec)
					receive(t, x.entered, patience, "the start of the holder")
				}
				next := enqueue(t, x.c, pool.Spec{Kind: "next", Queue: "b", Group: "g"})
				if len(started) > 0 {
					t.Fatal("the next task started before the slot was free")
				}

				asked := time.Now()
				path.free(t, x)
				at := receive(t, started, patience, "the next task's start")
				await(t, x.c, next)
				// Where an event records when the slot was freed, the
				// measurement starts there, but not before the next task existed.
				freed := asked
				for _, e := range x.history()[x.holder] {
					if e.Attempt > 0 && e.State != pool.Running {
						if e.At.After(asked) {
							freed = e.At
						}
						break
					}
				}
				took := at.Sub(freed)
				t.Logf("started %v after the slot was freed", took)
				if took > prompt {
					t.Errorf("the next task started %v after the slot was freed", took)
				}
			})
		}
	}
}

// The same for the limit of a queue. The replica that frees the slot leaves, so
// it does not claim again.
func TestSlotFreedByALeavingReplicaIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{true, false} {
		s := newSite(t)
		c := s.client()
		started, proceed := make(chan time.Time, 3), make(chan struct{})
		cfg := pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 3, Limit: 1}}, DrainTimeout: time.Minute}
		if !ends {
			cfg.DrainTimeout = 50 * time.Millisecond
		}
		h := func(ctx context.Context, tk *task.Task) ([]byte, error) {
			started <- time.Now()
			select {
			case <-proceed:
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		a := s.pool(cfg)
		a.HandleKind("step", h)
		stopA := s.serve(a)
		enqueueAll(t, c, []pool.Spec{{Kind: "step"}, {Kind: "step"}})
		receive(t, started, patience, "the first start")
		b := s.pool(cfg)
		b.HandleKind("step", h)
		s.serve(b)
		s.awaitReplicas(2)

		left := make(chan struct{})
		go func() {
			if err := stopA(); err != nil {
				t.Error(err)
			}
			close(left)
		}()
		begin := time.Now()
		if ends {
			send(t, proceed, struct{}{}, "the handler waits for its end")
		}
		at := receive(t, started, prompt, "the start on the other replica")
		t.Logf("started %v after the leave began", at.Sub(begin))
		receive(t, left, patience, "the leave")
		close(proceed)
		idle(t, c)
	}
}

// A report without a claim wakes an idle replica.
func TestEveryReportWakesAnIdleReplica(t *testing.T) {
	t.Parallel()
	for _, r := range []task.Report{
		{Op: task.Succeed, Code: task.CodeOK},
		{Op: task.Fail, Code: task.CodePermanent},
		{Op: task.Fail, Code: task.CodeError, Delay: time.Hour, DelaySet: true},
		{Op: task.Release, Code: task.CodeReleased, Delay: time.Hour},
	} {
		s := newSite(t)
		c := s.client()
		if err := c.SetLimit(t.Context(), pool.QueueScope, pool.DefaultQueue, 1); err != nil {
			t.Fatal(err)
		}
		enqueue(t, c, pool.Spec{Kind: "step"})
		held := s.seize("other", pool.DefaultQueue, 1, time.Minute)
		started := make(chan string, 1)
		s.replicas(1, slots(1), "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
			started <- tk.ID
			return nil, nil
		})
		next := enqueue(t, c, pool.Spec{Kind: "step"})
		r.ID, r.Fence = held[0].ID, held[0].Fence
		begin := time.Now()
		if v := s.report(r); v != task.Accepted {
			t.Errorf("%s: verdict %s", r.Code, v)
		}
		if id := receive(t, started, prompt, "the next start"); id != next {
			t.Errorf("%s: task %s started, want %s", r.Code, id, next)
		}
		t.Logf("%s: started %v after the report", r.Code, time.Since(begin))
	}
}
