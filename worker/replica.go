// Package worker runs tasks: a Replica claims them from a Store, calls their
// handlers, keeps their leases and reports how they ended. It owns the task
// record and knows nothing of where tasks are kept.
//
// Services use package pool, which gives this one Go types and the ways to
// enqueue, wait and operate. This one is for those who write a store, or read how a
// task is run.
//
// # What is here
//
//   - Task, Spec, Event and Stats are what is known of a pool: the words that all
//     packages share.
//   - Store is what a Replica needs of the place that keeps the tasks. Package
//     redisstore is one.
//   - Config, Replica and Handler run them: New, Handle, Run.
//   - Permanent, RetryAfter and Snooze are what a handler may say with its error.
//
// # How a replica works
//
// One goroutine, the pump, exchanges with the store: reports of attempts that
// ended and claims for the free slots travel together, so a round trip carries as
// many tasks as ended since the last. A queue whose claim came back short is idle,
// and its replica blocks in the store until a marker says that something can be
// claimed, or until the next scheduled task is due.
//
// Another renews the leases of all running attempts every third of a lease. A third,
// the watch, never calls the store: it cancels handlers whose attempt timed out or
// whose lease ends unrenewed, by the monotonic clock of the machine, and gives up
// those that ignore that. So a replica that is cut off has stopped its handlers
// before its tasks start elsewhere.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Replica is one running worker process, or one of several in a process. Make it
// with New, give it its handlers, then call Run once.
type Replica struct {
	id      string
	store   Store
	cfg     Config
	log     *slog.Logger
	outages *outage
	// callTimeout bounds every call to the store that does not wait by design.
	callTimeout time.Duration
	base        context.Context // parent of the handlers' contexts; set by Run
	wg          sync.WaitGroup  // everything Run started but the handlers

	work      chan struct{} // pokes the pump
	watching  chan struct{} // pokes the watch
	renewing  chan struct{} // pokes the keeper
	settled   chan struct{} // pokes the drain
	closed    chan struct{} // closed by Close
	ended     chan struct{} // closed when Run returns
	overStuck chan struct{} // closed when more than MaxStuck handlers are stuck
	joined    chan struct{} // closed when it has joined for the first time
	drainDue  chan struct{} // full when somebody asked for the drain
	drains    chan struct{} // closed when the drain begins
	inbox     sync.Mutex    // held while admitting
	joining   chan struct{} // full while joining again
	joins     atomic.Int64  // how often it has joined again

	started time.Time // of Run; set before anything that reads it begins
	unknown unknownKinds

	mu       sync.Mutex
	phase    phase
	problems []error // of Handle, for Run
	handlers map[string]Handler
	queues   []*queue // by name
	held     map[*attempt]struct{}
	active   int // handlers that run and have not been given up
	stuck    int
	dropped  int64
	outbox   []Report
	senders  []*attempt // of the outbox; nil for a task that was never started
	sending  bool       // the pump holds reports or claims without an answer
	// flight says that an exchange with claims is under way, lateBell that the
	// doorbell rang meanwhile: the stop may be for a task in its answer.
	flight, lateBell bool
	renewNow         bool // the doorbell rang, or the drain begins
	renewDirty       bool // there is progress, or a soft timeout, to tell
	watchAt          time.Time
	listening        bool          // the listener is blocked in the store
	ringing          chan struct{} // closed when the ring of the own doorbell under way has ended; nil where none is
	ringMore         bool          // one more ring is due
	deaf             bool          // nothing is left to listen for
	result           error         // what Run returned
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
		return nil, errors.Join(&FieldError{Field: "store", Msg: "must not be nil"}, cfg.Check())
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()

	r := &Replica{
		id:          strconv.FormatUint(rand.Uint64N(1<<50), 36), // short: it is written with every start and end
		store:       store,
		cfg:         cfg,
		callTimeout: min(max(cfg.Lease/6, 250*time.Millisecond), 5*time.Second),
		work:        make(chan struct{}, 1),
		watching:    make(chan struct{}, 1),
		renewing:    make(chan struct{}, 1),
		settled:     make(chan struct{}, 1),
		closed:      make(chan struct{}),
		ended:       make(chan struct{}),
		overStuck:   make(chan struct{}),
		joined:      make(chan struct{}),
		drainDue:    make(chan struct{}, 1),
		drains:      make(chan struct{}),
		joining:     make(chan struct{}, 1),
		handlers:    make(map[string]Handler),
		held:        make(map[*attempt]struct{}),
		unknown:     make(unknownKinds),
	}
	r.log = cfg.Logger.With("replica", r.id)
	r.outages = &outage{log: r.log, failing: make(map[string]bool)}
	for _, name := range slices.Sorted(maps.Keys(cfg.Queues)) {
		r.queues = append(r.queues, &queue{name: name, workers: cfg.Queues[name].Workers, call: 1})
	}
	return r, nil
}

// ID is the replica's id: random letters and digits, new with every New.
func (r *Replica) ID() string { return r.id }

// Handle sets the handler of a kind. Run fails where a name is bad, a handler is nil
// or a kind has two. Handle panics once Run has begun or Close was called: handlers
// come first.
func (r *Replica) Handle(kind string, h Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	field := "handlers." + clip(kind)
	refuse := func(msg string) { r.problems = append(r.problems, &FieldError{Field: field, Msg: msg}) }
	if r.phase != fresh {
		panic("worker: Handle(" + kind + ") after Run or Close")
	}
	if err := CheckName(kind); err != nil {
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
	c := Counts{Stuck: r.stuck, Dropped: r.dropped}
	for _, q := range r.queues {
		c.Slots += q.workers
		c.Running += q.taken
	}
	return c
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

// poke wakes the goroutine that waits on c, now or when it waits next.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
