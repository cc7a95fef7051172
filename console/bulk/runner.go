package bulk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// idle is how often a manager reads which jobs are open, and watched how often
	// while there are some that another one runs.
	idle    = 5 * time.Second
	watched = time.Second
	// refused is the time until the next try of a manager whose Redis user may not write.
	refused = time.Minute
	// lease is how long a manager holds a job after a write.
	lease = 6 * time.Second
	// mostRunning is how many jobs a manager runs at once.
	mostRunning = 2
	// longestRest bounds the wait between two calls.
	longestRest = time.Second
)

// errLost is returned when another manager has taken the job.
var errLost = errors.New("another console has the job")

// errUser is returned when a user has written the record since it was read.
var errUser = errors.New("a user has written the record")

// loop runs jobs that no manager runs.
func (m *Manager) loop(ctx context.Context) {
	seen := map[string]int64{} // revisions of the jobs of other managers
	var deniedUntil time.Time
	for ctx.Err() == nil {
		wait, err := m.poll(ctx, seen, time.Now().After(deniedUntil))
		if errors.Is(err, task.ErrDenied) {
			m.log.Info("this console runs no bulk jobs", "err", err)
			deniedUntil = time.Now().Add(refused)
		} else if err != nil && ctx.Err() == nil {
			m.log.Warn("bulk jobs cannot be read", "err", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-m.kick:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// poll starts jobs that no manager runs and returns the time until the next poll.
func (m *Manager) poll(ctx context.Context, seen map[string]int64, may bool) (time.Duration, error) {
	ids, err := m.store.OpenBulkJobs(ctx)
	maps.DeleteFunc(seen, func(id string, _ int64) bool { return err == nil && !slices.Contains(ids, id) && m.changed() })
	if err != nil || len(ids) == 0 {
		return idle, err
	}
	all, err := m.read(ctx, ids...)
	if err != nil {
		return idle, err
	}
	wait := idle
	for i := range all {
		s := &all[i]
		if s.rev == 0 {
			continue
		}
		if seen[s.ID] != s.rev {
			seen[s.ID] = s.rev
			m.notify(false)
		}
		if s.Phase == Counted || s.Phase.Ended() || m.has(s.ID) {
			continue
		}
		wait = watched
		if !may || m.held(s) || !m.take(s.ID) {
			continue
		}
		r := &run{m: m, stored: *s}
		r.Holder = m.holder
		if err := r.claim(ctx); err != nil {
			m.release(s.ID)
			if errors.Is(err, errLost) {
				continue
			}
			return wait, err
		}
		m.done.Go(func() {
			defer m.wake()
			defer m.release(r.ID)
			r.run(ctx)
		})
	}
	return wait, nil
}

// held reports whether a manager has the lease of the job. A lease that ends more than two lease times
// from now was taken before the clock of Redis was set back, and does not count.
func (m *Manager) held(s *stored) bool {
	left := s.Until.Sub(m.Now())
	return left > 0 && left < 2*lease
}

// changed notifies the pages that a job has ended elsewhere.
func (m *Manager) changed() bool {
	m.notify(true)
	return true
}

func (m *Manager) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[id]
}

// take reserves one of the places for a job.
func (m *Manager) take(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.running) >= mostRunning || m.running[id] {
		return false
	}
	m.running[id] = true
	return true
}

func (m *Manager) release(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, id)
}

// run is a job that this manager holds.
type run struct {
	m *Manager
	stored
}

// claim takes the lease of the job.
func (r *run) claim(ctx context.Context) error {
	r.Until, r.Seq = r.m.Now().Add(lease), r.Seq+1
	ok, err := r.m.write(ctx, &r.stored, redisstore.NewBulkID(), nil, nil)
	if err == nil && !ok {
		return errLost
	}
	return err
}

// run continues the job until it waits for a confirmation, has ended, or another manager has it.
func (r *run) run(ctx context.Context) {
	do := r.count
	if r.Phase == Running {
		do = r.change
	}
	err := do(ctx)
	switch {
	case err == nil || errors.Is(err, errLost):
	case ctx.Err() != nil:
		// Another manager may go on at once.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		r.Until = time.Time{}
		if _, err := r.m.write(last, &r.stored, redisstore.NewBulkID(), nil, nil); err != nil {
			r.m.log.Info("another console goes on with the bulk job after its lease", "job", r.ID, "err", err)
		}
	default:
		r.m.log.Error("a bulk job has failed", "job", r.ID, "err", err)
		if err := r.end(ctx, Failed, err.Error()); err != nil && !errors.Is(err, errLost) {
			r.m.log.Error("the failure of a bulk job cannot be written", "job", r.ID, "err", err)
		}
	}
	r.m.notify(true)
}

// persist repeats a call until it succeeds, the context ends, or its error is one that remains.
// While Redis cannot be used, the job waits.
func (r *run) persist(ctx context.Context, doing string, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || lasting(err) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if n%20 == 1 {
			r.m.log.Warn("a bulk job waits", "job", r.ID, "for", doing, "err", err)
		}
		if err := backoff.Sleep(ctx, backoff.Delay(n)); err != nil {
			return err
		}
	}
}

// lasting reports whether an error would occur again if the call were repeated.
func lasting(err error) bool {
	var field *task.FieldError
	return errors.As(err, &field) || errors.Is(err, task.ErrDenied) || errors.Is(err, task.ErrSchema) || errors.Is(err, errLost) || errors.Is(err, errUser) ||
		errors.Is(err, redisstore.ErrStale) || strings.Contains(err.Error(), "WRONGTYPE")
}

// save writes the progress of the job with chunks in the same step, and its outcome if it has ended.
// If a user has cancelled the job meanwhile, CancelledBy is set afterwards, and a job that would be
// counted or done is cancelled.
func (r *run) save(ctx context.Context, chunks []string) error {
	r.Seq++
	call := redisstore.NewBulkID()
	write := func() error {
		if r.CancelledBy != "" && (r.Phase == Counted || r.Phase == Done) {
			r.Phase, r.Ended = Cancelled, r.m.Now()
		}
		r.Updated = r.m.Now()
		if r.Until = r.Updated.Add(lease); r.Phase == Counted || r.Phase.Ended() {
			r.Until = time.Time{} // no console runs it
		}
		ok, err := r.m.write(ctx, &r.stored, call, chunks, r.outcome())
		if ok || err != nil {
			return err
		}
		all, err := r.m.read(ctx, r.ID)
		if err != nil {
			return err
		}
		now := &all[0]
		if now.rev == 0 || now.Holder != r.Holder {
			return errLost
		}
		r.rev, r.audit, r.CancelledBy = now.rev, now.audit, now.CancelledBy
		if now.Seq == r.Seq { // this write was made before that of the user
			return nil
		}
		return errUser
	}
	for {
		if err := r.persist(ctx, "its record", write); !errors.Is(err, errUser) {
			r.m.notify(err == nil && (r.Phase.Ended() || r.Phase == Counted))
			return err
		}
	}
}

// end ends the job. The outcome of a job that was confirmed is in the audit stream.
func (r *run) end(ctx context.Context, phase Phase, text string) error {
	r.Phase, r.Error, r.Ended = phase, text, r.m.Now()
	return r.save(ctx, nil)
}

// outcome returns the audit entry of the outcome of a job that was confirmed and has ended, nil for
// another job.
func (r *run) outcome() *task.AuditEntry {
	if !r.Phase.Ended() || r.Confirmed.IsZero() {
		return nil
	}
	e := &task.AuditEntry{User: r.ConfirmedBy, Method: r.ConfirmedMethod, Action: r.action(), Target: r.left(), Of: r.audit, Done: r.Changed, Error: r.Error}
	if r.Phase == Cancelled {
		e.Error = fmt.Sprintf("cancelled by %s after %d of %d tasks", r.CancelledBy, r.Handled, r.Counted)
	}
	return e
}

// left lists why tasks were left as they were, for the audit stream, and of how many nothing is known.
func (j *Job) left() string {
	var parts, all []string
	for _, why := range slices.Sorted(maps.Keys(j.Left)) {
		if why != LeftUnknown {
			parts = append(parts, fmt.Sprintf("%s %d", why, j.Left[why]))
		}
	}
	if len(parts) > 0 {
		all = append(all, "left as they were: "+strings.Join(parts, ", "))
	}
	if n := j.Left[LeftUnknown]; n > 0 {
		all = append(all, fmt.Sprintf("changed or not: %d", n))
	}
	return strings.Join(all, "; ")
}

// rest waits as long as the call has taken, at most longestRest, so that a job uses about half of the
// time of Redis at most.
func rest(ctx context.Context, began time.Time) error {
	return backoff.Sleep(ctx, min(time.Since(began), longestRest))
}
