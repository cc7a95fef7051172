package pool

// Health returns the health of this pool's replica, without a call to the store. It is
// the zero Health in a pool without queues. The example "health" answers HTTP probes.
func (p *Pool) Health() Health {
	if p.replica == nil {
		return Health{}
	}
	return p.replica.Health()
}

// Joined returns a channel that is closed when Run has joined the pool and starts to
// take tasks. It is nil in a pool without queues.
func (p *Pool) Joined() <-chan struct{} {
	if p.replica == nil {
		return nil
	}
	return p.replica.Joined()
}

// Draining returns a channel that is closed when Run stops taking tasks: its context
// has ended, Drain was called for this replica, or too many handlers are stuck. It is
// nil in a pool without queues.
func (p *Pool) Draining() <-chan struct{} {
	if p.replica == nil {
		return nil
	}
	return p.replica.Draining()
}
