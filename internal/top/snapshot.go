package top

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The most of each kind that one read of the pool returns.
const (
	mostRunning  = 1000
	mostGroups   = 200
	mostProgress = 100
)

// stale is the age from which the picture is marked as old. It is also the longest time
// that a read may take.
const stale = 5 * time.Second

// rightsEvery is the time between two checks of what the user may change.
const rightsEvery = time.Minute

// snapshot is what the view shows of a pool. The counts of tasks and the running tasks
// are of one instant. The rest is read a moment later.
type snapshot struct {
	redisstore.Snapshot
	complete bool // all running tasks are known
	queues   []pool.QueueLoad
	replicas []pool.ReplicaInfo
	groups   []pool.GroupInfo
	failures []failures.Group
	all      bool // failures are of all failed tasks that are kept
	readOnly bool // the user may change nothing in the pool
}

// age returns the time from t to the instant of the snapshot.
func (s *snapshot) age(t time.Time) time.Duration { return max(s.At.Sub(t), 0) }

// runningIn returns the running tasks that match, the oldest first.
func (s *snapshot) runningIn(match func(*task.Task) bool) []*task.Task {
	return slices.DeleteFunc(slices.Clone(s.Running), func(t *task.Task) bool { return !match(t) })
}

// reader reads snapshots and the content of pages, one at a time.
type reader struct {
	*client.Client
	write     WriteTask
	failed    failures.Reader
	described *task.Task // the task that describe returned last
	readOnly  bool       // the user may change nothing
	checked   time.Time  // when readOnly was read; zero for not yet
}

// read reads a snapshot. withProgress adds the progress of running tasks.
func (r *reader) read(ctx context.Context, withProgress bool) (s snapshot, err error) {
	if s.Snapshot, err = r.Store.Snapshot(ctx, mostRunning); err != nil {
		return s, err
	}
	if time.Since(r.checked) >= rightsEvery {
		if r.readOnly, err = r.Store.ReadOnly(ctx); err != nil {
			return s, err
		}
		r.checked = time.Now()
	}
	s.readOnly = r.readOnly
	s.complete = len(s.Running) == s.Stats.Running
	slices.SortStableFunc(s.Running, func(a, b *task.Task) int { return a.StartedAt.Compare(b.StartedAt) })
	if s.queues, err = r.LoadOf(ctx, s.Stats.Queues); err != nil {
		return s, err
	}
	if s.replicas, err = r.replicas(ctx, &s); err != nil {
		return s, err
	}
	if s.groups, err = r.groups(ctx, &s); err != nil {
		return s, err
	}
	if withProgress {
		if err = r.progress(ctx, s.Running[:min(len(s.Running), mostProgress)]); err != nil {
			return s, err
		}
	}
	s.failures, s.all, err = r.failed.Read(ctx, r.Store, s.Stats)
	return s, err
}

// replicas reads the replicas. Their running tasks are counted in the snapshot, since
// those of a heartbeat are of another instant.
func (r *reader) replicas(ctx context.Context, s *snapshot) ([]pool.ReplicaInfo, error) {
	replicas, err := r.Replicas(ctx)
	if !s.complete {
		return replicas, err
	}
	running := countBy(s.Running, func(t *task.Task) string { return t.Replica })
	for i := range replicas {
		replicas[i].Running = running[replicas[i].ID]
	}
	return replicas, err
}

// groups reads the groups that have a limit of their own and those of running tasks, the
// ones with the most running tasks first. A group whose limit blocks tasks has running
// tasks.
func (r *reader) groups(ctx context.Context, s *snapshot) ([]pool.GroupInfo, error) {
	_, groups, err := r.Groups(ctx)
	if err != nil {
		return nil, err
	}
	running := countBy(s.Running, func(t *task.Task) string { return t.Group })
	known := map[string]bool{"": true}
	for _, g := range groups {
		known[g.Name] = true
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(running)), func(name string) bool { return known[name] || task.CheckName(name) != nil })
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(running[b], running[a]) })
	if names = names[:min(len(names), mostGroups)]; len(names) > 0 {
		_, more, err := r.Groups(ctx, names...)
		if err != nil {
			return nil, err
		}
		groups = append(groups, more...)
	}
	for i := range groups {
		if s.complete {
			groups[i].Running = running[groups[i].Name]
		}
	}
	return groups, nil
}

// progress reads the progress of running tasks.
func (r *reader) progress(ctx context.Context, running []*task.Task) error {
	byID := map[string]*task.Task{}
	for _, t := range running {
		if task.CheckName(t.ID) == nil {
			byID[t.ID] = t
		}
	}
	if len(byID) == 0 {
		return nil
	}
	for t, err := range r.Tasks(ctx, pool.Filter{IDs: slices.Collect(maps.Keys(byID)), Brief: true}) {
		if err != nil {
			return err
		}
		byID[t.ID].Progress = t.Progress
	}
	return nil
}

func countBy(tasks []*task.Task, key func(*task.Task) string) map[string]int {
	n := map[string]int{}
	for _, t := range tasks {
		n[key(t)]++
	}
	return n
}
