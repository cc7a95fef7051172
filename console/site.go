package console

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

const (
	// fresh is how long a picture of a pool is shown to all viewers before it is read again. After
	// an event it is read again at once, but not twice within apart.
	fresh = time.Second
	apart = 250 * time.Millisecond
	// patience is how long one read of a pool may take.
	patience = 5 * time.Second
	// mostRunning and mostGroups bound what a picture has of running tasks and groups.
	mostRunning = 1000
	mostGroups  = 200
)

// site is a pool of the console. All viewers share its picture and its stream of events.
type site struct {
	name  string
	store *redisstore.Store
	pool  *pool.Pool
	hub   *hub

	mu     sync.Mutex
	last   *picture
	failed failures.Reader
}

func newSite(store *redisstore.Store, calendars map[string]trigger.Calendar, log *slog.Logger) (*site, error) {
	p, err := pool.New(store, pool.Config{Logger: log, Calendars: calendars})
	if err != nil {
		return nil, err
	}
	s := &site{name: store.Pool(), store: store, pool: p}
	s.hub = newHub(p, log.With("pool", s.name))
	return s, nil
}

func (s *site) close() {
	s.hub.close()
	s.pool.Close()
}

// picture is what the pages show of a pool. Its counts and running tasks are of one instant,
// the rest is read a moment later.
type picture struct {
	redisstore.Snapshot
	complete bool // Running has all running tasks
	Queues   []pool.QueueLoad
	Replicas []pool.ReplicaInfo
	Groups   []pool.GroupInfo
	// DefaultLimit is the limit of groups without one of their own; 0 is no limit.
	DefaultLimit int
	Failures     []failures.Group
	AllFailures  bool // Failures has all failed tasks that are kept
	Triggers     []*pool.TriggerInfo
	begun, done  time.Time // of the read
}

// picture returns a picture that is at most a second old and has all changes whose events the
// hub has read. Viewers who ask while it is read share the next read, however long it takes.
func (s *site) picture(ctx context.Context) (*picture, error) {
	asked := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.last; p != nil {
		age := time.Since(p.done)
		if p.begun.After(asked) || age < fresh && s.hub.changed.Load() < p.begun.UnixNano() {
			return p, nil
		}
		if age < apart {
			select {
			case <-time.After(apart - age):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	// The read belongs to all viewers: it does not end with the request of one of them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	p, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	s.last = p
	return p, nil
}

// forget makes the next picture a new one. It is called after a change.
func (s *site) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
}

func (s *site) read(ctx context.Context) (p *picture, err error) {
	p = &picture{begun: time.Now()}
	if p.Snapshot, err = s.store.Snapshot(ctx, mostRunning); err != nil {
		return nil, err
	}
	p.complete = len(p.Running) == p.Stats.Running
	slices.SortStableFunc(p.Running, func(a, b *task.Task) int { return a.StartedAt.Compare(b.StartedAt) })
	if p.Queues, err = s.pool.LoadOf(ctx, p.Stats.Queues); err != nil {
		return nil, err
	}
	if p.Replicas, err = s.pool.Replicas(ctx); err != nil {
		return nil, err
	}
	if p.DefaultLimit, p.Groups, err = s.groups(ctx, p.Running); err != nil {
		return nil, err
	}
	if p.Triggers, err = s.pool.Triggers().List(ctx); err != nil {
		return nil, err
	}
	p.Failures, p.AllFailures, err = s.failed.Read(ctx, s.store, p.Stats)
	p.done = time.Now()
	return p, err
}

// groups reads the groups that have settings of their own and those of running tasks.
func (s *site) groups(ctx context.Context, running []*task.Task) (byDefault int, groups []pool.GroupInfo, err error) {
	byDefault, groups, err = s.pool.Groups(ctx)
	if err != nil {
		return 0, nil, err
	}
	known, counts := map[string]bool{"": true}, map[string]int{}
	for _, g := range groups {
		known[g.Name] = true
	}
	for _, t := range running {
		if !known[t.Group] && task.CheckName(t.Group) == nil {
			counts[t.Group]++
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	if names = names[:min(len(names), mostGroups)]; len(names) == 0 {
		return byDefault, groups, nil
	}
	_, more, err := s.pool.Groups(ctx, names...)
	return byDefault, append(groups, more...), err
}
