package pool

import (
	"context"
	"errors"
	"fmt"
)

// Drain asks replicas of the pool, by the ids that Replicas lists, to do what a
// SIGTERM makes most programs do: take no more tasks, let the running ones finish
// within their drain timeout, and return from Run. It returns when they have been
// asked, not when they have ended; ReplicaInfo says Draining until then. It does not
// keep a supervisor from starting them again.
//
// One that is not on the list is ErrNoReplica; the others are asked all the same. asked
// is how many were on the list.
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
