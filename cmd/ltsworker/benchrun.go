package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// benchRun makes the measurements of a self-test, each in what the one before it
// left.
type benchRun struct {
	*client.Client
	size benchSize
	bar  *terminal.Bar
	made int // tasks that wait
}

const benchKind = "bench"

func (b *benchRun) roundTrip(ctx context.Context) (benchRecord, error) {
	took := make([]time.Duration, b.size.single)
	for i := range took {
		begin := time.Now()
		if err := b.Redis.Ping(ctx).Err(); err != nil {
			return benchRecord{}, fmt.Errorf("ping: %w", err)
		}
		took[i] = time.Since(begin)
		b.bar.Set(i+1, len(took))
	}
	return latencies("round trip", took), nil
}

func (b *benchRun) enqueueOne(ctx context.Context) (benchRecord, error) {
	took := make([]time.Duration, b.size.single)
	for i := range took {
		begin := time.Now()
		if _, err := b.EnqueueSpec(ctx, task.Spec{Kind: benchKind}); err != nil {
			return benchRecord{}, err
		}
		took[i] = time.Since(begin)
		b.made++
		b.bar.Set(i+1, len(took))
	}
	return latencies("enqueue one", took), nil
}

func (b *benchRun) enqueueMany(ctx context.Context) (benchRecord, error) {
	specs := make([]task.Spec, b.size.tasks)
	for i := range specs {
		specs[i].Kind = benchKind
	}
	done := 0
	p, err := b.Watched(func(n int) {
		done += n
		b.bar.Set(done, len(specs))
	})
	if err != nil {
		return benchRecord{}, err
	}
	begin := time.Now()
	_, err = p.EnqueueAll(ctx, specs)
	b.made += len(specs)
	return rate("enqueue many", len(specs), time.Since(begin)), err
}

// drain runs everything that waits, from the first start to the last end.
func (b *benchRun) drain(ctx context.Context) (benchRecord, error) {
	var begin, end time.Time
	var first sync.Once
	var ran atomic.Int64
	finished := make(chan struct{})
	total := int64(b.made)
	r, err := b.replica(ctx, func() {
		first.Do(func() { begin = time.Now() })
		if ran.Add(1) == total {
			end = time.Now()
			close(finished)
		}
	})
	if err != nil {
		return benchRecord{}, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.bar.Set(int(ran.Load()), b.made)
			continue
		case <-finished:
			err = r.stop()
		case <-r.ended:
			err = r.early(ctx)
		}
		break
	}
	return rate("drain", b.made, end.Sub(begin)), err
}

// pickUp measures how soon an idle replica starts a task.
func (b *benchRun) pickUp(ctx context.Context) (benchRecord, error) {
	starts := make(chan time.Time, 1)
	r, err := b.replica(ctx, func() { starts <- time.Now() })
	if err != nil {
		return benchRecord{}, err
	}
	defer r.stop()
	took := make([]time.Duration, b.size.single)
	for i := range took {
		begin := time.Now()
		if _, err := b.EnqueueSpec(ctx, task.Spec{Kind: benchKind}); err != nil {
			return benchRecord{}, err
		}
		select {
		case at := <-starts:
			took[i] = at.Sub(begin)
		case <-r.ended:
			return benchRecord{}, r.early(ctx)
		}
		b.bar.Set(i+1, len(took))
		// The slot is free again and the replica listens: that is what is measured.
		select {
		case <-time.After(2 * time.Millisecond):
		case <-r.ended:
			return benchRecord{}, r.early(ctx)
		}
	}
	return latencies("pick-up", took), nil
}

// benchReplica is a replica that runs until its context ends or somebody drains
// it.
type benchReplica struct {
	end   context.CancelFunc
	ended chan struct{}
	err   error // what Run returned, once ended is closed
}

func (r *benchReplica) stop() error {
	r.end()
	<-r.ended
	return r.err
}

// early is why the replica ended although nobody here has stopped it.
func (r *benchReplica) early(ctx context.Context) error {
	r.end()
	return cmp.Or(context.Cause(ctx), r.err, errors.New("the replica ended early: somebody asked it to drain"))
}

// replica runs a replica whose handler does nothing but call done.
func (b *benchRun) replica(ctx context.Context, done func()) (*benchReplica, error) {
	p, err := pool.New(b.Store, pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: b.size.workers}}, DrainTimeout: time.Second,
		Logger: clientLog(),
	})
	if err != nil {
		return nil, err
	}
	p.HandleKind(benchKind, task.Handler(func(context.Context, *task.Task) ([]byte, error) {
		done()
		return nil, nil
	}))
	run, end := context.WithCancel(ctx)
	r := &benchReplica{end: end, ended: make(chan struct{})}
	go func() {
		r.err = p.Run(run)
		close(r.ended)
	}()
	select {
	case <-p.Joined():
		return r, nil
	case <-r.ended:
		return nil, r.early(ctx)
	}
}
