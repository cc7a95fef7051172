package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Run serves the queues until ctx is done, Close or Drain is called, or the store
// reports that a drain was requested. Then it drains: it claims no more, waits for the
// running handlers up to Config.DrainTimeout, cancels the rest with ErrShutdown,
// releases their tasks and returns nil.
//
// If more than Config.MaxStuck handlers ignore their cancelled context, Run drains by
// itself and returns ErrStuck. It returns an error if the handlers are invalid or the
// pool could not be joined. Once it has joined, an unreachable store does not end Run.
// If the pool forgets the replica, the handlers are cancelled with ErrLeaseLost, and
// the replica joins again under a new id.
//
// The contexts of handlers have the values of ctx, not its cancellation.
func (r *Replica) Run(ctx context.Context) error {
	if err := r.begin(); err != nil {
		if errors.Is(err, errClosed) {
			return nil
		}
		return err
	}
	err := r.run(ctx)
	r.mu.Lock()
	r.phase, r.result = finished, err
	r.mu.Unlock()
	close(r.ended)
	return err
}

var errClosed = errors.New("closed before Run")

// begin checks the handlers and moves the replica to the phase serving.
func (r *Replica) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == finished && r.isClosed() {
		return errClosed
	}
	if r.phase != fresh {
		return errors.New("run: a replica runs once: make a new one")
	}
	if len(r.handlers) == 0 && len(r.problems) == 0 {
		r.problems = append(r.problems, &task.FieldError{Field: "handlers", Msg: "must not be empty: call Handle before Run"})
	}
	for _, kind := range slices.Sorted(maps.Keys(r.cfg.Handlers)) {
		if c := r.cfg.Handlers[kind]; c.Concurrency > 0 && !c.Disabled && r.handlers[kind] == nil {
			r.problems = append(r.problems, &task.FieldError{Field: "handlers." + task.Clip(kind), Msg: "has a concurrency and no handler: call Handle for the kind before Run"})
		}
	}
	if err := errors.Join(r.problems...); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(r.cfg.Policies)) {
		if _, ok := r.handlers[kind]; !ok {
			r.log().Warn("a policy has no effect here because its kind has no handler", "kind", kind)
		}
	}
	r.phase = serving
	return nil
}

func (r *Replica) run(ctx context.Context) error {
	// The end of ctx only starts the drain. Handlers and the last calls to the store
	// continue after it and keep its values, such as a trace.
	r.base = r.needed.registry.With(context.WithoutCancel(ctx))
	r.started = time.Now()
	if ctx.Err() != nil || r.isClosed() {
		return nil
	}
	if err := r.member.join(ctx); err != nil {
		if ctx.Err() != nil || r.isClosed() {
			_ = r.leave(r.base) // it may have joined and lost the answer
			return nil
		}
		return fmt.Errorf("join the pool: %w", err)
	}

	r.log().Info("joined the pool", r.slots()...)
	if kinds := r.cfg.disabledKinds(); len(kinds) > 0 {
		r.log().Info("handlers are disabled here; their tasks wait or run on other replicas", "kinds", kinds)
	}
	close(r.joined)
	endHooks := r.hooks.start()
	r.hooks.connected()
	life, end := context.WithCancel(r.base)     // until the replica has left
	serve, endServe := context.WithCancel(life) // until the drain begins
	listen, endListener := context.WithCancel(life)
	defer end()
	r.mu.Lock()
	r.startClaiming()
	r.mu.Unlock()
	for _, s := range r.sequences {
		r.wg.Go(func() { s.run(life) })
	}
	r.wg.Go(func() { r.watch.run(life) })
	r.wg.Go(func() { r.maintenance.run(serve) })
	r.wg.Go(func() { r.inbox.run(serve) })
	r.wg.Go(func() { r.spreader.run(serve) })
	r.wg.Go(func() { r.admission.run(serve) })
	r.wg.Go(func() { r.reports.run(serve) })
	if r.cfg.TriggerEntries.Await != nil {
		r.wg.Go(func() { r.triggerInbox.run(serve) })
	}
	if r.cfg.Triggers != nil {
		r.wg.Go(func() { r.triggers.run(serve) })
	}
	listener, keeper := make(chan struct{}), make(chan struct{})
	r.wg.Go(func() { defer close(listener); r.listener.run(listen) })
	r.wg.Go(func() { defer close(keeper); r.keeper.run(life) })

	select {
	case <-ctx.Done():
	case <-r.closed:
	case <-r.drain.requested:
	case <-r.overStuck:
	}
	r.drain.stopClaiming()
	endServe()
	r.drain.awaitHandlers()
	r.drain.leave(life, listener, keeper, endListener)
	end()
	r.wg.Wait()
	endHooks()

	if isClosed(r.overStuck) {
		return task.ErrStuck
	}
	return nil
}

// maxNamed is how many queues a log line lists.
const maxNamed = 20

// slots returns log attributes with the slots of each queue, or with their sum if there
// are more than maxNamed queues.
func (r *Replica) slots() []any {
	if len(r.queues.all) > maxNamed {
		return []any{"queues", len(r.queues.all), "slots", r.queues.slots}
	}
	slots := make(map[string]int, len(r.queues.all))
	for name, q := range r.cfg.Queues {
		slots[name] = q.Workers
	}
	return []any{"slots", slots}
}
