package pool

import (
	"context"
	"errors"
	"fmt"
)

// Drain asks replicas of the pool, by the ids that Replicas lists, to do what a
// SIGTERM makes most programs do: take no more tasks, let the running ones finish
// within their drain timeout, and return from Run. It returns when they have been
// asked, not when they have ended; ReplicaInfo says Draining until then. Whether
// they come back is up to whoever started them.
//
// The others are asked, too, where one is not on the list: that is ErrNoReplica.
func (p *Pool) Drain(ctx context.Context, replicas ...string) error {
	var errs []error
	for _, r := range replicas {
		errs = append(errs, checkName("replica", r))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	asked, err := p.store.Drain(ctx, replicas...)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	for i, ok := range asked {
		if !ok {
			errs = append(errs, fmt.Errorf("drain %s: %w", replicas[i], ErrNoReplica))
		}
	}
	return errors.Join(errs...)
}
