package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// bench is one run: the servers, the options, and the results.
type bench struct {
	ctx      context.Context
	dir      string // for the files of the servers
	redis    *redisServer
	postgres *postgres // nil if River is not measured
	sizes    sizes
	systems  map[string]bool
	results  *results
	round    int // counts from 0
}

// chosen returns those of the systems that this run measures. The upper bounds (raw, floor) are
// measured with ltsworker.
func (b *bench) chosen(systems ...string) []string {
	var chosen []string
	for _, s := range systems {
		if b.systems[s] || b.systems["ours"] && slices.Contains(ceilings, s) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// compared returns the rows of a comparison of those of the systems that this run measures.
func (b *bench) compared(systems ...string) []variant { return comparisons(b.chosen(systems...)...) }

// rig is one system set up: a client process and worker processes, on empty
// servers.
type rig struct {
	b       *bench
	name    string
	client  *process
	workers []*process
}

func (b *bench) rig(name string, e env, workers int) (*rig, error) {
	if err := b.redis.clear(b.ctx); err != nil {
		return nil, err
	}
	if name == "river" {
		if err := clearRiver(b.ctx, b.postgres.url); err != nil {
			return nil, err
		}
	}
	r := &rig{b: b, name: name}
	for range 1 + workers {
		p, err := r.spawn(e)
		if err != nil {
			r.drop()
			return nil, err
		}
		if r.client == nil {
			r.client = p
		} else {
			r.workers = append(r.workers, p)
		}
	}
	b.results.version(name, r.client.version)
	return r, nil
}

func (r *rig) spawn(e env) (*process, error) {
	if e.Redis == "" {
		e.Redis = r.b.redis.addr
	}
	if r.b.postgres != nil {
		e.Postgres = r.b.postgres.url
	}
	return spawn(r.b.ctx, r.name, e)
}

// callers is the number of concurrent callers that enqueue, for systems without a call for a batch,
// and in the figure for single calls.
const callers = 50

// batched reports whether the system has a call that enqueues many tasks.
func batched(name string) bool { return name != "asynq" && name != "gocraft" }

// fill enqueues n tasks in the fastest way that the system offers.
func (r *rig) fill(n, size, groups int) error {
	q := request{Op: "enqueue", N: n, Size: size, Groups: groups, Callers: callers}
	if batched(r.name) {
		q.Batch = 1000
	}
	_, err := r.client.ask(q)
	return err
}

// start makes all workers begin, for tasks with numbers below n.
func (r *rig) start(slots, n int) error {
	next := make(chan *process, len(r.workers))
	for _, w := range r.workers {
		next <- w
	}
	return together(len(r.workers), func() error {
		_, err := (<-next).ask(request{Op: "start", Workers: slots, N: n})
		return err
	})
}

// stalled is how long the workers may take for the next task before the figure fails.
const stalled = 60 * time.Second

// await returns when n tasks have started.
func (r *rig) await(n int) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	most, since := -1, time.Now()
	for {
		handled := 0
		for _, w := range r.workers {
			p, err := w.ask(request{Op: "progress"})
			if err != nil {
				return err
			}
			handled += p.Handled
		}
		if handled >= n {
			return nil
		}
		if handled > most {
			most, since = handled, time.Now()
		}
		if time.Since(since) > stalled {
			return fmt.Errorf("%s: %d of %d tasks started, and none for %v", r.name, handled, n, stalled)
		}
		select {
		case <-r.b.ctx.Done():
			return r.b.ctx.Err()
		case <-again.C:
		}
	}
}

// finish waits until n tasks have ended by the system's own records, and checks that each was
// handled exactly once.
func (r *rig) finish(n int) ([]reply, error) {
	if err := r.await(n); err != nil {
		return nil, err
	}
	err := await(r.b.ctx, stalled, func() error {
		p, err := r.client.ask(request{Op: "pending"})
		if err == nil && p.Pending > 0 {
			err = fmt.Errorf("%s: %d tasks were started but not ended", r.name, p.Pending)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var results []reply
	for _, w := range r.workers {
		p, err := w.ask(request{Op: "result"})
		if err != nil {
			return nil, err
		}
		results = append(results, p)
	}
	if err := exact(n, results); err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	return results, nil
}

// close ends all processes gracefully.
func (r *rig) close() error {
	var errs []error
	for _, w := range r.workers {
		errs = append(errs, w.end())
	}
	errs = append(errs, r.client.end())
	return errors.Join(errs...)
}

// drop kills the remaining processes.
func (r *rig) drop() {
	for _, w := range r.workers {
		w.kill()
	}
	if r.client != nil {
		r.client.kill()
	}
}

// measured runs f on a rig of the system and closes the rig.
func (b *bench) measured(name string, e env, workers int, f func(*rig) error) error {
	r, err := b.rig(name, e, workers)
	if err != nil {
		return err
	}
	defer r.drop()
	if err := f(r); err != nil {
		return err
	}
	return r.close()
}

// rate returns the tasks per second from the first start of a task to the last.
func rate(n int, results []reply) float64 {
	first, last := int64(math.MaxInt64), int64(0)
	for _, r := range results {
		if r.Handled > 0 { // a replica may have started too late to get a task
			first, last = min(first, r.FirstNS), max(last, r.LastNS)
		}
	}
	return float64(n) / (float64(last-first) / 1e9)
}
