package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ltsworker/ltsworker/trigger"
	"github.com/ltsworker/ltsworker/worker"
)

// Pool enqueues tasks, reads and operates them and, if its Config has queues, runs
// them. It is safe for concurrent use. Call Handle before Run.
type Pool struct {
	store   Store
	cfg     Config
	log     *slog.Logger
	replica *worker.Replica // nil in a pool without queues
	commit  committer
	ends    endings

	planner   *trigger.Planner
	ownQueues map[string]string // of kinds whose tasks do not wait in DefaultQueue

	closed    context.Context // ends with Close
	setClosed context.CancelFunc

	mu       sync.Mutex
	handlers map[string]Handler // by kind
	ran      bool
}

// New returns a pool on store. Everything that is wrong with cfg is returned at once,
// as joined FieldErrors. New does not call the store and starts no goroutine.
func New(store Store, cfg Config) (*Pool, error) {
	var errs []error
	if store == nil {
		errs = append(errs, &FieldError{Field: "store", Msg: "must not be nil"})
	}
	if err := errors.Join(append(errs, cfg.check())...); err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	cfg = cfg.withDefaults()
	p := &Pool{
		store:  store,
		cfg:    cfg,
		log:    cfg.Logger,
		commit: committer{enqueue: store.Enqueue},
		ends:   endings{store: store, log: cfg.Logger},

		handlers: map[string]Handler{},
	}
	p.planner = trigger.NewPlanner(cfg.Calendars)
	p.closed, p.setClosed = context.WithCancel(context.Background())
	rc := cfg.replica()
	rc.Triggers = p.planner
	rc.TriggerEntries = worker.EntryList{Await: store.AwaitTriggerEntries, Admit: p.Triggers().admitEntries}
	p.ownQueues = rc.OwnQueues()
	if len(rc.Served()) > 0 {
		r, err := worker.New(store, rc)
		if err != nil {
			return nil, fmt.Errorf("pool: %w", err)
		}
		p.replica = r
	}
	return p, nil
}

// Run serves the pool's queues until ctx ends. Then it takes no more tasks and waits up
// to Config.DrainTimeout for the running ones. It cancels the rest with ErrShutdown,
// returns them to their queues without using an attempt, and returns nil.
//
// Run returns ErrNoQueues on a pool without queues, ErrStuck if too many handlers
// ignored their cancelled context, and ErrSchema if an incompatible version wrote the
// pool. It returns an error if there are no handlers or if it was called before. If the
// store does not answer when Run starts, Run fails after at most 5 seconds, with
// Config.OnFinish after 10: make another pool to try again. During later outages Run
// waits.
func (p *Pool) Run(ctx context.Context) error {
	if p.replica == nil {
		return ErrNoQueues
	}
	p.mu.Lock()
	ran, kinds := p.ran, len(p.handlers)
	p.ran = ran || kinds > 0
	p.mu.Unlock()
	switch {
	case ran:
		return errors.New("pool: Run was called before; a pool runs once")
	case kinds == 0:
		return errors.New("pool: no handlers: call Handle before Run")
	case p.cfg.OnFinish == nil:
		return p.replica.Run(ctx)
	}
	return p.runWithFinish(ctx)
}

// Close ends Run now: running handlers are cancelled with ErrShutdown and have
// Config.StopGrace to return; their tasks go back to their queues. Close returns Run's
// error when Run has returned. It may be called at any time and more than once, but not
// by a handler. Enqueueing and reading work afterwards; the store is not closed.
func (p *Pool) Close() error {
	p.setClosed()
	p.ends.close()
	if p.replica == nil {
		return nil
	}
	return p.replica.Close()
}
