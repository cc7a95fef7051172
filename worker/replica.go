// Package worker runs tasks: a Replica claims them from a Store, calls their
// handlers, renews their leases and reports how they ended. It does not know where tasks
// are kept.
//
// Services use package pool, which adds Go types, enqueueing, waiting and operating.
// Package task has the words that both share.
//
// # How a replica works
//
// Two goroutines, the sequences, exchange with the store: reports of attempts that
// ended and claims for the free slots travel together, so a round trip carries as
// many tasks as ended since the last. A sequence has one exchange in flight; with two sequences
// the store works while the replica does. A queue is claimed from when a slot of it
// becomes free and when the store names it as ready: in the answer to an exchange, or
// through the replica's doorbell, at which an idle replica blocks.
//
// The keeper renews the leases of all claims every third of a lease. The watch never
// calls the store: it cancels handlers whose attempt timed out or whose lease ends
// unrenewed, by the monotonic clock of the machine, and gives up those that ignore
// that. So a replica that is cut off has stopped its handlers before its tasks start
// elsewhere.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Replica is one running worker process, or one of several in a process. Make it
// with New, give it its handlers, then call Run once.
type Replica struct {
	store   Store
	cfg     Config
	outages *outage
	// callTimeout bounds every call to the store that does not wait by design.
	callTimeout time.Duration
	base        context.Context // parent of the handlers' contexts; set by Run
	started     time.Time       // of Run; set before anything that reads it begins
	wg          sync.WaitGroup  // everything Run started but the handlers

	member      membership
	sequences   [2]*sequence
	keeper      keeper
	watch       watch
	listener    listener
	inbox       inboxReader
	maintenance maintainer
	drain       drain
	unknown     unknownKinds

	closed    chan struct{} // closed by Close
	ended     chan struct{} // closed when Run returns
	overStuck chan struct{} // closed when more than MaxStuck handlers are stuck
	joined    chan struct{} // closed when it has joined for the first time

	mu       sync.Mutex
	phase    phase
	problems []error // of Handle, for Run
	handlers map[string]task.Handler
	queues   queues
	held     holdings
	result   error // what Run returned
}

// phase is where a replica is in its life.
type phase int

const (
	fresh phase = iota
	serving
	draining // no new claims
	leaving  // no renewals either: only last words
	over     // Run has returned, or Close came before it
)

// Counts is what a replica does at one instant.
type Counts struct {
	Slots   int   // over all queues
	Running int   // slots in use, those of stuck handlers included
	Stuck   int   // handlers that were given up because they ignore their cancelled context
	Dropped int64 // outcomes refused since the start, because the attempt was no longer this replica's
}

// New makes a replica; it starts nothing. It fails with everything that is wrong
// with cfg, as FieldErrors joined, before store is touched.
func New(store Store, cfg Config) (*Replica, error) {
	if store == nil {
		return nil, errors.Join(&task.FieldError{Field: "store", Msg: "must not be nil"}, cfg.Check())
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()

	r := &Replica{
		store:       store,
		cfg:         cfg,
		callTimeout: min(max(cfg.Lease/6, 250*time.Millisecond), 5*time.Second),
		unknown:     unknownKinds{at: make(map[string]time.Time)},
		closed:      make(chan struct{}),
		ended:       make(chan struct{}),
		overStuck:   make(chan struct{}),
		joined:      make(chan struct{}),
		handlers:    make(map[string]task.Handler),
		queues:      newQueues(cfg.Queues),
		held:        holdings{live: make(map[int64]*claim), lost: make(map[*claim]struct{})},
	}
	r.outages = &outage{log: r.log, failing: make(map[*retry]struct{})}
	r.member = membership{r: r, joining: make(chan struct{}, 1)}
	r.member.rename()
	r.sequences = [2]*sequence{newSequence(r, 0), newSequence(r, 1)}
	r.keeper = keeper{r: r, wake: make(chan struct{}, 1)}
	r.watch = watch{r: r, wake: make(chan struct{}, 1)}
	r.drain = drain{r: r, due: make(chan struct{}, 1), began: make(chan struct{}), changed: make(chan struct{}, 1)}
	r.listener.r, r.inbox.r, r.maintenance.r = r, r, r
	return r, nil
}

// ID is the replica's id: random letters and digits, new with every New, and when the
// pool has forgotten the replica.
func (r *Replica) ID() string { return r.member.self.Load().id }

// log returns the logger, which names the replica.
func (r *Replica) log() *slog.Logger { return r.member.self.Load().log }

// Handle sets the handler of a kind. Run fails where a name is bad, a handler is nil
// or a kind has two. Handle panics once Run has begun or Close was called: handlers
// come first.
func (r *Replica) Handle(kind string, h task.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	field := "handlers." + task.Clip(kind)
	refuse := func(msg string) { r.problems = append(r.problems, &task.FieldError{Field: field, Msg: msg}) }
	if r.phase != fresh {
		panic("worker: Handle(" + kind + ") after Run or Close")
	}
	if err := task.CheckName(kind); err != nil {
		refuse(err.Error())
	}
	if h == nil {
		refuse("must not be nil")
		return
	}
	if _, taken := r.handlers[kind]; taken {
		refuse("is set twice")
	}
	for _, m := range slices.Backward(r.cfg.Middleware) {
		h = m(h)
	}
	r.handlers[kind] = h
}

// Counts returns what the replica does right now.
func (r *Replica) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Counts{Slots: r.queues.slots, Running: r.queues.taken, Stuck: r.held.stuck, Dropped: r.held.dropped}
}

// Close ends Run without waiting for the handlers: they are cancelled with
// ErrShutdown and have Config.StopGrace to return, then their tasks are given
// back. It returns when Run has, with Run's error. Calling it again, or before
// or after Run, is fine: a Run that comes later returns nil at once. A handler
// must not call it.
func (r *Replica) Close() error {
	r.mu.Lock()
	if !r.isClosed() {
		close(r.closed)
	}
	if r.phase == fresh {
		r.phase = over
		close(r.ended)
	}
	r.mu.Unlock()
	<-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}

func (r *Replica) isClosed() bool { return isClosed(r.closed) }

// wake wakes the goroutine that waits on c, now or when it waits next.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
