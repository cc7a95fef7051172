// Package outages records when a server that tasks need does not answer: a line in the log
// when its calls begin to fail and one when they work again, and what a replica publishes.
package outages

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Tracker records the outages of one server. Its fields must not change after the first
// call. It is safe for concurrent use. A nil Tracker records nothing.
type Tracker struct {
	Of    string // the server: see task.Outage
	Log   *slog.Logger
	Again string // the line when calls work again
	Args  []any  // attributes of that line
	// Gap is the time without a failed call after which an outage counts as ended: the call
	// that failed may never be made again. Default: DefaultGap.
	Gap time.Duration

	mu      sync.Mutex
	failing map[string]bool      // by call
	worked  map[string]time.Time // by call, when the newest call with an answer began
	since   time.Time
	last    time.Time // when a call failed last
	err     error
}

// DefaultGap is longer than the pauses between the attempts of tasks.
const DefaultGap = 15 * time.Minute

// Failed records a failed call and the time at which it began. It logs msg unless an outage is going on.
// If the server has answered a call that began later, the failure starts no outage.
func (t *Tracker) Failed(call string, began time.Time, err error, msg string, args ...any) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.open(now) {
		if began.Before(t.worked[call]) {
			return
		}
		t.failing, t.since = map[string]bool{}, now
		t.Log.Warn(msg, args...)
	}
	t.failing[call], t.last, t.err = true, now, err
}

// open reports whether an outage is going on.
func (t *Tracker) open(now time.Time) bool {
	gap := t.Gap
	if gap == 0 {
		gap = DefaultGap
	}
	return len(t.failing) > 0 && now.Sub(t.last) <= gap
}

// Continues records that a repeated call has failed again.
func (t *Tracker) Continues(err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.err = time.Now(), err
}

// Worked records an answered call and the time at which it began. If it began before the last failure,
// the answer ends no outage.
func (t *Tracker) Worked(call string, began time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if began.After(t.worked[call]) {
		if t.worked == nil {
			t.worked = map[string]time.Time{}
		}
		t.worked[call] = began
	}
	if !t.failing[call] || began.Before(t.last) {
		return
	}
	delete(t.failing, call)
	if len(t.failing) == 0 {
		t.Log.Info(t.Again, append(slices.Clone(t.Args), "after", time.Since(t.since).Round(time.Millisecond))...)
	}
}

// Current returns the outage that is going on.
func (t *Tracker) Current() (o task.Outage, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open(time.Now()) {
		return o, false
	}
	return task.Outage{Of: t.Of, Since: t.since, Error: t.err.Error()}, true
}

// Registry has the trackers of the servers that the tasks of a replica need. It is safe for
// concurrent use.
type Registry struct {
	mu       sync.Mutex
	trackers map[*Tracker]struct{}
}

type registryKey struct{}

// With returns a context with which the attempts of a replica find its registry.
func (r *Registry) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, registryKey{}, r)
}

// Publish lets the replica whose attempt has this context publish the outages of t.
func (t *Tracker) Publish(ctx context.Context) {
	r, _ := ctx.Value(registryKey{}).(*Registry)
	if t == nil || r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trackers == nil {
		r.trackers = map[*Tracker]struct{}{}
	}
	r.trackers[t] = struct{}{}
}

// Current returns the outages that are going on, up to task.MaxOutages, the oldest first.
func (r *Registry) Current() (all []task.Outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.trackers {
		if o, found := t.Current(); found {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b task.Outage) int { return a.Since.Compare(b.Since) })
	return all[:min(len(all), task.MaxOutages)]
}
