package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// fakeStore is a small but real store in memory, on the clock of its test: it has
// waiting tasks, claims with fences and leases, doorbells, and replicas that are idle.
// It repeats the answer to a repeated exchange, fails as it is told to, and panics if a
// replica breaks a rule of the interface.
type fakeStore struct {
	mu      sync.Mutex
	changed chan struct{} // closed and renewed when a doorbell rings or the inbox grows
	tasks   map[string]*fakeTask
	order   []*fakeTask // in waiting order
	held    map[int64]*fakeClaim
	limits  map[string]int // by queue; 0 is none
	fence   int64          // of the newest claim
	turn    int            // in order: where the next look for ready queues begins

	replicas map[string]Registration
	idle     map[string]bool     // replicas to wake when a queue is ready
	bells    map[string][]string // doorbells: "q:QUEUE", "stop", "drain", "due", "ring"
	lanes    map[laneOf]*memory
	drains   map[string]bool // replicas asked to drain
	joins    []Registration
	left     []string
	warnings []string
	inbox    []Spec
	upkeep   func() Upkeep

	calls     []call
	exchanges []Exchange // without repetitions
	tries     []Exchange // with them, and those that failed
	answers   []Exchanged
	verdicts  []verdictOf
	renewals  []Renewal
	reaped    []string

	fault func(op string) fault
}

type fakeTask struct {
	Task
	stop     bool
	ready    bool // promoted, or never scheduled
	released int
}

type fakeClaim struct {
	replica  string
	queue    string
	open     []string // ids
	started  time.Time
	leaseEnd time.Time
	bound    time.Time // zero for none
}

type laneOf struct {
	replica string
	lane    int
}

// memory is what the store remembers of a lane.
type memory struct {
	x    Exchange
	got  Exchanged
	busy bool // an exchange is in flight
}

type call struct {
	op string
	at time.Time
}

type verdictOf struct {
	Report
	Verdict
	Lane int
	at   time.Time
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
		held:     make(map[int64]*fakeClaim),
		bells:    make(map[string][]string),
		idle:     make(map[string]bool),
		lanes:    make(map[laneOf]*memory),
		drains:   make(map[string]bool),
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

// ring puts an element into a doorbell; the caller holds the lock.
func (s *fakeStore) ring(replica, what string) {
	s.bells[replica] = append(s.bells[replica], what)
	s.broadcast()
}

func (s *fakeStore) Join(ctx context.Context, r Registration) ([]string, error) {
	err := s.do(ctx, "join", func() {
		s.replicas[r.Replica] = r
		s.joins = append(s.joins, r)
	})
	return s.warnings, err
}

// checkExchange panics if the exchange breaks a rule.
func (s *fakeStore) checkExchange(x Exchange, m *memory) {
	size, n := 0, 0
	for _, r := range x.Reports {
		size += len(r.Result) + len(r.Error) + len(r.Log)
	}
	seen := make(map[string]bool)
	for _, c := range x.Claims {
		if n += c.N; c.N < 1 || seen[c.Queue] {
			panic(fmt.Sprintf("claims %+v", x.Claims))
		}
		seen[c.Queue] = true
	}
	switch {
	case m.busy:
		panic("two exchanges of a lane are in flight")
	case x.Lane != 1 && x.Lane != 2, x.Lease <= 0, x.Grace <= 0:
		panic(fmt.Sprintf("%+v", x))
	case len(x.Reports) > MaxReports, size > MaxReportSize && len(x.Reports) > 1, len(x.Claims) > MaxQueues, n > MaxClaim, len(x.Busy) > 4*MaxQueues:
		panic("an exchange is over a limit")
	case x.Draining && (len(x.Claims) > 0 || x.Idle) && x.Call != m.x.Call:
		panic("it claims while draining")
	case x.Call != m.x.Call && x.Call != m.x.Call+1:
		panic(fmt.Sprintf("call %d comes after call %d", x.Call, m.x.Call))
	case x.Call == m.x.Call && !reflect.DeepEqual(x, m.x):
		panic(fmt.Sprintf("call %d is repeated with another content:\n%+v\n%+v", x.Call, x, m.x))
	}
}

// Exchange takes reports of all replicas, but gives tasks to those that have joined only.
func (s *fakeStore) Exchange(ctx context.Context, x Exchange) (got Exchanged, err error) {
	// The slices are the caller's again afterwards.
	x.Reports, x.Claims, x.Busy = slices.Clone(x.Reports), slices.Clone(x.Claims), slices.Clone(x.Busy)
	key := laneOf{x.Replica, x.Lane}
	s.mu.Lock()
	m := s.lanes[key]
	if m == nil {
		m = &memory{}
		s.lanes[key] = m
	}
	s.checkExchange(x, m)
	s.tries = append(s.tries, x)
	m.busy = true
	s.mu.Unlock()

	known := false
	err = s.do(ctx, "exchange", func() {
		_, known = s.replicas[x.Replica]
		repeated := m.x.Call == x.Call
		if !repeated {
			s.exchanges = append(s.exchanges, x)
			m.x, m.got = x, s.exchange(x, known)
			s.answers = append(s.answers, m.got)
		}
		got = s.again(m.got)
		if repeated {
			got.Ready = nil
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	m.busy = false
	if err != nil {
		return Exchanged{}, err
	}
	if !known {
		return got, fmt.Errorf("exchange: %w", ErrNotJoined)
	}
	return got, nil
}

// exchange is the step; the caller holds the lock.
func (s *fakeStore) exchange(x Exchange, known bool) (got Exchanged) {
	ended := make(map[int64]bool)
	for _, rep := range x.Reports {
		v := s.report(rep)
		got.Verdicts = append(got.Verdicts, v)
		s.verdicts = append(s.verdicts, verdictOf{rep, v, x.Lane, time.Now()})
		ended[rep.Fence] = rep.Last
	}
	for fence, last := range ended {
		if c := s.held[fence]; last && c != nil {
			panic(fmt.Sprintf("the last report of claim %d leaves %v", fence, c.open))
		}
	}
	if !known {
		return got
	}
	s.promote()
	asked := make(map[string]bool)
	short := false
	for _, c := range x.Claims {
		asked[c.Queue] = true
		got.Claimed = append(got.Claimed, s.claim(x, c)...)
		none := len(s.claimable(c.Queue, 1)) == 0
		got.Short = append(got.Short, none)
		short = short || none
	}
	for _, q := range x.Busy {
		asked[q] = true
		s.wake(q, x.Replica)
	}
	if x.Draining {
		delete(s.idle, x.Replica)
	} else if x.Idle || short {
		from := s.turn
		for i := range s.order { // in turn
			at := (from + i) % len(s.order)
			q := s.order[at].Queue
			if _, serves := s.replicas[x.Replica].Queues[q]; serves && !asked[q] && len(got.Ready) < MaxQueues && len(s.claimable(q, 1)) > 0 {
				got.Ready = append(got.Ready, q)
				asked[q] = true
				s.turn = at + 1
			}
		}
		if len(got.Ready) == 0 {
			s.idle[x.Replica] = true
		}
	}
	got.Stops = s.stops(x.Replica)
	got.Drain = s.drains[x.Replica]
	return got
}

// again returns a remembered answer as it is now; the caller holds the lock.
func (s *fakeStore) again(got Exchanged) Exchanged {
	got.Now = time.Now()
	claims := got.Claimed
	got.Claimed = nil
	for _, c := range claims {
		held := s.held[c.Fence]
		if held == nil {
			continue
		}
		c.Left = Forever
		if !held.bound.IsZero() {
			c.Left = time.Until(held.bound)
		}
		c.Tasks = nil
		for _, id := range held.open {
			own := s.tasks[id].Task
			c.Tasks = append(c.Tasks, &own)
		}
		got.Claimed = append(got.Claimed, c)
	}
	for _, t := range s.order {
		if !t.ready {
			if wait := max(time.Until(t.DueAt), time.Microsecond); got.Next == 0 || wait < got.Next {
				got.Next = wait
			}
		}
	}
	return got
}

func (s *fakeStore) report(rep Report) Verdict {
	t := s.tasks[rep.ID]
	switch {
	case t == nil:
		return Gone
	case t.State != Running || t.Fence != rep.Fence:
		return LeaseLost
	case t.Queue != rep.Queue:
		panic(fmt.Sprintf("a task of queue %q is reported in queue %q", t.Queue, rep.Queue))
	}
	s.leaveClaim(t)
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
	s.wake(t.Queue, "") // the limit of its queue may have room again
	return Accepted
}

// leaveClaim takes a running task out of its claim.
func (s *fakeStore) leaveClaim(t *fakeTask) {
	c := s.held[t.Fence]
	c.open = slices.DeleteFunc(c.open, func(id string) bool { return id == t.ID })
	if len(c.open) == 0 {
		delete(s.held, t.Fence)
	}
}

// enqueue makes the task waiting, or scheduled.
func (s *fakeStore) enqueue(t *fakeTask, delay time.Duration) {
	t.State, t.DueAt, t.ready = Waiting, time.Now().Add(delay), delay <= 0
	s.order = append(s.order, t)
	if t.ready {
		s.wake(t.Queue, "")
		return
	}
	for _, other := range s.order {
		if !other.ready && other.DueAt.Before(t.DueAt) {
			return
		}
	}
	for _, replica := range slices.Sorted(maps.Keys(s.idle)) { // it must learn of an earlier time
		delete(s.idle, replica)
		s.ring(replica, "due")
		break
	}
}

// promote makes scheduled tasks that are due waiting.
func (s *fakeStore) promote() {
	for _, t := range s.order {
		if !t.ready && !time.Now().Before(t.DueAt) {
			t.ready = true
			s.wake(t.Queue, "")
		}
	}
}

// claimable returns up to n tasks that can be claimed.
func (s *fakeStore) claimable(queue string, n int) (tasks []*fakeTask) {
	room := len(s.order)
	if limit := s.limits[queue]; limit > 0 {
		room = limit
		for _, c := range s.held {
			if c.queue == queue {
				room -= len(c.open)
			}
		}
	}
	for _, t := range s.order {
		if len(tasks) >= min(n, room) {
			break
		}
		if t.ready && t.Queue == queue {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// wake rings an idle replica that serves the queue, but not the one given, if something
// in it can be claimed.
func (s *fakeStore) wake(queue, but string) {
	if len(s.claimable(queue, 1)) == 0 {
		return
	}
	for _, replica := range slices.Sorted(maps.Keys(s.idle)) {
		if _, serves := s.replicas[replica].Queues[queue]; serves && replica != but {
			delete(s.idle, replica)
			s.ring(replica, "q:"+queue)
			return
		}
	}
}

// claim makes one claim per bound of the attempts.
func (s *fakeStore) claim(x Exchange, c Claim) (claimed []Claimed) {
	for _, t := range s.claimable(c.Queue, c.N) {
		s.order = slices.DeleteFunc(s.order, func(o *fakeTask) bool { return o == t })
		now, bound := time.Now(), time.Time{}
		if t.Timeout > 0 && t.Timeout != Forever {
			bound = now.Add(t.Timeout)
		}
		i := slices.IndexFunc(claimed, func(c Claimed) bool { return s.held[c.Fence].bound.Equal(bound) })
		if i < 0 {
			i = len(claimed)
			claimed = append(claimed, Claimed{Queue: c.Queue, Fence: s.newClaim(x.Replica, c.Queue, x.Lease, bound), Started: now})
		}
		s.hand(t, claimed[i].Fence)
	}
	return claimed
}

// newClaim begins a claim without tasks.
func (s *fakeStore) newClaim(replica, queue string, lease time.Duration, bound time.Time) int64 {
	s.fence++
	s.held[s.fence] = &fakeClaim{replica: replica, queue: queue, started: time.Now(), leaseEnd: time.Now().Add(lease), bound: bound}
	return s.fence
}

// hand begins an attempt; the caller holds the lock.
func (s *fakeStore) hand(t *fakeTask, fence int64) {
	c := s.held[fence]
	c.open = append(c.open, t.ID)
	t.Attempt++
	t.State, t.Fence, t.Replica, t.StartedAt = Running, fence, c.replica, c.started
}

// stops lists the attempts of the replica that were asked to stop.
func (s *fakeStore) stops(replica string) (stops []Attempt) {
	for fence, c := range s.held {
		for _, id := range c.open {
			if c.replica == replica && s.tasks[id].stop {
				stops = append(stops, Attempt{ID: id, Fence: fence})
			}
		}
	}
	return stops
}

func (s *fakeStore) Renew(ctx context.Context, r Renewal) (got Renewed, err error) {
	if len(r.Held) > 250 || len(r.News) > 250 {
		panic("a renewal is over a limit")
	}
	known, drain := false, false
	err = s.do(ctx, "renew", func() {
		_, known = s.replicas[r.Replica]
		drain = s.drains[r.Replica]
		s.renewals = append(s.renewals, r)
		for _, h := range r.Held {
			got.Verdicts = append(got.Verdicts, s.renew(r, h))
		}
		for _, n := range r.News {
			if t := s.tasks[n.ID]; t != nil && t.State == Running && t.Fence == n.Fence && n.Progress != nil {
				t.Progress = n.Progress
			}
		}
		got.Stops = s.stops(r.Replica)
	})
	switch {
	case err != nil:
		return Renewed{}, err
	case !known:
		err = fmt.Errorf("renew: %w", ErrNotJoined)
	case drain:
		err = fmt.Errorf("renew: %w", ErrDrain)
	}
	return got, err
}

func (s *fakeStore) renew(r Renewal, h HeldClaim) Verdict {
	c := s.held[h.Fence]
	if c == nil || c.replica != r.Replica {
		return LeaseLost
	}
	c.leaseEnd = time.Now().Add(r.Lease)
	if h.Left != Forever {
		c.leaseEnd = time.Now().Add(min(r.Lease, h.Left+r.Grace))
	}
	if h.Held >= len(c.open) {
		return Kept
	}
	if h.IDs == nil {
		return Recount
	}
	for _, id := range slices.Clone(c.open) {
		if !slices.Contains(h.IDs, id) {
			s.takeBack(s.tasks[id])
		}
	}
	return Kept
}

// takeBack ends a lost attempt.
func (s *fakeStore) takeBack(t *fakeTask) {
	s.leaveClaim(t)
	s.reaped = append(s.reaped, t.ID)
	s.enqueue(t, 0)
}

func (s *fakeStore) Listen(ctx context.Context, replica string, wait time.Duration) (Signal, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	err := s.do(ctx, "listen", func() {})
	for err == nil {
		s.mu.Lock()
		what := ""
		if bell := s.bells[replica]; len(bell) > 0 {
			what, s.bells[replica] = bell[0], bell[1:]
		}
		changed := s.changed
		s.mu.Unlock()
		if queue, ok := strings.CutPrefix(what, "q:"); ok {
			return Signal{Queue: queue}, nil
		}
		if what != "" {
			return Signal{Bell: true, Drain: what == "drain"}, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return Signal{}, nil
		case <-ctx.Done():
			return Signal{}, ctx.Err()
		}
	}
	return Signal{}, err
}

func (s *fakeStore) Ring(ctx context.Context, replica string) error {
	return s.do(ctx, "ring", func() { s.ring(replica, "ring") })
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
		for _, c := range s.held {
			if time.Now().After(c.leaseEnd) {
				up.Claims++
				for _, id := range slices.Clone(c.open) {
					s.takeBack(s.tasks[id])
					up.Lost++
				}
			}
		}
	})
	return up, err
}

func (s *fakeStore) Leave(ctx context.Context, replica string) error {
	return s.do(ctx, "leave", func() {
		delete(s.replicas, replica)
		delete(s.bells, replica)
		delete(s.idle, replica)
		s.left = append(s.left, replica)
	})
}

// add makes a task; the caller holds the lock.
func (s *fakeStore) add(spec Spec) {
	if spec.Queue == "" {
		spec.Queue = DefaultQueue
	}
	t := &fakeTask{Task: Task{Spec: spec}}
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

// putQuietly makes a task whose wake-up is lost.
func (s *fakeStore) putQuietly(spec Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.idle
	s.idle = make(map[string]bool)
	s.add(spec)
	s.idle = idle
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
	s.ring(s.tasks[id].Replica, "stop")
}

// takeOver gives the running task to another replica.
func (s *fakeStore) takeOver(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	s.leaveClaim(t)
	s.hand(t, s.newClaim("another", t.Queue, time.Hour, time.Time{}))
}

// forget makes the store forget its replicas, and its tasks too if it is to have
// lost its data.
func (s *fakeStore) forget(data bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.replicas)
	clear(s.idle)
	if data {
		clear(s.tasks)
		clear(s.held)
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
	g.pass(0)
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

	holds string        // a goroutine that logs a line with this text …
	held  chan struct{} // … waits until this is closed
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
	if l.holds != "" && strings.Contains(line, l.holds) {
		<-l.held
	}
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
