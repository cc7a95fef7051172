package worker

import (
	"context"
	"fmt"
	"os"
	"time"
)

// joinTimeout bounds a Join, which no lease depends on.
const joinTimeout = 5 * time.Second

// join announces the replica to the pool and logs where others configured it
// differently.
func (r *Replica) join(ctx context.Context) error {
	kinds := make(map[string]Policy, len(r.handlers))
	for kind := range r.handlers {
		kinds[kind] = r.cfg.Policies[kind]
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	warnings, err := r.store.Join(ctx, Registration{
		Replica:  r.id,
		Host:     host,
		PID:      os.Getpid(),
		Version:  r.cfg.Version,
		Lease:    r.cfg.Lease,
		Up:       time.Since(r.started),
		Queues:   r.cfg.Queues,
		Kinds:    kinds,
		Limits:   r.cfg.Limits,
		MaxEvent: r.cfg.MaxEvents,
		EventAge: r.cfg.EventAge,
	})
	if err != nil {
		return err
	}
	for _, w := range warnings {
		r.log.Warn(w)
	}
	return nil
}

// rejoin joins the pool again after a call was told ErrNotJoined; joins is what
// r.joins was before that call. It has nothing to do where somebody else has
// joined since. A replica that is leaving stays forgotten: a Join that crosses
// its Leave would put a ghost on the list.
func (r *Replica) rejoin(ctx context.Context, joins int64) error {
	select {
	case r.joining <- struct{}{}:
		defer func() { <-r.joining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.joins.Load() != joins {
		return nil
	}
	if r.giveUpClaims() {
		return nil
	}
	if err := r.join(ctx); err != nil {
		return fmt.Errorf("join the pool again: %w", err)
	}
	r.joins.Add(1)
	r.log.Warn("the pool had forgotten this replica; it has joined again")
	return nil
}

// giveUpClaims reports whether the replica is leaving. If so it asks no more for
// what lost replies carried, since the pool has forgotten those too.
func (r *Replica) giveUpClaims() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase != leaving {
		return false
	}
	for _, q := range r.queues {
		q.unsure = false
	}
	return true
}
