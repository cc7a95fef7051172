package pooltest

import (
	"context"
	"testing"
)

// Start runs the pool, as pool.Run does, until stop is called or the test ends. stop
// drains the pool and returns when Run has returned. It may be called more than once.
// An error of Run fails the test.
//
// A started pool runs tasks by itself: wait for them with pool.Wait; Drain fails the
// test. A pool can be started once.
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
