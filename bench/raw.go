package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/worker"
)

// raw is the ceiling: the project's scripts, driven by one loop that claims as
// many tasks as there are slots and reports them with the next claim. It has no
// goroutine per task, no renewal and no shutdown.
type raw struct {
	*ours
	quit, done chan struct{}
	err        error
}

func openRaw(ctx context.Context, e env) (system, error) {
	o, err := openOurs(ctx, e)
	if err != nil {
		return nil, err
	}
	return &raw{ours: o.(*ours)}, nil
}

func (r *raw) Enqueue(ctx context.Context, t task) error { return r.EnqueueBatch(ctx, []task{t}) }

func (r *raw) EnqueueBatch(ctx context.Context, ts []task) error {
	_, err := r.store.Enqueue(ctx, specs(ts))
	return err
}

const rawReplica = "raw"

// join makes the replica known, with a lease that nothing has to renew.
func join(ctx context.Context, s *redisstore.Store, groupLimit int) error {
	_, err := s.Join(ctx, worker.Registration{
		Replica: rawReplica, Lease: time.Hour,
		Kinds:  map[string]worker.Policy{kind: {}},
		Limits: worker.Limits{DefaultGroup: groupLimit},
	})
	return err
}

func claim(n int, call int64) worker.Claim {
	return worker.Claim{
		Replica: rawReplica, Queue: worker.DefaultQueue, N: n, Lease: time.Hour, Grace: time.Second, Call: call,
	}
}

func (r *raw) Start(ctx context.Context, workers int, h handler) error {
	if err := join(ctx, r.store, 0); err != nil {
		return err
	}
	r.quit, r.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(r.done)
		r.err = r.loop(ctx, workers, h)
	}()
	return nil
}

func (r *raw) loop(ctx context.Context, workers int, h handler) error {
	var reports []worker.Report
	for call := int64(1); ; call++ {
		select {
		case <-r.quit:
			return nil
		default:
		}
		_, got, err := r.store.Exchange(ctx, reports, []worker.Claim{claim(workers, call)})
		if err != nil {
			return err
		}
		reports = reports[:0]
		for _, t := range got[0].Tasks {
			h(scan(t.Payload))
			reports = append(reports, worker.Report{ID: t.ID, Fence: t.Fence, Op: worker.Succeed, Code: worker.CodeOK})
		}
	}
}

func (r *raw) Stop() error {
	if r.quit == nil {
		return nil
	}
	close(r.quit)
	<-r.done
	r.quit = nil
	return r.err
}

// floor is what Redis does when it keeps no books: a hash and a place in a sorted
// set per task, in pipelines, without states, leases, events or limits.
type floor struct {
	rdb        *redis.Client
	quit, done chan struct{}
	err        error
}

func openFloor(_ context.Context, e env) (system, error) {
	return &floor{rdb: redis.NewClient(&redis.Options{Addr: e.Redis})}, nil
}

func (f *floor) Version() string { return "go-redis " + module("github.com/redis/go-redis/v9") }

func (f *floor) Enqueue(ctx context.Context, t task) error { return f.EnqueueBatch(ctx, []task{t}) }

func (f *floor) EnqueueBatch(ctx context.Context, ts []task) error {
	p := f.rdb.Pipeline()
	for _, t := range ts {
		a := t.args()
		p.HSet(ctx, "floor:"+a.N, "kind", kind, "payload", a.json())
		p.ZAdd(ctx, "floor", redis.Z{Score: float64(t.N), Member: a.N})
	}
	_, err := p.Exec(ctx)
	return err
}

// Start takes tasks off the set and reads and removes their hashes, two round
// trips per turn.
func (f *floor) Start(ctx context.Context, workers int, h handler) error {
	f.quit, f.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(f.done)
		f.err = f.loop(ctx, workers, h)
	}()
	return nil
}

func (f *floor) loop(ctx context.Context, workers int, h handler) error {
	for {
		select {
		case <-f.quit:
			return nil
		default:
		}
		ids, err := f.rdb.ZPopMin(ctx, "floor", int64(workers)).Result()
		if err != nil {
			return err
		}
		p := f.rdb.Pipeline()
		reads := make([]*redis.StringCmd, len(ids))
		for i, z := range ids {
			key := "floor:" + z.Member.(string)
			reads[i] = p.HGet(ctx, key, "payload")
			p.Del(ctx, key)
		}
		if len(ids) == 0 {
			continue
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		for _, r := range reads {
			h(scan([]byte(r.Val())))
		}
	}
}

func (f *floor) Stop() error {
	if f.quit == nil {
		return nil
	}
	close(f.quit)
	<-f.done
	f.quit = nil
	return f.err
}

func (f *floor) Pending(ctx context.Context) (int, error) {
	n, err := f.rdb.ZCard(ctx, "floor").Result()
	return int(n), err
}
