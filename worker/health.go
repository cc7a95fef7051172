package worker

import "time"

// Health describes a replica at one instant.
type Health struct {
	Counts
	Joined   bool          // the replica has joined the pool
	Draining bool          // the replica takes no more tasks and ends after the running ones
	Refuses  string        // why Config.Admit refuses new tasks; "" if it admits them
	Failing  time.Duration // how long calls to the store have been failing; 0 if they work
}

// Health returns the replica's health. It does not call the store: the replica itself
// calls it at least every ten seconds.
func (r *Replica) Health() Health {
	return Health{
		Counts:   r.Counts(),
		Joined:   isClosed(r.joined),
		Draining: isClosed(r.drain.began),
		Refuses:  r.Refuses(),
		Failing:  r.outages.duration(),
	}
}

// Joined returns a channel that is closed when the replica has joined the pool.
func (r *Replica) Joined() <-chan struct{} { return r.joined }

// Draining returns a channel that is closed when the replica stops taking tasks.
func (r *Replica) Draining() <-chan struct{} { return r.drain.began }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
