package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// ErrBusy is what Maintain returns where others were always at it.
var ErrBusy = errors.New("others take care of the pool at this moment")

// Whoever maintains the pool has it to themselves for about a second.
const (
	maintainPatience = 5 * time.Second
	maintainAgain    = 100 * time.Millisecond
)

// Maintain takes one turn of the upkeep that the pool's replicas otherwise take
// in their own time: leases that have ended, tasks that are due or too late,
// retention, the trimming of events, replicas that are gone, a little of the
// search for broken entries. It is for pools without a live replica, and for
// somebody who does not want to wait. Where a replica is at it, Maintain waits for
// its turn, at most for 5 seconds, then it returns ErrBusy.
//
// The Upkeep is valid with an error, too.
func (p *Pool) Maintain(ctx context.Context) (Upkeep, error) {
	me := "upkeep-" + strconv.FormatUint(rand.Uint64(), 36)
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
