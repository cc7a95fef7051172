package pool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// openTimeout bounds the first read of the events for OnFinish. Package worker bounds
// the join by the same time.
const openTimeout = 5 * time.Second

// runWithFinish is Run with Config.OnFinish. The subscription starts first and ends
// last, so that OnFinish also gets the events of the start and the drain.
func (p *Pool) runWithFinish(ctx context.Context) error {
	s := p.subscription(FinishGroup, p.onFinish)
	first, cancel := context.WithTimeout(ctx, openTimeout)
	defer context.AfterFunc(p.closed, cancel)()
	err := s.open(first)
	cancel()
	switch {
	case err != nil && (ended(ctx) != nil || p.closed.Err() != nil):
		return nil
	case err != nil:
		return fmt.Errorf("pool: events for OnFinish: %w", err)
	}
	run, stopRun := context.WithCancel(ctx)
	defer stopRun()
	events, stopEvents := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEvents()
	defer context.AfterFunc(p.closed, stopEvents)()

	finished := make(chan error, 1)
	go func() {
		err := s.run(events)
		stopRun() // a pool with OnFinish does not run without events
		finished <- err
	}()
	err = p.replica.Run(run)
	stopEvents()

	grace := time.NewTimer(p.cfg.StopGrace)
	defer grace.Stop()
	select {
	case ferr := <-finished:
		if ferr != nil {
			ferr = fmt.Errorf("pool: events for OnFinish: %w", ferr)
		}
		return errors.Join(err, ferr)
	case <-grace.C:
		p.log.Error("OnFinish ignores its cancelled context; Run returns without waiting for it", "grace", p.cfg.StopGrace)
		return err
	}
}

// onFinish calls Config.OnFinish for terminal events.
func (p *Pool) onFinish(ctx context.Context, e Event) error {
	if e.State.Terminal() {
		p.cfg.OnFinish(ctx, e)
	}
	return nil
}
