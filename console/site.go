package console

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// mostRunning and mostGroups bound what a picture has of running tasks and groups.
	mostRunning = 1000
	mostGroups  = 200
	// mostParents is how many running parents a picture has.
	mostParents = 100
	// mostOld is how many of the oldest running tasks are looked at for slow ones.
	mostOld = 100
)

// site is a pool of the console. All viewers share its picture and its stream of events.
type site struct {
	name  string
	store *redisstore.Store
	pool  *pool.Pool
	hub   *hub
	bulk  *bulk.Manager

	pictures current[*picture]
	failed   failures.Reader // is used by one read of a picture at a time
	lists    currents[listed]
	tasks    currents[taskPage]
	settings settings

	inspection shared[[]task.Finding]
	brief      shared[[]task.Finding] // of an inspection without the records
	causes     shared[causeList]
	readOnly   shared[bool] // the Redis user may change nothing
	logs       logs
	history    *history // of the charts
}

func newSite(store *redisstore.Store, o *Options, query bulkQuery, log *slog.Logger) (*site, error) {
	p, err := pool.New(store, pool.Config{Logger: log, Calendars: o.Calendars, Tracer: o.Tracer})
	if err != nil {
		return nil, err
	}
	s := &site{inspection: shared[[]task.Finding]{keep: time.Minute, within: inspecting}, brief: shared[[]task.Finding]{keep: time.Minute, within: patience}, causes: shared[causeList]{keep: 5 * time.Second, within: 30 * time.Second}, readOnly: shared[bool]{keep: time.Minute, within: patience}, name: store.Pool(), store: store, pool: p}
	s.history = newHistory()
	go s.sample()
	s.hub = newHub(store, p, log.With("pool", s.name))
	s.bulk = bulk.New(store, bulk.Options{Select: query, Changed: s.hub.notify, Logger: log.With("pool", s.name)})
	return s, nil
}

func (s *site) close() {
	s.bulk.Close()
	s.history.close()
	s.hub.close()
	s.pool.Close()
}

// picture is what the pages show of a pool. Its counts and running tasks are of one instant,
// the rest is read a moment later.
type picture struct {
	redisstore.Snapshot
	Queues   []pool.QueueLoad
	Replicas []pool.ReplicaInfo
	Groups   []pool.GroupInfo
	// DefaultLimit is the limit of groups without one of their own; 0 is no limit.
	DefaultLimit int
	DefaultRate  pool.Rate
	// Configured has the settings of queues as replicas have configured them.
	Configured                       map[string]task.Configured
	ConfiguredGroups, ConfiguredPool task.Configured
	Failures                         []failures.Group
	AllFailures                      bool // Failures has all failed tasks that are kept
	Triggers                         []*pool.TriggerInfo
	Alerts                           alert.State
	Parents                          []*task.Task // running ones, with the counts of their shards
	Slow                             []*task.Task // of the oldest running tasks, those past their soft timeout
}

// picture returns a picture that is at most a second old and has all changes whose events the
// hub has read.
func (s *site) picture(ctx context.Context) (*picture, error) {
	return s.pictures.get(ctx, s.hub, s.read)
}

// forget makes the next picture a new one. It is called after a change.
func (s *site) forget() { s.hub.old() }

func (s *site) read(ctx context.Context) (p *picture, err error) {
	p = &picture{}
	if p.Snapshot, err = s.store.Snapshot(ctx, mostRunning); err != nil {
		return nil, err
	}
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
	if p.Stats.Parents > 0 {
		if p.Parents, err = s.store.Parents(ctx, mostParents); err != nil {
			return nil, err
		}
	}
	if err = s.configured(ctx, p); err != nil {
		return nil, err
	}
	if p.Triggers, err = s.pool.Triggers().List(ctx); err != nil {
		return nil, err
	}
	if p.Slow, err = s.slow(ctx, p.Running); err != nil {
		return nil, err
	}
	if p.Alerts, err = alert.ReadState(ctx, s.store); err != nil {
		return nil, err
	}
	p.Failures, p.AllFailures, err = s.failed.Read(ctx, s.store, p.Stats)
	s.history.add(p.At, p.Stats, p.Queues)
	return p, err
}

// configured reads the settings that replicas have configured.
func (s *site) configured(ctx context.Context, p *picture) (err error) {
	names := make([]string, len(p.Queues))
	for i, load := range p.Queues {
		names[i] = load.Name
	}
	queues, err := s.store.Configured(ctx, pool.QueueScope, names...)
	if err != nil {
		return err
	}
	p.Configured = make(map[string]task.Configured, len(names))
	for i, name := range names {
		p.Configured[name] = queues[i]
	}
	of := func(scope pool.Scope, to *task.Configured) {
		var all []task.Configured
		if err == nil {
			if all, err = s.store.Configured(ctx, scope, ""); err == nil {
				*to = all[0]
			}
		}
	}
	of(pool.PoolScope, &p.ConfiguredPool)
	of(pool.GroupsScope, &p.ConfiguredGroups)
	if err == nil {
		p.DefaultRate, err = s.pool.DefaultRate(ctx)
	}
	return err
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

// slow reads the oldest running tasks, which are those that are past their soft timeout first.
func (s *site) slow(ctx context.Context, running []*task.Task) (slow []*task.Task, err error) {
	for t, err := range s.details(ctx, running[:min(len(running), mostOld)], true) {
		if err != nil {
			return nil, err
		}
		if !t.SlowAt.IsZero() {
			slow = append(slow, t)
		}
	}
	return slow, nil
}

// details reads tasks of a picture, which have only what is in their index.
func (s *site) details(ctx context.Context, of []*task.Task, brief bool) iter.Seq2[*task.Task, error] {
	ids := make([]string, 0, len(of))
	for _, t := range of {
		if task.CheckName(t.ID) == nil {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) == 0 {
		return func(func(*task.Task, error) bool) {}
	}
	return s.pool.Tasks(ctx, task.Filter{IDs: ids, Brief: brief})
}
