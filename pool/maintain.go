package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// ErrBusy is what Maintain returns if another process held the maintenance lock all the
// time.
var ErrBusy = errors.New("maintenance is already running")

// A process that maintains the pool holds the maintenance lock for about a second.
const (
	maintainPatience = 5 * time.Second
	maintainAgain    = 100 * time.Millisecond
)

// Maintain runs one turn of the maintenance that the pool's replicas otherwise run
// about once a second: leases that have ended, tasks that are due or too late,
// retention, the trimming of events, replicas that are gone, a part of the search for
// broken records. It is for pools without a live replica, and for tests. If another
// process holds the maintenance lock, Maintain waits for it, at most for 5 seconds, then
// it returns ErrBusy.
//
// The Maintenance is valid with an error, too.
func (p *Pool) Maintain(ctx context.Context) (Maintenance, error) {
	me := "maintenance-" + strconv.FormatUint(rand.Uint64(), 36)
	late := time.NewTimer(maintainPatience)
	defer late.Stop()
	for {
		up, err := p.store.Maintain(ctx, me)
		if err != nil {
			return up, err
		}
		if !up.Busy {
			return up, nil
		}
		select {
		case <-time.After(maintainAgain):
		case <-late.C:
			return up, fmt.Errorf("maintain: %w", ErrBusy)
		case <-ctx.Done():
			return up, fmt.Errorf("maintain: %w", context.Cause(ctx))
		}
	}
}
