package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// joinTimeout bounds a Join. No lease depends on a Join.
const joinTimeout = 5 * time.Second

// membership is the replica's registration with the pool. If the pool forgets the
// replica, it joins again under a new id.
type membership struct {
	r       *Replica
	self    atomic.Pointer[self]
	joining chan struct{} // full during a Join
	joined  bool          // guarded by the replica's mutex, like writes of self
}

type self struct {
	id  string
	log *slog.Logger
}

// assignID gives the replica a new id.
func (m *membership) assignID() {
	id := strconv.FormatUint(rand.Uint64N(1<<50), 36) // short, because every start and end of a task writes it
	m.self.Store(&self{id: id, log: m.r.cfg.Logger.With("replica", id)})
	m.joined = false
}

// join announces the replica to the pool and logs conflicts with the configuration of
// other replicas.
func (m *membership) join(ctx context.Context) error {
	r := m.r
	kinds := make(map[string]task.Policy, len(r.handlers))
	for kind := range r.handlers {
		kinds[kind] = r.cfg.Policies[kind]
	}
	var exports map[string]task.Export
	for kind, e := range r.cfg.Exports {
		if _, handles := kinds[kind]; handles {
			if exports == nil {
				exports = map[string]task.Export{}
			}
			exports[kind] = e
		}
	}
	disabled := r.cfg.disabledKinds()
	for _, kind := range disabled {
		kinds[kind] = r.cfg.Policies[kind]
	}
	var ends map[string]time.Time
	if r.cfg.Triggers != nil {
		ends = r.cfg.Triggers.CalendarEnds()
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	warnings, err := r.store.Join(ctx, task.Registration{
		Replica: r.ID(),
		Host:    host,
		PID:     os.Getpid(),
		Version: r.cfg.Version,
		Lease:   r.cfg.Lease,

		DrainTimeout: r.cfg.DrainTimeout,
		StopGrace:    r.cfg.StopGrace,

		Up:        time.Since(r.started),
		Queues:    r.cfg.Queues,
		Kinds:     kinds,
		Exports:   exports,
		Disabled:  disabled,
		Limit:     r.cfg.Limit,
		Groups:    r.cfg.Groups,
		Labels:    r.cfg.Labels,
		Exclusive: r.cfg.Exclusive,
		MaxEvent:  r.cfg.MaxEvents,
		EventAge:  r.cfg.EventAge,

		CalendarEnds: ends,
		ArchiveWait:  r.cfg.ArchiveWait,
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	m.joined = true
	r.mu.Unlock()
	for _, w := range warnings {
		r.log().Warn(w)
	}
	return nil
}

// ensure returns when the pool knows the replica or ctx is done. It joins if necessary.
func (m *membership) ensure(ctx context.Context) {
	if m.valid() {
		return
	}
	select {
	case m.joining <- struct{}{}: // the other sequence may have joined meanwhile
		defer func() { <-m.joining }()
	case <-ctx.Done():
		return
	}
	t := retry{outage: m.r.outages, op: "join"}
	defer t.stop()
	for !m.valid() {
		if err := m.join(ctx); err == nil {
			t.ok()
			m.r.log().Warn("the pool did not know this replica any more; it has joined again")
		} else if ctx.Err() != nil || backoff.Sleep(ctx, t.failed(err)) != nil {
			return
		}
	}
}

// valid reports whether no Join is necessary. A replica that is leaving does not join
// again: a Join that arrives after its Leave would put it back on the list.
func (m *membership) valid() bool {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	return m.joined || m.r.phase == leaving
}

// resetMembership is called when the pool does not know the replica under the id. The
// replica gives up all its claims, since the pool may not know them either, and takes a
// new id, under which the sequences join.
func (r *Replica) resetMembership(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id != r.ID() || !r.member.joined || r.phase == leaving {
		return
	}
	now := time.Now()
	for _, c := range r.held.live {
		r.lose(c, true, now)
	}
	for _, s := range r.sequences {
		s.reset()
	}
	r.member.assignID()
	r.listener.restart()
	r.startClaiming()
}
