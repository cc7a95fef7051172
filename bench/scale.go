package main

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/bench/drive"
	"github.com/ltsworker/ltsworker/redisstore"
)

const (
	emptyRow  = "ltsworker, empty pool"
	loadedRow = "ltsworker, loaded pool"

	scaleEnqueue = "time per task to enqueue in batches, by load"
	scaleDrain   = "time per task to drain with 50 slots, by load"
	scaleCPU     = "Redis CPU per task to drain, by load"
	scaleLongest = "longest single call to enqueue in batches or to drain, by load"
)

// scale compares the cost of a task in two pools: one that holds nothing else, and one with the
// waiting tasks, running tasks and blocked groups that sizes defines.
func scale(b *bench) error {
	if !b.systems["ours"] {
		return nil
	}
	for _, loaded := range []bool{false, true} {
		if err := b.underLoad(loaded); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) underLoad(loaded bool) error {
	row, turns := emptyRow, max(b.sizes.rounds, 1)
	if loaded {
		row = loadedRow
	}
	e := env{GroupLimit: 1}
	r, err := b.rig("ours", e, 0)
	if err != nil {
		return err
	}
	defer r.drop()
	if loaded {
		if err := b.load(r); err != nil {
			return err
		}
	}
	longest, err := b.redis.longest(b.ctx)
	if err != nil {
		return err
	}
	n, total, handled := b.sizes.scale.drained, 0, 0
	if loaded {
		total = b.sizes.scale.waiting + 2*b.sizes.scale.running
	}
	var results []reply
	for turn := range turns {
		done, err := r.client.ask(request{Op: "enqueue", Batch: 1000, N: n, Offset: turn * n, Size: 16})
		if err != nil {
			return err
		}
		total += n
		w, err := r.spawn(e)
		if err != nil {
			return err
		}
		r.workers = []*process{w}
		before, err := b.redis.cpu(b.ctx)
		if err != nil {
			return err
		}
		if err := r.start(slotsUsed, turns*n+b.sizes.scale.waiting+2*b.sizes.scale.running); err != nil {
			return err
		}
		if err := r.await(n); err != nil {
			return err
		}
		if _, err := w.ask(request{Op: "stop"}); err != nil {
			return err
		}
		after, err := b.redis.cpu(b.ctx)
		if err != nil {
			return err
		}
		got, err := w.ask(request{Op: "result"})
		if err != nil {
			return err
		}
		if err := w.end(); err != nil {
			return err
		}
		results = append(results, got)
		handled += got.Handled
		b.results.add(scaleEnqueue, row, "µs", float64(done.ElapsedNS)/1e3/float64(n))
		b.results.add(scaleDrain, row, "µs", float64(got.LastNS-got.FirstNS)/1e3/float64(got.Handled))
		b.results.add(scaleCPU, row, "µs", (after-before)*1e6/float64(got.Handled))
	}
	d, err := longest()
	if err != nil {
		return err
	}
	b.results.add(scaleLongest, row, "ms", d.Seconds()*1e3)
	if err := exact(handled, results); err != nil {
		return err
	}
	left, err := r.client.ask(request{Op: "pending"})
	if err != nil {
		return err
	}
	if left.Pending != total-handled {
		return fmt.Errorf("of %d tasks %d were handled and %d are left", total, handled, left.Pending)
	}
	return r.client.end()
}

// load fills the pool: one running and one blocked task in each group, and
// waiting tasks without a group.
func (b *bench) load(r *rig) error {
	ctx := b.ctx
	rdb := redis.NewClient(&redis.Options{Addr: b.redis.addr})
	defer rdb.Close()
	pool, err := drive.Open(ctx, rdb, b.redis.addr, namespace, kind)
	if err != nil {
		return err
	}
	if err := pool.Join(ctx, rdb, rawLease, "limit:group", "1"); err != nil {
		return err
	}
	sequence, err := pool.Sequence(1, "load", rawLease)
	if err != nil {
		return err
	}
	defer sequence.Close()
	s := b.sizes.scale
	base := max(b.sizes.rounds, 1) * s.drained
	for range 2 {
		q := request{Op: "enqueue", Batch: 1000, N: s.running, Offset: base, Size: 16, Groups: s.running}
		if _, err := r.client.ask(q); err != nil {
			return err
		}
		base += s.running
		if err := claimAll(sequence, s.running); err != nil {
			return err
		}
	}
	if _, err := r.client.ask(request{Op: "enqueue", Batch: 1000, N: s.waiting, Offset: base, Size: 16}); err != nil {
		return err
	}
	st, err := redisstore.New(rdb, namespace).Stats(ctx)
	if err != nil {
		return err
	}
	if st.Running != s.running || st.Waiting != s.waiting+s.running {
		return fmt.Errorf("the load is %d running and %d waiting tasks, not %d and %d", st.Running, st.Waiting, s.running, s.waiting+s.running)
	}
	return nil
}

// claimAll claims the n waiting tasks. If their groups are full, the pool blocks the tasks instead,
// at most a few hundred per call.
func claimAll(sequence *drive.Sequence, n int) error {
	for range n/drive.MaxClaim + 2 {
		if _, err := sequence.Exchange(drive.MaxClaim, func([]byte) {}); err != nil {
			return err
		}
		sequence.Keep()
	}
	return nil
}
