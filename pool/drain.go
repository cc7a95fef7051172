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
// asked is how many were there.
func (p *Pool) Drain(ctx context.Context, replicas ...string) (asked int, err error) {
	var errs []error
	for _, r := range replicas {
		errs = append(errs, checkName("replica", r))
	}
	if err := errors.Join(errs...); err != nil {
		return 0, fmt.Errorf("drain: %w", err)
	}
	listed, err := p.store.Drain(ctx, replicas...)
	if err != nil {
		return 0, err
	}
	for i, ok := range listed {
		if ok {
			asked++
		} else {
			errs = append(errs, fmt.Errorf("drain %s: %w", replicas[i], ErrNoReplica))
		}
	}
	return asked, errors.Join(errs...)
}
