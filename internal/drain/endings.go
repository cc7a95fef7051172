// Package drain follows replicas that were asked to drain until each has ended or has
// gone silent.
package drain

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/pool"
)

// Endings is what is known of replicas that were asked to drain, by id.
type Endings map[string]*State

// NewEndings returns what is known of the replicas before the list was read.
func NewEndings(ids ...string) Endings {
	e := Endings{}
	for _, id := range ids {
		e[id] = &State{}
	}
	return e
}

// State is what the last read of the list says of a replica.
type State struct {
	Listed  bool
	Silent  bool      // it is off the list because its heartbeat was missed
	Running int       // tasks
	seen    time.Time // its last heartbeat, by the clock of Redis
	beat    time.Time // about the same time, by the clock of this machine
	lease   time.Duration
}

// Add adds the list that was read at that time, and returns how many of the replicas
// are on it. A replica that has drained leaves the list within a third of its lease of
// its last heartbeat. A silent one stays on it for a whole lease without a heartbeat.
func (e Endings) Add(at time.Time, replicas []pool.ReplicaInfo) (left int) {
	there := map[string]bool{}
	for _, r := range replicas {
		s := e[r.ID]
		if s == nil {
			continue
		}
		there[r.ID] = true
		switch {
		case s.seen.IsZero():
			s.beat = at.Add(-max(r.Silent, 0))
		case !r.SeenAt.Equal(s.seen):
			s.beat = at
		}
		s.Listed, s.Silent, s.Running, s.seen, s.lease = true, false, r.Running, r.SeenAt, r.Lease
	}
	for id, s := range e {
		if s.Listed && !there[id] {
			s.Listed, s.Silent = false, at.Sub(s.beat) > s.lease*3/4
		}
	}
	return len(there)
}

// Work returns how many of the replicas are on the list, and how many tasks they run.
func (e Endings) Work() (left, tasks int) {
	for _, s := range e {
		if s.Listed {
			left, tasks = left+1, tasks+s.Running
		}
	}
	return left, tasks
}

// leftEvery is the longest time between two reads of the list.
const leftEvery = 100 * time.Millisecond

// every returns the time between two reads of the list. It is short enough to see
// every heartbeat.
func (e Endings) every() time.Duration {
	d := leftEvery
	for _, s := range e {
		if s.lease > 0 {
			d = min(d, s.lease/10)
		}
	}
	return d
}

// Await reads the list until none of the replicas is on it. If ctx ends, it returns
// the cause.
func (e Endings) Await(ctx context.Context, c *client.Client) error {
	tick := time.NewTicker(e.every())
	defer tick.Stop()
	for {
		at := time.Now()
		replicas, err := c.Replicas(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && e.Add(at, replicas) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
