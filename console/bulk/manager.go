package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// How long records are kept after their last write. A count without a confirmation is removed,
// because the list of its tasks takes memory.
const (
	keepOpen    = 30 * 24 * time.Hour
	keepCounted = 24 * time.Hour
	keepEnded   = 30 * 24 * time.Hour
)

// mostListed is how many jobs List returns at most.
const mostListed = 100

// A request of a user writes the record between two writes of the console that runs the job. It is tried
// mostTries times, with a random pause of at most longestPause in between.
const (
	mostTries    = 50
	longestPause = 200 * time.Millisecond
)

// MaxReason bounds the reason for a job, in bytes.
const MaxReason = 1000

// The errors of requests about jobs.
var (
	ErrNoJob = errors.New("there is no such bulk job; it may have expired")
	ErrBusy  = errors.New("the console that runs the bulk job writes too often: try again")
	ErrPhase = errors.New("the bulk job is no longer in a phase that allows this")
)

// Options configures a Manager. Select is required.
type Options struct {
	// Select reads a query for the tasks of a state. at is the instant of the count; ages count
	// from then. After, Limit and Budget of what it returns are not used.
	Select func(query string, state task.State, at time.Time) (task.PageQuery, error)
	// Changed is called after a job has made progress, here or in another console, at most twice
	// a second. Default: no function.
	Changed func()
	// Logger gets errors of jobs. Default: slog.Default().
	Logger *slog.Logger
}

// Manager has the bulk jobs of a pool. It is safe for use by several goroutines. It runs jobs in
// the background until Close.
type Manager struct {
	store  *redisstore.Store
	o      Options
	log    *slog.Logger
	holder string        // names this manager in the records
	offset atomic.Int64  // of the clock of Redis to that of this machine, in ns
	kick   chan struct{} // a job may need to be run
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	running  map[string]bool // the jobs that this manager runs
	notified time.Time       // when Changed was called last
}

// New returns the manager of the jobs of a pool. It reads which jobs are open at once, and then
// every few seconds with one small call.
func New(store *redisstore.Store, o Options) *Manager {
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &Manager{store: store, o: o, log: o.Logger, holder: redisstore.NewBulkID(), kick: make(chan struct{}, 1), stop: stop, running: map[string]bool{}}
	m.done.Go(func() { m.loop(ctx) })
	return m
}

// Close ends the goroutines that run jobs. Another manager of the pool continues these jobs, or this
// console after a restart.
func (m *Manager) Close() {
	m.stop()
	m.done.Wait()
}

// Now estimates the time of the clock of Redis from the last read of a job.
func (m *Manager) Now() time.Time {
	return time.Now().Add(time.Duration(m.offset.Load())).UTC().Truncate(time.Millisecond)
}

// stored is a record as it was read.
type stored struct {
	Job
	rev   int64
	audit string // the position of the entry of its confirmation
}

// damaged marks the record as one that cannot be read. Its job counts as failed and is never written.
func (s *stored) damaged(id string, err error) {
	s.Job = Job{ID: id, Phase: Failed, Error: fmt.Sprintf("the record of this job is damaged: %v; run ltsworker doctor", err)}
	s.rev = max(s.rev, 1)
}

// read reads the records of jobs. Those that do not exist have the revision 0, and damaged ones have
// failed, so that one of them does not stop the others.
func (m *Manager) read(ctx context.Context, ids ...string) ([]stored, error) {
	records, now, err := m.store.BulkRecords(ctx, ids...)
	if err != nil {
		return nil, err
	}
	m.offset.Store(int64(time.Until(now)))
	all := make([]stored, len(records))
	for i, r := range records {
		all[i].rev, all[i].audit = r.Revision, r.Audit
		if r.Revision > 0 && r.Err == nil {
			r.Err = json.Unmarshal(r.Data, &all[i].Job)
		}
		if r.Err != nil {
			all[i].damaged(r.ID, r.Err)
		}
	}
	return all, nil
}

// write writes a record that was read, or a new one. It returns false if another process has
// written it since.
func (m *Manager) write(ctx context.Context, s *stored, call string, chunks []string, audit *task.AuditEntry) (bool, error) {
	data, err := json.Marshal(s.Job)
	if err != nil {
		return false, err
	}
	w := redisstore.BulkWrite{ID: s.ID, Revision: s.rev, Call: call, Data: data, Open: !s.Phase.Ended(), Keep: keepOpen, Audit: audit, Begins: s.Phase == Running && s.audit == "", Chunks: chunks}
	switch {
	case s.Phase.Ended():
		w.Keep = keepEnded
	case s.Phase == Counted:
		w.Keep = keepCounted
	}
	rec, ok, err := m.store.WriteBulk(ctx, w)
	if ok {
		s.rev, s.audit = rec.Revision, rec.Audit
	}
	return ok, err
}

// Order asks for a job.
type Order struct {
	Verb     Verb
	Query    string
	State    task.State
	Priority int8   // for Change
	User     string // who asks
	Method   string // how that user was identified
}

// Ask makes a job, which begins to count. A query or a state that does not fit is a FieldError.
func (m *Manager) Ask(ctx context.Context, o Order) (*Job, error) {
	if !Applies(o.Verb, o.State) {
		return nil, &task.FieldError{Field: "state", Msg: fmt.Sprintf("must allow %s, which %q does not", o.Verb, o.State)}
	}
	if _, err := m.read(ctx); err != nil { // the clock
		return nil, err
	}
	s := stored{Job: Job{ID: redisstore.NewBulkID(), Verb: o.Verb, Query: o.Query, State: o.State, Priority: o.Priority, User: o.User, Method: o.Method, Phase: Counting, Asked: m.Now()}}
	s.Updated = s.Asked
	q, err := m.o.Select(o.Query, o.State, s.Asked)
	if err == nil {
		err = checkNames(q)
	}
	if err != nil {
		return nil, err
	}
	stats, err := m.store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	s.Total = stats.Kept[o.State]
	switch o.State {
	case task.Scheduled:
		s.Total = stats.Scheduled
	case task.Waiting:
		s.Total = stats.Waiting
	case task.Running:
		s.Total = stats.Running
	}
	asked := &task.AuditEntry{User: o.User, Method: o.Method, Action: "bulk/count", Target: s.described()}
	ok, err := m.write(ctx, &s, redisstore.NewBulkID(), nil, asked)
	if err == nil && !ok {
		err = ErrPhase // another job has this id
	}
	if err != nil {
		return nil, err
	}
	m.wake()
	return &s.Job, nil
}

// checkNames returns an error for each name of a query that is none.
func checkNames(q task.PageQuery) error {
	var errs []error
	for field, names := range map[string][]string{"kind": q.Kinds, "queue": q.Queues, "group": q.Groups, "label": q.Labels} {
		for _, name := range names {
			if err := task.CheckName(name); err != nil {
				errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf("%q %v", name, err)})
			}
		}
	}
	return errors.Join(errs...)
}

// Confirmation confirms a count.
type Confirmation struct {
	Count  int // that the user has seen
	Reason string
	User   string // who confirms
	Method string // how that user was identified
}

// Confirm lets a job change the tasks that it has counted. The audit entry is written in the
// same step. The count must be that of the job, and a reason is needed.
func (m *Manager) Confirm(ctx context.Context, id string, y Confirmation) (*Job, error) {
	switch {
	case y.Reason == "":
		return nil, &task.FieldError{Field: "reason", Msg: "is required"}
	case len(y.Reason) > MaxReason || !utf8.ValidString(y.Reason):
		return nil, &task.FieldError{Field: "reason", Msg: fmt.Sprintf("must be valid UTF-8 of at most %d bytes", MaxReason)}
	}
	return m.update(ctx, id, func(s *stored) (*task.AuditEntry, error) {
		if s.Phase != Counted || s.CancelledBy != "" {
			return nil, ErrPhase
		}
		if y.Count != s.Counted {
			return nil, &task.FieldError{Field: "count", Msg: fmt.Sprintf("must be %d, the number of tasks that were counted, not %d", s.Counted, y.Count)}
		}
		s.Phase, s.Confirmed, s.ConfirmedBy, s.ConfirmedMethod, s.Reason = Running, m.Now(), y.User, y.Method, y.Reason
		s.Updated, s.Size = s.Confirmed, fewest
		return &task.AuditEntry{User: y.User, Method: y.Method, Action: s.action(), Target: s.target(), Count: s.Counted, Reason: y.Reason}, nil
	})
}

// action names the job in the audit stream.
func (j *Job) action() string { return "bulk/" + string(j.Verb) }

// described names the job and its verb in the audit entries of its count and its cancellation.
func (j *Job) described() string { return string(j.Verb) + ", " + j.target() }

// target describes the tasks of the job in the audit stream.
func (j *Job) target() string {
	text := fmt.Sprintf("state %s at %s", j.State, j.Asked.Format("2006-01-02T15:04:05.000Z"))
	if j.Verb == Change {
		text = fmt.Sprintf("priority %d, ", j.Priority) + text
	}
	return fmt.Sprintf("%s, query %q, job %s", text, j.Query, j.ID)
}

// Cancel ends a job on behalf of a user that was identified by the method. A job that runs ends after
// its present call: what it has changed stays so. The audit entry is written in the same step.
func (m *Manager) Cancel(ctx context.Context, id, user, method string) (*Job, error) {
	return m.update(ctx, id, func(s *stored) (*task.AuditEntry, error) {
		if s.Phase.Ended() || s.CancelledBy != "" && s.Phase != Counted {
			return nil, ErrPhase
		}
		if s.CancelledBy = user; s.Phase == Counted {
			s.Phase, s.Ended = Cancelled, m.Now()
		}
		return &task.AuditEntry{User: user, Method: method, Action: "bulk/cancel", Target: s.described()}, nil
	})
}

// update changes a record on behalf of a user.
func (m *Manager) update(ctx context.Context, id string, change func(*stored) (*task.AuditEntry, error)) (*Job, error) {
	if task.CheckName(id) != nil {
		return nil, ErrNoJob
	}
	for n := 1; ; n++ {
		all, err := m.read(ctx, id)
		if err != nil {
			return nil, err
		}
		s := &all[0]
		if s.rev == 0 {
			return nil, ErrNoJob
		}
		audit, err := change(s)
		if err != nil {
			return nil, err
		}
		// The console that holds the job may have written in between.
		ok, err := m.write(ctx, s, redisstore.NewBulkID(), nil, audit)
		if err != nil {
			return nil, err
		}
		if ok {
			m.wake()
			m.notify(true)
			return &s.Job, nil
		}
		if n == mostTries {
			return nil, ErrBusy
		}
		if err := backoff.Sleep(ctx, time.Duration(rand.Int64N(int64(n)*int64(longestPause)/mostTries))); err != nil {
			return nil, err
		}
	}
}

// Get returns a job, or ErrNoJob.
func (m *Manager) Get(ctx context.Context, id string) (*Job, error) {
	if task.CheckName(id) != nil {
		return nil, ErrNoJob
	}
	all, err := m.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if all[0].rev == 0 {
		return nil, ErrNoJob
	}
	return &all[0].Job, nil
}

// List returns the newest jobs, newest first, and the time of the clock of Redis.
func (m *Manager) List(ctx context.Context) (jobs []*Job, now time.Time, err error) {
	ids, err := m.store.BulkJobs(ctx, mostListed)
	if err != nil {
		return nil, now, err
	}
	all, err := m.read(ctx, ids...)
	for i := range all {
		if all[i].rev > 0 {
			jobs = append(jobs, &all[i].Job)
		}
	}
	return jobs, m.Now(), err
}

// wake ends the wait of the loop.
func (m *Manager) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// notify calls Options.Changed, and drops calls within half a second unless they are the last ones.
func (m *Manager) notify(last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last || time.Since(m.notified) >= time.Second/2 {
		m.notified = time.Now()
		m.o.Changed()
	}
}
