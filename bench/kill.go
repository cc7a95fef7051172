package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	killLabel = "SIGKILL to running again"
	killRow   = "ltsworker, lease 5 s"
)

// kill measures how long the task of a killed worker process takes to run again in another, idle
// process. The systems wait at the same time, because they do nothing else. A worker is killed
// about a second after its task has started, so a lease of 5 s has 4 s left. River and gocraft/work
// are left out: River rescues a job after the job's timeout and an hour, and gocraft/work's reaper
// runs every ten minutes.
func kill(b *bench) error {
	type wait struct {
		system, row string
		env         env
		limit       time.Duration
	}
	waits := []wait{
		{"ours", killRow, env{LeaseMS: 5000}, time.Minute},
		{bullmq, names[bullmq] + ", lockDuration and stalledInterval 5 s", env{LeaseMS: 5000}, time.Minute},
		{"asynq", names["asynq"], env{}, asynqPatience},
		{bullmq, names[bullmq], env{}, 2 * time.Minute},
	}
	if b.sizes.quick {
		waits = waits[:2]
		for i := range waits {
			waits[i].env.LeaseMS = 1000
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	for _, w := range waits {
		if !b.systems[w.system] {
			continue
		}
		r, err := b.ownServer(w.system, w.env, 2)
		if err != nil {
			return err // the rigs that have started end with their processes
		}
		defer r.b.redis.stop()
		defer r.drop()
		all.Go(func() {
			s, err := r.killed(w.limit)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", w.row, err))
				return
			}
			b.results.add(killLabel, w.row, "s", s.Seconds())
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// killed runs a task that never ends in one process, kills that process, and waits for the task in
// a second process.
func (r *rig) killed(limit time.Duration) (time.Duration, error) {
	victim, heir := r.workers[0], r.workers[1]
	if _, err := victim.ask(request{Op: "start", Workers: 1, N: 1, Hang: true}); err != nil {
		return 0, err
	}
	if _, err := r.client.ask(request{Op: "enqueue", N: 1, Size: 16, Callers: 1}); err != nil {
		return 0, err
	}
	started := func(p *process, within time.Duration) error {
		return await(r.b.ctx, within, func() error {
			got, err := p.ask(request{Op: "progress"})
			if err == nil && got.Handled == 0 {
				err = fmt.Errorf("the task did not start within %v", within)
			}
			return err
		})
	}
	if err := started(victim, stalled); err != nil {
		return 0, err
	}
	if _, err := heir.ask(request{Op: "start", Workers: 1, N: 1}); err != nil {
		return 0, err
	}
	if err := r.b.pass(time.Second); err != nil {
		return 0, err
	}
	at := mono()
	victim.kill()
	if err := started(heir, limit); err != nil {
		return 0, err
	}
	got, err := heir.ask(request{Op: "result"})
	if err != nil {
		return 0, err
	}
	if got.Handled != 1 {
		return 0, fmt.Errorf("the task ran %d times after the kill", got.Handled)
	}
	return time.Duration(got.FirstNS - at), errors.Join(heir.end(), r.client.end())
}

// ownServer returns a rig on a redis-server of its own. Rigs that exist at the same time must not
// share tasks.
func (b *bench) ownServer(system string, e env, workers int) (*rig, error) {
	s, err := startRedis(b.ctx, b.dir)
	if err != nil {
		return nil, err
	}
	own := *b
	own.redis = s
	r, err := own.rig(system, e, workers)
	if err != nil {
		s.stop()
	}
	return r, err
}
