package pool

import (
	"context"
	"errors"
	"fmt"
)

// Drain requests that replicas take no more tasks, finish the running ones within their
// drain timeout, and return from Run. The ids are those that Replicas lists.
//
// Drain returns when the requests are made, not when the replicas have ended. Until
// then ReplicaInfo.Draining is true. A supervisor may start the processes again.
//
// asked is the number of replicas that were on the list. For every other id the error
// contains an ErrNoReplica; it does not affect the rest.
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
