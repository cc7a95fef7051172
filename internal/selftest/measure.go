package selftest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/task"
)

// run makes the measurements. Each uses the tasks that the one before it left.
type run struct {
	*client.Client
	Options
	made int // tasks that were enqueued and not run
}

// kind is the kind of the tasks.
const kind = "bench"

func (r *run) roundTrip(ctx context.Context) (Measurement, error) {
	took := make([]time.Duration, r.Single)
	for i := range took {
		begin := time.Now()
		if err := r.Redis.Ping(ctx).Err(); err != nil {
			return Measurement{}, fmt.Errorf("ping: %w", err)
		}
		took[i] = time.Since(begin)
		r.Progress(i+1, len(took))
	}
	return latencies("round trip", took), nil
}

func (r *run) enqueueOne(ctx context.Context) (Measurement, error) {
	took := make([]time.Duration, r.Single)
	for i := range took {
		begin := time.Now()
		if _, err := r.EnqueueSpec(ctx, task.Spec{Kind: kind}); err != nil {
			return Measurement{}, err
		}
		took[i] = time.Since(begin)
		r.made++
		r.Progress(i+1, len(took))
	}
	return latencies("enqueue one", took), nil
}

func (r *run) enqueueMany(ctx context.Context) (Measurement, error) {
	specs := make([]task.Spec, r.Tasks)
	for i := range specs {
		specs[i].Kind = kind
	}
	done := 0
	p, err := r.Watched(func(n int) {
		done += n
		r.Progress(done, len(specs))
	})
	if err != nil {
		return Measurement{}, err
	}
	begin := time.Now()
	_, err = p.EnqueueAll(ctx, specs)
	r.made += len(specs)
	return rate("enqueue many", len(specs), time.Since(begin)), err
}

// drain measures the replica with all tasks that wait, from the first start to the last
// end.
func (r *run) drain(ctx context.Context) (Measurement, error) {
	var begin, end time.Time
	var first sync.Once
	var ran atomic.Int64
	finished := make(chan struct{})
	total := int64(r.made)
	replica, err := r.startReplica(ctx, func() {
		first.Do(func() { begin = time.Now() })
		if ran.Add(1) == total {
			end = time.Now()
			close(finished)
		}
	})
	if err != nil {
		return Measurement{}, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.Progress(int(ran.Load()), r.made)
			continue
		case <-finished:
			err = replica.stop()
		case <-replica.ended:
			err = replica.early(ctx)
		}
		break
	}
	return rate("drain", r.made, end.Sub(begin)), err
}

// pickUp measures the time from an enqueue to the start of the handler on an idle
// replica.
func (r *run) pickUp(ctx context.Context) (Measurement, error) {
	starts := make(chan time.Time, 1)
	replica, err := r.startReplica(ctx, func() { starts <- time.Now() })
	if err != nil {
		return Measurement{}, err
	}
	defer replica.stop()
	took := make([]time.Duration, r.Single)
	for i := range took {
		begin := time.Now()
		if _, err := r.EnqueueSpec(ctx, task.Spec{Kind: kind}); err != nil {
			return Measurement{}, err
		}
		select {
		case at := <-starts:
			took[i] = at.Sub(begin)
		case <-replica.ended:
			return Measurement{}, replica.early(ctx)
		}
		r.Progress(i+1, len(took))
		// Wait until the slot is free and the replica waits for tasks again.
		select {
		case <-time.After(2 * time.Millisecond):
		case <-replica.ended:
			return Measurement{}, replica.early(ctx)
		}
	}
	return latencies("pick-up", took), nil
}
