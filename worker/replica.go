// Package worker runs tasks: a Replica claims them from a Store, calls their handlers,
// renews their leases and reports their ends. It does not depend on where tasks are
// kept.
//
// Services use package pool, which adds Go types, enqueueing, waiting and operating.
// Package task defines the types that both use.
//
// # How a replica works
//
// Two goroutines, the request sequences, exchange with the store. One exchange reports
// the attempts that have ended and claims tasks for the free slots, so a round trip
// transfers as many tasks as have ended since the last. Each sequence has one exchange
// in flight; with two of them the store works while the replica does. A sequence claims
// from a queue when one of the queue's slots becomes free or when the store reports the
// queue as ready. The store does so in the answer to an exchange or through the
// replica's signal list, on which an idle replica blocks.
//
// The keeper renews the leases of all claims every third of a lease. The watch uses the
// machine's monotonic clock and never calls the store. It cancels handlers whose
// attempt timed out or whose lease ends unrenewed. It gives up handlers that ignore the
// cancellation. A replica that is cut off has therefore cancelled its handlers before
// its tasks start elsewhere.
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

// Replica runs the tasks of a pool. A process may have several. Make one with New, set
// its handlers with Handle, then call Run once.
type Replica struct {
	store   Store
	cfg     Config
	outages *outage
	needed  needed
	// callTimeout bounds every call to the store that does not block by design.
	callTimeout time.Duration
	ownQueues   map[string]string // names by kind, of disabled handlers too
	base        context.Context   // parent of the handlers' contexts; set by Run
	started     time.Time         // set by Run, before it starts the goroutines that read it
	wg          sync.WaitGroup    // the goroutines that Run started, without handlers

	member       membership
	sequences    [2]*sequence
	keeper       keeper
	watch        watch
	listener     listener
	inbox        inboxReader
	reports      inboxReader
	triggerInbox inboxReader
	maintenance  maintainer
	triggers     triggers
	spreader     spreader
	drain        drain
	unknown      unknownKinds
	admission    admission
	hooks        hooks
	observers    []task.Observer // set before Run

	closed    chan struct{} // closed by Close
	ended     chan struct{} // closed when Run returns
	overStuck chan struct{} // closed when more than MaxStuck handlers are stuck
	joined    chan struct{} // closed when the replica has joined for the first time

	mu       sync.Mutex
	phase    phase
	problems []error // errors of Handle, returned by Run
	handlers map[string]task.Handler
	queues   queues
	own      map[string]*ownQueue // by kind
	held     heldClaims
	result   error // of Run
}

// phase is the phase of a replica's life.
type phase int

const (
	fresh phase = iota
	serving
	draining // claims no more
	leaving  // renews no more, makes only its last calls
	finished // Run has returned, or Close was called before it
)

// Counts are the slots and outcomes of a replica at one instant.
type Counts struct {
	Slots   int   // over all queues
	Running int   // slots in use, those of stuck handlers included
	Stuck   int   // handlers that were given up because they ignore their cancelled context
	Dropped int64 // outcomes dropped since the start, because another replica may run the task
	Refused int64 // refusals of Config.Admit since the start: answers of its calls, and calls that took too long
}

// New makes a replica and starts nothing. It returns everything that is wrong with cfg,
// as joined FieldErrors. It does not call the store.
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
		queues:      newQueues(cfg.Queues, cfg.Slots),
		ownQueues:   cfg.OwnQueues(),
		held:        heldClaims{live: make(map[int64]*claim), lost: make(map[*claim]struct{})},
	}
	r.own = newOwnQueues(cfg, &r.queues)
	r.needed.init(r.cfg)
	r.hooks = hooks{r: r, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	r.outages = &outage{log: r.log, hooks: &r.hooks, failing: make(map[*retry]struct{})}
	r.member = membership{r: r, joining: make(chan struct{}, 1)}
	r.member.assignID()
	r.sequences = [2]*sequence{newSequence(r, 0), newSequence(r, 1)}
	r.keeper = keeper{r: r, wake: make(chan struct{}, 1)}
	r.watch = watch{r: r, wake: make(chan struct{}, 1)}
	r.drain = drain{r: r, requested: make(chan struct{}, 1), began: make(chan struct{}), changed: make(chan struct{}, 1)}
	r.inbox = inboxReader{r: r, name: "inbox", list: EntryList{store.AwaitInbox,
		func(ctx context.Context) (bool, error) { return store.AdmitInbox(ctx, r.ownQueues) }}}
	r.reports = inboxReader{r: r, name: "reports", list: EntryList{store.AwaitReports, store.AdmitReports}}
	r.triggerInbox = inboxReader{r: r, name: "triggers:inbox", list: cfg.TriggerEntries}
	r.listener.r, r.maintenance.r = r, r
	r.triggers = triggers{r: r, wake: make(chan struct{}, 1)}
	r.spreader = spreader{r: r, wake: make(chan struct{}, 1)}
	r.admission = admission{r: r, wake: make(chan struct{}, 1)}
	return r, nil
}

// ID returns the replica's id: random letters and digits. New makes one; the replica
// takes another one when the pool has forgotten it.
func (r *Replica) ID() string { return r.member.self.Load().id }

// log returns the logger with the replica's id.
func (r *Replica) log() *slog.Logger { return r.member.self.Load().log }

// Handle sets the handler of a kind. Run returns an error if a name is invalid, a
// handler is nil or a kind has two handlers. Handle panics after Run or Close was
// called.
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

// Counts returns the current counts.
func (r *Replica) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Counts{Slots: r.queues.slots, Running: r.queues.taken, Stuck: r.held.stuck, Dropped: r.held.dropped, Refused: r.admission.refused}
}

// Close ends Run without waiting for the handlers. They are cancelled with ErrShutdown
// and have Config.StopGrace to return; then their tasks are released. Close returns
// Run's error when Run has returned. It may be called again, before Run and after Run;
// a later Run returns nil at once. A handler must not call it.
func (r *Replica) Close() error {
	r.mu.Lock()
	if !r.isClosed() {
		close(r.closed)
	}
	if r.phase == fresh {
		r.phase = finished
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
