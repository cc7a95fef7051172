package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/bench/drive"
)

// raw is the upper bound: loops call the project's scripts, claim as many tasks as there are slots,
// and report them with the next claim. It has no goroutine per task, no renewal and no shutdown. A
// replica has two calls in flight; raw has one or two.
type raw struct {
	*ours
	pool      *drive.Pool
	sequences []*drive.Sequence
	quit      chan struct{}
	loops     sync.WaitGroup
	err       *first
}

// rawLease is so long that no renewal is needed.
const rawLease = time.Hour

func openRaw(inFlight int) opener {
	return func(ctx context.Context, e env) (system, error) {
		o, err := openOurs(ctx, e)
		if err != nil {
			return nil, err
		}
		r := &raw{ours: o.(*ours), err: newFirst()}
		if r.pool, err = drive.Open(ctx, r.rdb, e.Redis, namespace, kind); err != nil {
			return nil, err
		}
		for i := range inFlight {
			l, err := r.pool.Sequence(i+1, fmt.Sprint("raw-", mono(), "-", i), rawLease)
			if err != nil {
				return nil, err
			}
			r.sequences = append(r.sequences, l)
		}
		return r, nil
	}
}

// Enqueue is not called: the figures of single calls measure a client with many callers.
func (r *raw) Enqueue(context.Context, item) error { return errors.ErrUnsupported }

func (r *raw) EnqueueBatch(_ context.Context, ts []item) error {
	payloads := make([][]byte, len(ts))
	for i, t := range ts {
		payloads[i] = t.args().json()
	}
	return r.sequences[0].Enqueue(payloads)
}

func (r *raw) Start(ctx context.Context, workers int, h handler) error {
	if err := r.pool.Join(ctx, r.rdb, rawLease); err != nil {
		return err
	}
	r.quit = make(chan struct{})
	for i, l := range r.sequences {
		slots := workers*(i+1)/len(r.sequences) - workers*i/len(r.sequences)
		r.loops.Go(func() { r.err.set(r.loop(l, slots, h)) })
	}
	return nil
}

func (r *raw) loop(l *drive.Sequence, slots int, h handler) error {
	for {
		select {
		case <-r.quit:
			return nil
		default:
		}
		n, err := l.Exchange(slots, func(payload []byte) { h(scan(payload)) })
		if err != nil {
			return err
		}
		if n == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func (r *raw) Stop() error {
	if r.quit == nil {
		return nil
	}
	close(r.quit)
	r.loops.Wait()
	r.quit = nil
	return r.err.err
}

// floor is the work of Redis without task records: a hash and a position in a sorted set per task,
// in pipelines, without states, leases, events or limits.
type floor struct {
	rdb        *redis.Client
	quit, done chan struct{}
	err        error
}

func openFloor(_ context.Context, e env) (system, error) {
	return &floor{rdb: redis.NewClient(&redis.Options{Addr: e.Redis})}, nil
}

func (f *floor) Version() string { return "go-redis " + module("github.com/redis/go-redis/v9") }

func (f *floor) Enqueue(ctx context.Context, t item) error { return f.EnqueueBatch(ctx, []item{t}) }

func (f *floor) EnqueueBatch(ctx context.Context, ts []item) error {
	p := f.rdb.Pipeline()
	for _, t := range ts {
		a := t.args()
		p.HSet(ctx, "floor:"+a.N, "kind", kind, "payload", a.json())
		p.ZAdd(ctx, "floor", redis.Z{Score: float64(t.N), Member: a.N})
	}
	_, err := p.Exec(ctx)
	return err
}

// Start takes tasks off the set, and reads and removes their hashes, in two round trips per turn.
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
