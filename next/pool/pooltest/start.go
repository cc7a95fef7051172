package pooltest

import (
	"context"
	"testing"
)

// Start runs the pool, as pool.Run does, until stop is called or the test ends.
// stop drains it and returns when it has ended, as does the end of the test. It may
// be called more than once. An error of Run fails the test.
//
// A pool that has been started runs tasks by itself, so there is nothing to Drain;
// pool.Wait waits for them. It can be started once.
func (p *Pool) Start(t testing.TB) (stop func()) {
	t.Helper()
	p.started.Store(true)
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := p.Run(ctx); err != nil {
			t.Errorf("pooltest: run: %v", err)
		}
	}()
	stop = func() {
		end()
		<-ended
		p.started.Store(false)
	}
	t.Cleanup(stop)
	return stop
}
