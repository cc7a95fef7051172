package main

import (
	"errors"
	"sync"
	"time"
)

const commandsLabel = "commands per second of an idle replica"

// idle counts the commands that an idle replica sends. The systems wait at the same time, each on a
// redis-server of its own.
func idle(b *bench) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	for _, s := range b.chosen("ours", "asynq", "gocraft", bullmq) {
		r, err := b.ownServer(s, env{}, 1)
		if err != nil {
			return err // the rigs that have started end with their processes
		}
		defer r.b.redis.stop()
		defer r.drop()
		all.Go(func() {
			n, err := r.commands()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			b.results.add(commandsLabel, names[s], "commands/s", float64(n)/b.sizes.watch.Seconds())
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// commands counts the commands that the rig's worker sends, some time after its last task.
func (r *rig) commands() (int, error) {
	const warm = 10
	if err := r.start(slotsUsed, warm); err != nil {
		return 0, err
	}
	if _, err := r.client.ask(request{Op: "enqueue", N: warm, Size: 16, Callers: 1}); err != nil {
		return 0, err
	}
	if _, err := r.finish(warm); err != nil {
		return 0, err
	}
	if err := r.b.pass(r.b.sizes.watch / 5); err != nil {
		return 0, err
	}
	stop, err := r.b.redis.monitor()
	if err != nil {
		return 0, err
	}
	if err := r.b.pass(r.b.sizes.watch); err != nil {
		return 0, err
	}
	seen, err := stop()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, k := range seen.sent {
		n += k
	}
	return n, r.close()
}

func (b *bench) pass(d time.Duration) error {
	select {
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-time.After(d):
		return nil
	}
}
