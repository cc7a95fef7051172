package worker

import "time"

// Health is how a replica is at one instant.
type Health struct {
	Counts
	Joined   bool          // it has joined the pool
	Draining bool          // it takes no more tasks, and ends when the running ones have
	Failing  time.Duration // how long calls to the store have been failing; 0 where they work
}

// Health returns how the replica is. It makes no call to the store: those that
// the replica makes by itself, every ten seconds at least, are enough.
func (r *Replica) Health() Health {
	return Health{
		Counts:   r.Counts(),
		Joined:   isClosed(r.joined),
		Draining: isClosed(r.drain.began),
		Failing:  r.outages.lasting(),
	}
}

// Joined is closed when the replica has joined the pool.
func (r *Replica) Joined() <-chan struct{} { return r.joined }

// Draining is closed when the replica begins to take no more tasks.
func (r *Replica) Draining() <-chan struct{} { return r.drain.began }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
