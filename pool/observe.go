package pool

import "time"

// Observe adds an observer of what this process does: attempts and triggers of its replica, and
// calls of the store, if the store has a method Observe as that of package redisstore has. Package
// metrics has an observer. Observe panics after Run was called.
func (p *Pool) Observe(o Observer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ran {
		panic("pool: Observe after Run")
	}
	if p.replica != nil {
		p.replica.Observe(o)
	}
	if s, ok := p.store.(interface {
		Observe(func(script string, took time.Duration, err error))
	}); ok {
		s.Observe(o.Called)
	}
}

// Name returns the name of the pool. It is empty if the store has no name for it.
func (p *Pool) Name() string {
	if s, ok := p.store.(interface{ Pool() string }); ok {
		return s.Pool()
	}
	return ""
}
