package alert

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// mostRunning is how many running tasks are read. If more run, about as many are read.
	mostRunning = 1000
	// mostGroups and mostTriggers bound what one round reads.
	mostGroups   = 200
	mostTriggers = 5000
	// mostHistories is how many histories of triggers one round reads.
	mostHistories = 50
	// triggersEvery and doctorEvery are the times between two reads of all triggers and two
	// inspections. An inspection ends after doctorTime.
	triggersEvery = time.Minute
	doctorEvery   = 5 * time.Minute
	doctorTime    = 30 * time.Second
)

// round has the data of the pool for the rules, read at about one instant.
type round struct {
	at       time.Time
	stats    task.Stats
	running  []*task.Task
	oldest   map[string]time.Time
	replicas []task.ReplicaInfo
	groups   []task.GroupInfo
	late     []task.StoredTrigger
	lags     map[string]task.Lag
	kept     int
	archives []task.ArchiveInfo
	findings []task.Finding
	behind   time.Duration // the age of the oldest event that is not counted; 0 for none

	failed need // what could not be read

	windows *windows
	*memory
}

// memory has the data that is not read in each round.
type memory struct {
	triggers   []task.StoredTrigger
	triggersAt time.Time
	planned    map[string]time.Time // of the triggers whose history was read
	refused    map[string][]task.TriggerRecord
	known      map[string]knownReplica
	keepGone   time.Duration // how long a replica that has gone is kept, for the rules of ReplicaGone
	lost       int64         // lost leases at the last round
}

// knownReplica is a replica that was on the list.
type knownReplica struct {
	Host     string        `json:"host"`
	Seen     time.Time     `json:"seen"`
	Silent   time.Duration `json:"silent"` // when it was last read
	Lease    time.Duration `json:"lease"`
	Draining bool          `json:"draining,omitempty"`
	Gone     time.Time     `json:"gone,omitzero"` // when it was found to be gone; zero for a live one
}

func newMemory(rules []Rule) *memory {
	m := &memory{planned: map[string]time.Time{}, refused: map[string][]task.TriggerRecord{}, known: map[string]knownReplica{}}
	for _, r := range rules {
		if r.When == ReplicaGone {
			m.keepGone = max(m.keepGone, r.Window)
		}
	}
	return m
}

// read reads the data that the rules need. After an error it reads the other data; round.failed has
// what is missing.
func read(ctx context.Context, store Store, needs need, m *memory, w *windows) (*round, error) {
	r := &round{memory: m, windows: w}
	var errs []error
	try := func(n need, do func() error) {
		if needs&n != 0 && r.failed&needCounts == 0 {
			if err := do(); err != nil {
				errs = append(errs, err)
				r.failed |= n
			}
		}
	}
	// The counts are read in any case: they have the time of the store.
	needs |= needCounts
	try(needCounts, func() (err error) {
		most := 0
		if needs&(needState|needGroups) != 0 {
			most = mostRunning
		}
		r.stats, r.running, r.at, err = store.Running(ctx, most)
		return err
	})
	try(needState, func() (err error) {
		var waiting []string
		for _, q := range r.stats.Queues {
			if q.Waiting > 0 {
				waiting = append(waiting, q.Name)
			}
		}
		r.oldest, _, err = store.WaitingSince(ctx, waiting...)
		return err
	})
	try(needReplicas, func() (err error) { r.replicas, err = store.Replicas(ctx); return err })
	try(needGroups, func() error { return r.readGroups(ctx, store) })
	try(needLate, func() (err error) { r.late, _, err = store.LateTriggers(ctx); return err })
	try(needLags, func() (err error) { r.lags, r.kept, err = store.SubscriptionLags(ctx); return err })
	try(needArchives, func() (err error) { r.archives, err = store.Archives(ctx); return err })
	try(needTriggers, func() error { return r.readTriggers(ctx, store) })
	if r.failed&(needReplicas|needCounts) == 0 && needs&needReplicas != 0 {
		r.missReplicas()
	}
	return r, errors.Join(errs...)
}

// readGroups reads the groups that have settings of their own and those of running tasks.
func (r *round) readGroups(ctx context.Context, store Store) (err error) {
	_, r.groups, err = store.Groups(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{"": true}
	for _, g := range r.groups {
		known[g.Name] = true
	}
	var names []string
	for _, t := range r.running {
		if !known[t.Group] && len(names) < mostGroups && task.CheckName(t.Group) == nil {
			known[t.Group] = true
			names = append(names, t.Group)
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, more, err := store.Groups(ctx, names...)
	r.groups = append(r.groups, more...)
	return err
}

// readTriggers reads the triggers once a minute, and the histories of those that have fired since.
func (r *round) readTriggers(ctx context.Context, store Store) error {
	if age := r.at.Sub(r.triggersAt); age >= 0 && age < triggersEvery {
		return nil
	}
	names, err := store.TriggerNames(ctx)
	if err != nil {
		return err
	}
	if r.triggers, _, err = store.Triggers(ctx, names[:min(len(names), mostTriggers)]...); err != nil {
		return err
	}
	live, histories := map[string]bool{}, 0
	for _, t := range r.triggers {
		live[t.Name] = true
		last, known := r.planned[t.Name]
		if known && last.Equal(t.Planned) || histories == mostHistories {
			continue
		}
		histories++
		records, err := store.TriggerHistory(ctx, t.Name)
		if err != nil {
			return err
		}
		r.planned[t.Name] = t.Planned
		r.refused[t.Name] = slices.DeleteFunc(records, func(e task.TriggerRecord) bool {
			return e.Outcome != task.TriggerQueueFull && e.Outcome != task.TriggerLimitReached && e.Outcome != task.TriggerInvalid
		})
	}
	for name := range r.planned {
		if !live[name] {
			delete(r.planned, name)
			delete(r.refused, name)
		}
	}
	r.triggersAt = r.at
	return nil
}

// inspect inspects the pool.
func inspect(ctx context.Context, store Store) ([]task.Finding, error) {
	timed, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	var found []task.Finding
	for f, err := range store.Inspect(timed, task.Inspection{}) {
		if err != nil && timed.Err() != nil {
			break // a larger pool has what was found so far
		}
		if err != nil {
			return nil, err
		}
		if f.Severity == task.SeverityError {
			found = append(found, f)
		}
	}
	return found, ctx.Err()
}

// unread reports whether the data that decides about an alert has not been read yet: the histories of
// many triggers are read in several rounds.
func (r *round) unread(rule *Rule, a *Alert) bool {
	if rule.When != TriggerRefused {
		return false
	}
	name := a.Labels["trigger"]
	_, known := r.planned[name]
	return !known && slices.ContainsFunc(r.triggers, func(t task.StoredTrigger) bool { return t.Name == name })
}

// mostKnown bounds round.known.
const mostKnown = 500

// forgetGone forgets the replica that has gone for longest, if there is one.
func (r *round) forgetGone() bool {
	first := ""
	for id, k := range r.known {
		if !k.Gone.IsZero() && (first == "" || k.Gone.Before(r.known[first].Gone)) {
			first = id
		}
	}
	delete(r.known, first)
	return first != ""
}

// missReplicas finds replicas that have gone without leaving the pool. Their lease has ended since
// they were last read. Besides, either they had missed heartbeats then, or the pool has taken back
// leases since.
func (r *round) missReplicas() {
	live, hosts := map[string]bool{}, map[string]bool{}
	lost := r.stats.LeasesLost > r.lost
	r.lost = r.stats.LeasesLost
	for _, replica := range r.replicas {
		live[replica.ID], hosts[replica.Host] = true, true
		_, known := r.known[replica.ID]
		if known || len(r.known) < mostKnown || r.forgetGone() {
			r.known[replica.ID] = knownReplica{Host: replica.Host, Seen: replica.SeenAt, Silent: replica.Silent, Lease: replica.Lease, Draining: replica.Draining}
		}
	}
	for id, k := range r.known {
		switch {
		case live[id]:
		case !k.Gone.IsZero():
			if age := r.at.Sub(k.Gone); hosts[k.Host] || age < 0 || age >= r.keepGone { // another replica has begun there, or no rule looks at it
				delete(r.known, id)
			}
		case k.Draining, r.at.Sub(k.Seen) < k.Lease, k.Silent < k.Lease/2 && !lost:
			delete(r.known, id)
		default:
			k.Gone = r.at
			r.known[id] = k
		}
	}
}
