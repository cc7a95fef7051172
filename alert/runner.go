package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// lease is the length of the lease of the process that evaluates the rules. It is extended after each
// third.
const lease = 15 * time.Second

// Runner evaluates the rules of a pool and sends the messages.
type Runner struct {
	store Store
	opts  Options
	log   *slog.Logger
	owner string
	ahead atomic.Int64 // the clock of the store minus that of this process, in ns

	rules    []Rule            // of the options, then the stored ones that are used
	unusable map[string]bool   // the stored rules that this version cannot read
	needs    need              // of the rules
	texts    map[string]string // the stored rules that rules was made from; nil for not read yet
	problems map[string]string // of stored rules, as they were logged

	state  *state  // of the process that has the lease; nil for not loaded
	memory *memory // of this leadership, also after an error

	doctor atomic.Pointer[inspection]
}

// New checks the options and returns a Runner. It makes no call to the store. Everything that is
// wrong is in the error, as joined *task.FieldErrors.
func New(store Store, o Options) (*Runner, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	owner := fmt.Sprintf("%s:%d:%s", cmp.Or(host, "unknown"), os.Getpid(), strings.ToLower(rand.Text()[:8]))
	o.Console = linkOf(o.Console, store.Pool())
	return &Runner{store: store, opts: o, log: o.Logger.With("pool", store.Pool()), owner: owner}, nil
}

// now is the time of the store.
func (r *Runner) now() time.Time { return r.atStore(time.Now()) }

// atStore returns a time of this process by the clock of the store.
func (r *Runner) atStore(t time.Time) time.Time { return t.Add(time.Duration(r.ahead.Load())) }

// here returns a time of the store by the clock of this process.
func (r *Runner) here(t time.Time) time.Time { return t.Add(-time.Duration(r.ahead.Load())) }

// Run evaluates the rules while no other process does, and returns nil when ctx ends. While the store
// cannot be used, it logs that and tries again. It returns an error that is task.ErrDenied if the user
// of the store may not run rules, and one that is task.ErrSchema if the pool has another schema version.
func (r *Runner) Run(ctx context.Context) error {
	failing, standby, worked := false, false, false
	for ctx.Err() == nil {
		held, err := r.store.HoldAlerts(ctx, r.owner, lease)
		worked = worked || err == nil
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, task.ErrSchema), errors.Is(err, task.ErrDenied) && !worked:
			return err // rights that were there before may be given again
		case err != nil && !failing:
			r.log.Error("the alert rules do not run: the store cannot be used; trying again", "err", err)
		case err == nil && failing:
			r.log.Warn("the store of the alert rules works again")
		}
		failing = err != nil
		if err == nil && !held && !standby {
			r.log.Warn("another process runs the alert rules of this pool, which may be other ones; this one takes over when it ends")
		}
		if standby = err == nil && !held; held {
			r.lead(ctx)
		}
		pause(ctx, lease/3)
	}
	return nil
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lead evaluates the rules and sends messages while this process has the lease.
func (r *Runner) lead(ctx context.Context) {
	r.log.Info("this process runs the alert rules", "rules", len(r.opts.Rules), "receivers", len(r.opts.Receivers))
	leading, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	senders := map[string]*sender{}
	for name, receiver := range r.opts.Receivers {
		s := &sender{runner: r, name: name, receiver: receiver, pace: receiver.pace(), limiter: limiterOf(receiver.Channel), wake: make(chan struct{}, 1), lost: stop}
		senders[name] = s
		running.Go(func() { s.run(leading) })
	}
	running.Go(func() { r.renew(leading, stop) })
	r.state, r.memory, r.texts, r.problems = nil, nil, nil, nil
	r.doctor.Store(nil)
	failing := ""
	var stopInspecting context.CancelFunc // nil while no rule needs inspections
	for leading.Err() == nil {
		notified, err := r.evaluate(leading)
		switch {
		case leading.Err() != nil:
		case errors.Is(err, errLost):
			stop()
		case err == nil && failing != "":
			r.log.Warn("all alert rules can be evaluated again")
			failing = ""
		case err != nil && err.Error() != failing:
			failing = err.Error()
			r.log.Error("alert rules could not be evaluated; trying again", "err", err)
		}
		for _, name := range notified {
			senders[name].signal()
		}
		switch needed := r.needs&needDoctor != 0; {
		case needed && stopInspecting == nil:
			var inspecting context.Context
			inspecting, stopInspecting = context.WithCancel(leading)
			running.Go(func() { r.inspect(inspecting) })
		case !needed && stopInspecting != nil:
			stopInspecting()
			stopInspecting = nil
			r.doctor.Store(nil)
		}
		pause(leading, r.opts.Interval)
	}
	if stop(); stopInspecting != nil {
		stopInspecting()
	}
	running.Wait()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := r.store.ReleaseAlerts(end, r.owner); err != nil && ctx.Err() == nil {
		r.log.Warn("the lease of the alert rules could not be released", "err", err)
	}
	r.log.Info("this process no longer runs the alert rules")
}

// errLost is returned if another process has the lease.
var errLost = errors.New("another process runs the alert rules")

// inspection is the result of an inspection of the pool.
type inspection struct {
	found []task.Finding
	err   error
}

// inspect inspects the pool every few minutes, concurrently with the rounds, which it must not delay.
func (r *Runner) inspect(ctx context.Context) {
	for ctx.Err() == nil {
		found, err := inspect(ctx, r.store)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.log.Error("the pool could not be inspected", "err", err)
		}
		r.doctor.Store(&inspection{found, err})
		pause(ctx, doctorEvery)
	}
}

// errNotInspected is returned before the first inspection.
var errNotInspected = errors.New("the pool is not inspected yet")

// findings returns the findings of the last inspection.
func (r *Runner) findings() ([]task.Finding, error) {
	if r.needs&needDoctor == 0 {
		return nil, nil
	}
	if last := r.doctor.Load(); last != nil {
		return last.found, last.err
	}
	return nil, errNotInspected
}

// renew extends the lease. It calls stop when the lease is lost or may have ended.
func (r *Runner) renew(ctx context.Context, stop func()) {
	last := time.Now()
	for ctx.Err() == nil {
		pause(ctx, lease/3)
		call, cancel := context.WithTimeout(ctx, lease/3)
		held, err := r.store.ExtendAlerts(call, r.owner, lease)
		cancel()
		switch {
		case err == nil && held:
			last = time.Now()
		case err == nil, time.Since(last) > lease:
			if ctx.Err() == nil {
				r.log.Warn("the lease of the alert rules is lost", "err", err)
			}
			stop()
			return
		}
	}
}

// state is the state of the process that holds the lease.
type state struct {
	alerts    map[string]*Alert
	recovered map[string]int // by silence
	beyond    map[string]int // by rule
	windows   *windows
	fresh     *windows // those whose earlier events are not counted yet; nil for none
	memory    *memory
	cursor    string
	unsure    bool // the last write may have failed: the store may have another state
	behind    bool // events are not counted yet
}

// load reads the state from the records of the store.
func (r *Runner) load(records task.AlertRecords) *state {
	s := &state{alerts: map[string]*Alert{}, recovered: map[string]int{}, beyond: map[string]int{}, windows: newWindows(r.rules), memory: newMemory(r.rules), cursor: records.Fields["cursor"]}
	before := newWindows(slices.Concat(readEvaluated(records.Fields["rules"])))
	s.fresh = s.windows.since(before)
	for field, text := range records.Fields {
		switch kind, rest, _ := strings.Cut(field, ":"); kind {
		case "a":
			a := new(Alert)
			if json.Unmarshal([]byte(text), a) == nil && a.key() == field {
				s.alerts[field] = a
			}
		case "w":
			s.windows.load(field, text, s.fresh)
		case "m":
			var n int
			if json.Unmarshal([]byte(text), &n) == nil {
				s.beyond[rest] = n
			}
		case "s":
			var n int
			if json.Unmarshal([]byte(text), &n) == nil {
				s.recovered[rest] = n
			}
		}
	}
	var known struct {
		Replicas map[string]knownReplica
		Lost     int64
	}
	if json.Unmarshal([]byte(records.Fields["replicas"]), &known) == nil {
		if known.Replicas != nil {
			s.memory.known = known.Replicas
		}
		s.memory.lost = known.Lost
	}
	return s
}
