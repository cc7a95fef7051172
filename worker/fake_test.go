package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// fakeStore is a small but real store in memory, on the clock of its test: it
// has waiting lines, fences, leases, markers and doorbells, repeats the answer
// to a repeated claim, and fails as it is told to.
type fakeStore struct {
	mu      sync.Mutex
	changed chan struct{} // closed and renewed when a marker or a bell is set
	tasks   map[string]*fakeTask
	order   []string // ids in waiting order
	bells   map[string]bool
	drains  map[string]bool // replicas asked to drain, told by renewals
	loud    bool            // the bell says so, too
	markers map[string]bool
	answers map[string]answer // by replica and queue
	limits  map[string]int    // by queue; 0 is none
	fence   int64             // of the newest claim

	replicas map[string]Registration
	joins    []Registration
	left     []string
	warnings []string
	inbox    []Spec
	upkeep   func() Upkeep

	calls    []call
	verdicts []verdictOf
	renewals []Renewal
	claims   []Claim
	wakes    []string
	reaped   []string

	fault func(op string) fault
}

type fakeTask struct {
	Task
	leaseEnd time.Time
	stop     bool
	reported map[int64]bool // by fence
	released int
}

type answer struct {
	call  int64
	tasks []*Task
}

type call struct {
	op string
	at time.Time
}

type verdictOf struct {
	Report
	Verdict
	at time.Time
}

// fault is what goes wrong with a call.
type fault int

const (
	none fault = iota
	fail       // nothing happens
	hang       // nothing happens, and the call blocks until its context is done
	lose       // it happens, but the reply is lost
	lag        // it happens a second later, whatever the caller does meanwhile
)

var errDown = errors.New("connection refused")

func newFakeStore() *fakeStore {
	return &fakeStore{
		changed:  make(chan struct{}),
		tasks:    make(map[string]*fakeTask),
		bells:    make(map[string]bool),
		drains:   make(map[string]bool),
		markers:  make(map[string]bool),
		answers:  make(map[string]answer),
		limits:   make(map[string]int),
		fence:    1000, // no attempt has such a number
		replicas: make(map[string]Registration),
		upkeep:   func() Upkeep { return Upkeep{} },
		fault:    func(string) fault { return none },
	}
}

// do runs one step under the faults that are set.
func (s *fakeStore) do(ctx context.Context, op string, step func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{op, time.Now()})
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		panic(op + " was called without a deadline")
	}
	switch s.fault(op) {
	case fail:
		return errDown
	case hang:
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	case lose:
		step()
		return errDown
	case lag:
		s.mu.Unlock()
		time.Sleep(time.Second)
		s.mu.Lock()
		step()
		return ctx.Err()
	}
	step()
	return nil
}

func (s *fakeStore) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *fakeStore) Join(ctx context.Context, r Registration) ([]string, error) {
	err := s.do(ctx, "join", func() {
		s.replicas[r.Replica] = r
		s.joins = append(s.joins, r)
	})
	return s.warnings, err
}

// Exchange takes reports of anybody, but gives tasks to those who have joined only.
func (s *fakeStore) Exchange(ctx context.Context, reports []Report, claims []Claim) (verdicts []Verdict, claimed []Claimed, err error) {
	forgotten := false
	err = s.do(ctx, "exchange", func() {
		for _, rep := range reports {
			v := s.report(rep)
			verdicts = append(verdicts, v)
			s.verdicts = append(s.verdicts, verdictOf{rep, v, time.Now()})
		}
		for _, c := range claims {
			if _, known := s.replicas[c.Replica]; !known {
				forgotten = true
				return
			}
			s.claims = append(s.claims, c)
			claimed = append(claimed, s.claim(c))
		}
	})
	if err == nil && forgotten {
		err = fmt.Errorf("claim: %w", ErrNotJoined)
	}
	if err != nil {
		return nil, nil, err
	}
	return verdicts, claimed, nil
}

func (s *fakeStore) report(rep Report) Verdict {
	t := s.tasks[rep.ID]
	switch {
	case t == nil:
		return Gone
	case t.reported[rep.Fence]:
		return Already
	case t.State != Running || t.Fence != rep.Fence:
		return LeaseLost
	}
	t.reported[rep.Fence] = true
	t.Code, t.Error = rep.Code, rep.Error
	switch rep.Op {
	case Succeed:
		t.State, t.Result = Succeeded, rep.Result
	case Release:
		t.released++
		s.enqueue(t, rep.Delay)
	case Fail:
		t.State = Failed
		if t.stop {
			t.State = Stopped
		}
	}
	s.mark(t.Queue) // a place under the limit is free
	return Accepted
}

// enqueue puts the task in line, or on its schedule.
func (s *fakeStore) enqueue(t *fakeTask, delay time.Duration) {
	t.State, t.DueAt = Waiting, time.Now().Add(delay)
	s.order = append(s.order, t.ID)
	s.mark(t.Queue)
}

func (s *fakeStore) claimable(queue string) (ids []string, next time.Duration) {
	room := len(s.order)
	if limit := s.limits[queue]; limit > 0 {
		room = limit
		for _, t := range s.tasks {
			if t.Queue == queue && t.State == Running {
				room--
			}
		}
	}
	for _, id := range s.order {
		t := s.tasks[id]
		switch wait := time.Until(t.DueAt); {
		case t.Queue != queue:
		case wait > 0:
			if next == 0 || wait < next {
				next = wait
			}
		case room > 0:
			ids = append(ids, id)
			room--
		}
	}
	return ids, next
}

func (s *fakeStore) mark(queue string) {
	if ids, _ := s.claimable(queue); len(ids) > 0 {
		s.markers[queue] = true
		s.broadcast()
	}
}

func (s *fakeStore) claim(c Claim) Claimed {
	key := c.Replica + " " + c.Queue
	last := s.answers[key]
	ids, next := s.claimable(c.Queue)
	if last.call != c.Call {
		last = answer{call: c.Call}
		for _, id := range ids[:min(c.N, len(ids))] {
			t := s.tasks[id]
			s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == id })
			t.State, t.Replica, t.StartedAt = Running, c.Replica, time.Now()
			s.hand(t)
			t.leaseEnd = time.Now().Add(c.Lease)
			own := t.Task
			last.tasks = append(last.tasks, &own)
		}
		s.answers[key] = last
		s.mark(c.Queue)
	}
	return Claimed{Tasks: last.tasks, Now: time.Now(), Next: next}
}

func (s *fakeStore) Renew(ctx context.Context, r Renewal) (verdicts []Verdict, err error) {
	known := false
	err = s.do(ctx, "renew", func() {
		_, known = s.replicas[r.Replica]
		s.renewals = append(s.renewals, r)
		for _, h := range r.Held {
			t := s.tasks[h.ID]
			switch {
			case t == nil:
				verdicts = append(verdicts, Gone)
			case t.State != Running || t.Fence != h.Fence:
				verdicts = append(verdicts, LeaseLost)
			default:
				t.leaseEnd = time.Now().Add(r.Lease)
				if h.Progress != nil {
					t.Progress = h.Progress
				}
				if t.stop {
					verdicts = append(verdicts, StopRequested)
				} else {
					verdicts = append(verdicts, Kept)
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if !known {
		return verdicts, fmt.Errorf("renew: %w", ErrNotJoined)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drains[r.Replica] {
		return verdicts, fmt.Errorf("renew: %w", ErrDrain)
	}
	return verdicts, nil
}

func (s *fakeStore) Listen(ctx context.Context, replica string, queues []string, wait time.Duration) (Signal, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	var sig Signal
	err := s.do(ctx, "listen", func() {})
	for err == nil {
		s.mu.Lock()
		if s.bells[replica] {
			delete(s.bells, replica)
			sig.Bell, sig.Drain = true, s.loud && s.drains[replica]
		}
		for _, q := range queues {
			if !sig.Bell && s.markers[q] {
				delete(s.markers, q)
				sig.Queue = q
				break
			}
		}
		changed := s.changed
		s.mu.Unlock()
		if sig != (Signal{}) {
			return sig, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return sig, nil
		case <-ctx.Done():
			return sig, ctx.Err()
		}
	}
	return sig, err
}

func (s *fakeStore) Ring(ctx context.Context, replica string) error {
	return s.do(ctx, "ring", func() {
		s.bells[replica] = true
		s.broadcast()
	})
}

func (s *fakeStore) Wake(ctx context.Context, queue string) error {
	return s.do(ctx, "wake", func() {
		s.wakes = append(s.wakes, queue)
		s.mark(queue)
	})
}

func (s *fakeStore) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	if err := s.do(ctx, "await inbox", func() {}); err != nil {
		return false, err
	}
	for {
		s.mu.Lock()
		has, changed := len(s.inbox) > 0, s.changed
		s.mu.Unlock()
		if has {
			return true, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// AdmitInbox takes two entries at a time.
func (s *fakeStore) AdmitInbox(ctx context.Context) (more bool, err error) {
	err = s.do(ctx, "admit inbox", func() {
		n := min(2, len(s.inbox))
		for _, spec := range s.inbox[:n] {
			s.add(spec)
		}
		s.inbox = s.inbox[n:]
		more = len(s.inbox) > 0
	})
	return more, err
}

func (s *fakeStore) Maintain(ctx context.Context, replica string) (up Upkeep, err error) {
	err = s.do(ctx, "maintain", func() {
		up = s.upkeep()
		up.Inbox = len(s.inbox) > 0
		for _, t := range s.tasks {
			if t.State == Running && time.Now().After(t.leaseEnd) {
				s.reaped = append(s.reaped, t.ID)
				s.enqueue(t, 0)
				up.Lost++
			}
		}
	})
	return up, err
}

func (s *fakeStore) Leave(ctx context.Context, replica string) error {
	return s.do(ctx, "leave", func() {
		delete(s.replicas, replica)
		delete(s.bells, replica)
		s.left = append(s.left, replica)
	})
}

// add makes a task; the caller holds the lock.
func (s *fakeStore) add(spec Spec) {
	if spec.Queue == "" {
		spec.Queue = DefaultQueue
	}
	t := &fakeTask{Task: Task{Spec: spec, TimeLeft: Forever}, reported: make(map[int64]bool)}
	if spec.Timeout > 0 {
		t.TimeLeft = spec.Timeout
	}
	s.tasks[spec.ID] = t
	s.enqueue(t, spec.Delay)
}

func (s *fakeStore) put(specs ...Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spec := range specs {
		s.add(spec)
	}
}

// putN makes n tasks of a kind at once, named kind-1 …
func (s *fakeStore) putN(n int, spec Spec) {
	specs := make([]Spec, n)
	for i := range specs {
		spec.ID = fmt.Sprintf("%s-%d", spec.Kind, i+1)
		specs[i] = spec
	}
	s.put(specs...)
}

func (s *fakeStore) push(specs ...Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inbox = append(s.inbox, specs...)
	s.broadcast()
}

// requestStop flags a running task and rings its owner.
func (s *fakeStore) requestStop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[id].stop = true
	s.bells[s.tasks[id].Replica] = true
	s.broadcast()
}

// takeOver gives the running task to another replica.
func (s *fakeStore) takeOver(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	s.hand(t)
	t.Replica, t.leaseEnd = "another", time.Now().Add(time.Hour)
}

// hand begins an attempt; the caller holds the lock.
func (s *fakeStore) hand(t *fakeTask) {
	s.fence++
	t.Attempt++
	t.Fence = s.fence
}

// forget makes the store forget its replicas, and its tasks too if it is to have
// lost its data.
func (s *fakeStore) forget(data bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.replicas)
	if data {
		clear(s.tasks)
		clear(s.answers)
		s.order = nil
	}
}

// joined returns how often a replica has joined.
func (s *fakeStore) joined() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.joins)
}

func (s *fakeStore) setFault(f func(op string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *fakeStore) task(id string) fakeTask {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tasks[id]
	if !ok {
		return fakeTask{}
	}
	return *t
}

// said returns what became of the reports of a task.
func (s *fakeStore) said(id string) (out []verdictOf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.verdicts {
		if v.ID == id {
			out = append(out, v)
		}
	}
	return out
}

// callsSince returns the calls since at, of the ops given, or of all.
func (s *fakeStore) callsSince(at time.Time, ops ...string) (out []call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if !c.at.Before(at) && (len(ops) == 0 || slices.Contains(ops, c.op)) {
			out = append(out, c)
		}
	}
	return out
}

// rig is a replica that runs on a fake store.
type rig struct {
	t      *testing.T
	store  *fakeStore
	r      *Replica
	log    *logTape
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run
}

// newRig makes a replica of cfg, by default with one queue of four slots.
func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	if cfg.Queues == nil {
		cfg.Queues = map[string]QueueConfig{DefaultQueue: {Workers: 4}}
	}
	tape := &logTape{}
	cfg.Logger = slog.New(tape)
	store := newFakeStore()
	r, err := New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, store: store, r: r, log: tape, done: make(chan struct{})}
}

// run starts the replica. Every test of a bubble ends with its goroutines gone:
// the bubble itself fails otherwise.
func (g *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	go func() {
		defer close(g.done)
		g.err = g.r.Run(ctx)
	}()
	synctest.Wait()
}

// end shuts the replica down and returns Run's error.
func (g *rig) end() error {
	g.cancel()
	<-g.done
	return g.err
}

func (g *rig) wantState(id string, state State, code Code) {
	g.t.Helper()
	if t := g.store.task(id); t.State != state || t.Code != code {
		g.t.Errorf("task %s is %q with code %q, want %q with %q", id, t.State, t.Code, state, code)
	}
}

// logTape records log lines as "LEVEL message key=value".
type logTape struct {
	mu    sync.Mutex
	lines []string
}

func (l *logTape) Enabled(context.Context, slog.Level) bool { return true }
func (l *logTape) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logTape) WithGroup(string) slog.Handler            { return l }
func (l *logTape) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// count is how many lines hold text.
func (l *logTape) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// bubble runs a test with fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	faketime.Test(t, f)
}

// pass lets d of fake time go by. What the test looked at before is ordered
// before what the replica does in that time.
func (g *rig) pass(d time.Duration) {
	g.store.mu.Lock()
	g.store.mu.Unlock() //lint:ignore SA2001 an empty section is all it takes
	time.Sleep(d)
	synctest.Wait()
}

// untilCancelled is a handler that returns its context's cause.
func untilCancelled(ctx context.Context, _ *Task) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func noop(context.Context, *Task) ([]byte, error) { return nil, nil }
