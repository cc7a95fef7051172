package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// ErrBusy is returned by Maintain if another process held the maintenance lock all the
// time.
var ErrBusy = errors.New("maintenance is already running")

// The maintenance lock is held for about a second.
const (
	maintainTimeout = 5 * time.Second
	maintainRetry   = 100 * time.Millisecond
)

// Maintain runs one turn of the maintenance that the pool's replicas otherwise run
// about once a second: ended leases, scheduled and expired tasks, retention, trimming
// of events, dead replicas, and a part of the search for broken records. It is for
// pools without a live replica, and for tests.
//
// If another process holds the maintenance lock, Maintain waits for it for up to 5
// seconds and then returns ErrBusy. The Maintenance is also valid with an error.
func (p *Pool) Maintain(ctx context.Context) (Maintenance, error) {
	holder := "maintenance-" + strconv.FormatUint(rand.Uint64(), 36)
	late := time.NewTimer(maintainTimeout)
	defer late.Stop()
	for {
		done, err := p.store.Maintain(ctx, holder)
		if err != nil {
			return done, err
		}
		if !done.Busy {
			return done, nil
		}
		select {
		case <-time.After(maintainRetry):
		case <-late.C:
			return done, fmt.Errorf("maintain: %w", ErrBusy)
		case <-ctx.Done():
			return done, fmt.Errorf("maintain: %w", context.Cause(ctx))
		}
	}
}
