package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Run serves the queues until ctx is done, Close or Drain is called, or the store
// passes on that somebody asked the replica to drain. Then it drains: it
// claims no more, waits for the running handlers up to Config.DrainTimeout,
// cancels the rest with ErrShutdown and gives their tasks back. It returns nil
// after that; ErrStuck where more than Config.MaxStuck handlers ignored their
// cancelled context, which ends Run by itself; what is wrong with the handlers;
// or why the store could not be joined. Once it has joined, an unreachable store
// does not end Run, nor does one that has forgotten the replica: it joins again.
// Handlers get contexts that carry the values of ctx, not its cancellation.
func (r *Replica) Run(ctx context.Context) error {
	if err := r.begin(); err != nil {
		if errors.Is(err, errClosed) {
			return nil
		}
		return err
	}
	err := r.run(ctx)
	r.mu.Lock()
	r.phase, r.result = over, err
	r.mu.Unlock()
	close(r.ended)
	return err
}

var errClosed = errors.New("closed before Run")

// begin checks what Handle was given and moves the replica on to serving.
func (r *Replica) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == over && r.isClosed() {
		return errClosed
	}
	if r.phase != fresh {
		return errors.New("run: a replica runs once; make a new one")
	}
	if len(r.handlers) == 0 && len(r.problems) == 0 {
		r.problems = append(r.problems, &FieldError{Field: "handlers", Msg: "must not be empty: call Handle before Run"})
	}
	if err := errors.Join(r.problems...); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(r.cfg.Policies)) {
		if _, ok := r.handlers[kind]; !ok {
			r.log.Warn("a policy names a kind without a handler and has no effect here", "kind", kind)
		}
	}
	r.phase = serving
	return nil
}

func (r *Replica) run(ctx context.Context) error {
	// Handlers and the last calls to the store outlive ctx: it only starts the
	// drain. What it carries for tracing stays.
	r.base = context.WithoutCancel(ctx)
	r.started = time.Now()
	if ctx.Err() != nil || r.isClosed() {
		return nil
	}
	if err := r.join(ctx); err != nil {
		if ctx.Err() != nil || r.isClosed() {
			_ = r.leave(r.base) // it may have joined, with the answer lost
			return nil
		}
		return fmt.Errorf("join the pool: %w", err)
	}

	slots := make(map[string]int, len(r.queues))
	for _, q := range r.queues {
		slots[q.name] = q.workers
	}
	r.log.Info("joined the pool", "slots", slots)
	close(r.joined)
	life, end := context.WithCancel(r.base)     // until the replica has left
	serve, endServe := context.WithCancel(life) // until the drain begins
	ears, endEars := context.WithCancel(life)   // until the listener has had its chance to return
	defer end()
	r.wg.Go(func() { r.pump(life) })
	r.wg.Go(func() { r.watch(life) })
	r.wg.Go(func() { r.maintain(serve) })
	r.wg.Go(func() { r.admitInbox(serve) })
	heard, kept := make(chan struct{}), make(chan struct{})
	r.wg.Go(func() { defer close(heard); r.listen(ears) })
	r.wg.Go(func() { defer close(kept); r.keep(life) })

	select {
	case <-ctx.Done():
	case <-r.closed:
	case <-r.drainDue:
	case <-r.overStuck:
	}
	r.stopClaiming(life)
	endServe()
	r.awaitHandlers()
	r.farewell(life, heard, kept, endEars)
	end()
	r.wg.Wait()

	select {
	case <-r.overStuck:
		return ErrStuck
	default:
		return nil
	}
}
