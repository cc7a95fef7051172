package pool

// Health returns how the replica of this pool is, without a call to the store.
// In a pool without queues it is the zero Health.
func (p *Pool) Health() Health {
	if p.replica == nil {
		return Health{}
	}
	return p.replica.Health()
}

// Joined is closed when Run has joined the pool and begins to take tasks. It is
// nil in a pool without queues.
func (p *Pool) Joined() <-chan struct{} {
	if p.replica == nil {
		return nil
	}
	return p.replica.Joined()
}

// Draining is closed when Run begins to take no more tasks: its context has
// ended, Drain was called for this replica, or too many handlers are stuck.
// It is nil in a pool without queues.
func (p *Pool) Draining() <-chan struct{} {
	if p.replica == nil {
		return nil
	}
	return p.replica.Draining()
}
