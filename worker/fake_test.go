package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// fakeStore is a small store in memory with the clock of its test. It has waiting
// tasks, claims with fences and leases, signals, and idle replicas. It repeats the
// answer to a repeated exchange, fails as set by setFault, and panics if a replica
// breaks a rule of the interface.
type fakeStore struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at a signal or a new inbox entry
	tasks   map[string]*fakeTask
	order   []*fakeTask // in waiting order
	held    map[int64]*fakeClaim
	limits  map[string]int // by queue; 0 is none
	fence   int64          // of the newest claim
	turn    int            // index in order at which the next search for ready queues starts

	replicas    map[string]task.Registration
	idle        map[string]bool     // replicas to signal when a queue is ready
	signals     map[string][]string // by replica: "q:QUEUE", "stop", "drain", "due", "check"
	sequences   map[sequenceKey]*sequenceState
	drains      map[string]bool // replicas for which a drain was requested
	joins       []task.Registration
	left        []string
	warnings    []string
	inbox       []task.Spec
	maintenance func() task.Maintenance
	triggers    func(firings []task.TriggerFiring, most int) task.FiredTriggers // nil for none
	hasTriggers bool                                                            // what heartbeats report
	spread      func() time.Duration                                            // nil for none

	calls     []call
	exchanges []task.Exchange // without repetitions
	tries     []task.Exchange // with repetitions and failed calls
	answers   []task.Exchanged
	verdicts  []verdictOf
	renewals  []task.Renewal
	logs      []sentLog // that renewals have carried
	reaped    []string

	fault func(op string) fault
}

type fakeTask struct {
	task.Task
	stop     bool
	reported string // the replica of the attempt that a report has ended
	ready    bool   // promoted or never scheduled
	released int
	token    string        // the hash of its token
	detached time.Duration // how long it may be outside

	saved       map[int64]int64 // number of the last checkpoint by fence
	checkpoints int             // written ones
}

type fakeClaim struct {
	replica  string
	queue    string
	openIDs  []string // ids
	started  time.Time
	leaseEnd time.Time
	bound    time.Time // zero for none
}

type sequenceKey struct {
	replica  string
	sequence int
}

// sequenceState is the store's state of a request sequence.
type sequenceState struct {
	x    task.Exchange
	got  task.Exchanged
	busy bool // an exchange is in flight
}

type call struct {
	op string
	at time.Time
}

type verdictOf struct {
	task.Report
	task.Verdict
	Sequence int
	at       time.Time
}

// fault is the failure of a call.
type fault int

const (
	none fault = iota
	fail       // no effect
	hang       // no effect; the call blocks until its context is done
	lose       // takes effect, but the reply is lost
	lag        // takes effect a second later, even if the caller has given up
)

var errDown = errors.New("connection refused")

func newFakeStore() *fakeStore {
	return &fakeStore{
		changed:     make(chan struct{}),
		tasks:       make(map[string]*fakeTask),
		held:        make(map[int64]*fakeClaim),
		signals:     make(map[string][]string),
		idle:        make(map[string]bool),
		sequences:   make(map[sequenceKey]*sequenceState),
		drains:      make(map[string]bool),
		limits:      make(map[string]int),
		fence:       1000, // no attempt has such a number
		replicas:    make(map[string]task.Registration),
		maintenance: func() task.Maintenance { return task.Maintenance{} },
		fault:       func(string) fault { return none },
	}
}

// do runs one step with the configured fault.
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

// signal appends a signal of the replica. The caller holds the lock.
func (s *fakeStore) signal(replica, what string) {
	s.signals[replica] = append(s.signals[replica], what)
	s.broadcast()
}

func (s *fakeStore) Join(ctx context.Context, r task.Registration) ([]string, error) {
	err := s.do(ctx, "join", func() {
		s.replicas[r.Replica] = r
		s.joins = append(s.joins, r)
	})
	return s.warnings, err
}

// checkExchange panics if the exchange breaks a rule.
func (s *fakeStore) checkExchange(x task.Exchange, m *sequenceState) {
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
		panic("two exchanges of a sequence are in flight")
	case x.Sequence != 1 && x.Sequence != 2, x.Lease <= 0, x.Grace <= 0:
		panic(fmt.Sprintf("%+v", x))
	case len(x.Reports) > task.MaxReports, size > task.MaxReportSize && len(x.Reports) > 1, len(x.Claims) > task.MaxQueues, n > task.MaxClaim, len(x.Busy) > 4*task.MaxQueues:
		panic("an exchange is over a limit")
	case x.Closed && (len(x.Claims) > 0 || x.Idle) && x.Call != m.x.Call:
		panic("it claims while draining")
	case x.Call != m.x.Call && x.Call != m.x.Call+1:
		panic(fmt.Sprintf("call %d after call %d", x.Call, m.x.Call))
	case x.Call == m.x.Call && !reflect.DeepEqual(x, m.x):
		panic(fmt.Sprintf("call %d is repeated with another content:\n%+v\n%+v", x.Call, x, m.x))
	}
}

// Exchange accepts reports of all replicas, but returns tasks only to those that have
// joined.
func (s *fakeStore) Exchange(ctx context.Context, x task.Exchange) (got task.Exchanged, err error) {
	// The caller may reuse the slices afterwards.
	x.Reports, x.Claims, x.Busy = slices.Clone(x.Reports), slices.Clone(x.Claims), slices.Clone(x.Busy)
	key := sequenceKey{x.Replica, x.Sequence}
	s.mu.Lock()
	m := s.sequences[key]
	if m == nil {
		m = &sequenceState{}
		s.sequences[key] = m
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
		got = s.repeatAnswer(m.got)
		if repeated {
			got.Ready = nil
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	m.busy = false
	if err != nil {
		return task.Exchanged{}, err
	}
	if !known {
		return got, fmt.Errorf("exchange: %w", task.ErrNotJoined)
	}
	return got, nil
}

// exchange is the step of Exchange. The caller holds the lock.
func (s *fakeStore) exchange(x task.Exchange, known bool) (got task.Exchanged) {
	ended, again := make(map[int64]bool), make(map[int64]bool)
	for _, rep := range x.Reports {
		v := s.report(rep)
		got.Verdicts = append(got.Verdicts, v)
		s.verdicts = append(s.verdicts, verdictOf{rep, v, x.Sequence, time.Now()})
		ended[rep.Fence] = rep.Last
		again[rep.Fence] = again[rep.Fence] || v == task.Again
	}
	for fence, last := range ended {
		if c := s.held[fence]; last && c != nil && !again[fence] {
			panic(fmt.Sprintf("the last report of claim %d leaves %v", fence, c.openIDs))
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
	if x.Closed {
		delete(s.idle, x.Replica)
	} else if x.Idle || short {
		from := s.turn
		for i := range s.order { // in turn
			at := (from + i) % len(s.order)
			q := s.order[at].Queue
			if _, serves := s.replicas[x.Replica].Queues[q]; serves && !asked[q] && len(got.Ready) < task.MaxQueues && len(s.claimable(q, 1)) > 0 {
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

// repeatAnswer returns a stored answer without ended attempts. The caller holds the
// lock.
func (s *fakeStore) repeatAnswer(got task.Exchanged) task.Exchanged {
	got.Now = time.Now()
	claims := got.Claimed
	got.Claimed = nil
	for _, c := range claims {
		held := s.held[c.Fence]
		if held == nil {
			continue
		}
		c.Left = task.Forever
		if !held.bound.IsZero() {
			c.Left = time.Until(held.bound)
		}
		c.Tasks = nil
		for _, id := range held.openIDs {
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

// AdmitInbox admits two entries at a time.
func (s *fakeStore) AdmitInbox(ctx context.Context, queues map[string]string) (more bool, err error) {
	err = s.do(ctx, "admit inbox", func() {
		n := min(2, len(s.inbox))
		for _, spec := range s.inbox[:n] {
			if spec.Queue == "" {
				spec.Queue = queues[spec.Kind]
			}
			s.add(spec)
		}
		s.inbox = s.inbox[n:]
		more = len(s.inbox) > 0
	})
	return more, err
}

func (s *fakeStore) Maintain(ctx context.Context, replica string) (up task.Maintenance, err error) {
	err = s.do(ctx, "maintain", func() {
		up = s.maintenance()
		up.Inbox = len(s.inbox) > 0
		for _, c := range s.held {
			if time.Now().After(c.leaseEnd) {
				up.Claims++
				for _, id := range slices.Clone(c.openIDs) {
					s.takeBack(s.tasks[id])
					up.Lost++
				}
			}
		}
	})
	return up, err
}

func (s *fakeStore) AwaitReports(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *fakeStore) AdmitReports(context.Context) (bool, error) { return false, nil }

func (s *fakeStore) IssueToken(ctx context.Context, queue string, a task.Attempt, hash string) (err error) {
	failed := s.do(ctx, "issue token", func() {
		if t := s.tasks[a.ID]; t == nil || t.State != task.Running || t.Fence != a.Fence || t.Queue != queue {
			err = task.ErrLeaseLost
		} else {
			t.token = hash
		}
	})
	return cmp.Or(failed, err)
}

func (s *fakeStore) Leave(ctx context.Context, replica string) error {
	return s.do(ctx, "leave", func() {
		delete(s.replicas, replica)
		delete(s.signals, replica)
		delete(s.idle, replica)
		s.left = append(s.left, replica)
	})
}
