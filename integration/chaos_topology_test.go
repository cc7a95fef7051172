package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
)

// The address of a process that connects to a Cluster or to Sentinels:
// "cluster" or "sentinel", a space, and host:port of the nodes or Sentinels,
// separated by commas.
const (
	onCluster  = "cluster "
	onSentinel = "sentinel "
)

// connect returns the Redis client of a test's process.
func connect(address string) redis.UniversalClient {
	if nodes, ok := strings.CutPrefix(address, onCluster); ok {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(nodes, ","), ContextTimeoutEnabled: true})
	}
	if sentinels, ok := strings.CutPrefix(address, onSentinel); ok {
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: redisserver.MasterName, SentinelAddrs: strings.Split(sentinels, ","), ContextTimeoutEnabled: true,
		})
	}
	return redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true, Dialer: faintingDialer})
}

// storm is a fleet under a limit, on more than one server, whose processes are
// killed at random.
type storm struct {
	*fleet
	rnd      *rand.Rand
	client   *pool.Pool
	replicas []*process
	load     *load
	kills    int
}

const stormLimit = 7

func (f *fleet) storm(rnd *rand.Rand) *storm {
	s := &storm{fleet: f, rnd: rnd, client: f.client()}
	s.replicas = f.fleetOf(4)
	s.load = f.load(rnd.Uint64(), 150)
	eventually(f.t, patience, "the limit is used", func() bool { return stats(f.t, s.client).Running == stormLimit })
	return s
}

// rage kills and replaces a process every third of a second.
func (s *storm) rage(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); s.kills++ {
		s.replace(s.replicas, s.victim(s.rnd, s.replicas))
		pause(s.rnd, 100*time.Millisecond, 600*time.Millisecond)
	}
}

// calm ends the load and waits until all work is done. rdb is the server that
// has the pool now.
func (s *storm) calm(rdb *redis.Client) (tasks int, story *chronicle) {
	s.t.Helper()
	tasks = s.load.end()
	idle(s.t, s.client)
	s.rdb = rdb
	s.checkIdle(s.client)
	return tasks, s.chronicle()
}

// Processes are killed under a limit while the pool's slot moves between
// masters. No task is lost, and the limit is never exceeded.
func TestChaosProcessesAreKilledWhileTheSlotMoves(t *testing.T) {
	t.Parallel()
	rnd := seeded(t)
	cluster := redisserver.StartCluster(t)
	f := fleetOn(siteAt(t, cluster.Client), 2*time.Second, 20, stormLimit)
	f.redis = onCluster + strings.Join(cluster.Addrs(), ",")
	s := f.storm(rnd)
	keys := 0
	for range 2 {
		s.rage(lasting(time.Second, 2*time.Second))
		to := otherMaster(t, cluster, f.site)
		keys += cluster.Move(t, f.key("meta"), to, 100, func(int) {
			if rnd.IntN(4) == 0 {
				s.kills++
				s.replace(s.replicas, rnd.IntN(len(s.replicas)))
			}
		})
	}
	s.rage(lasting(time.Second, 2*time.Second))
	tasks, story := s.calm(cluster.MasterOf(t, f.key("meta")).Client(t))
	t.Logf("%d kills, %d keys moved", s.kills, keys)
	story.check(t, tasks)
	if _, top := f.checkRuns(story, stormLimit, 0); top != stormLimit {
		t.Errorf("at most %d handlers ran at once, the limit is %d", top, stormLimit)
	}
}

// Processes are killed under a limit, and then the master is killed: of a
// cluster or behind a Sentinel; make soak does both. Each remaining task has one
// end. Each claim that the new master has not received allows at most one
// handler more than the limit.
func TestChaosProcessesAreKilledAndTheMaster(t *testing.T) {
	t.Parallel()
	for _, on := range sample(seeded(t), []struct {
		name string
		lose func(t *testing.T)
	}{{"Cluster", loseMasterOfCluster}, {"Sentinel", loseMasterBehindSentinel}}, 1) {
		t.Run(on.name, on.lose)
	}
}

func loseMasterOfCluster(t *testing.T) {
	cluster := redisserver.StartCluster(t)
	f := fleetOn(siteAt(t, cluster.Client), 2*time.Second, 20, stormLimit)
	f.redis = onCluster + strings.Join(cluster.Addrs(), ",")
	f.loseMaster(func() *redisserver.Server { return cluster.MasterOf(t, f.key("meta")) },
		func(old *redisserver.Server) { cluster.AwaitTakeover(t, f.key("meta"), old) })
}

func loseMasterBehindSentinel(t *testing.T) {
	sentinel := redisserver.StartSentinel(t)
	f := fleetOn(siteAt(t, sentinel.Client), 2*time.Second, 20, stormLimit)
	f.redis = onSentinel + strings.Join(sentinel.Addrs(), ",")
	now := sentinel.Master
	f.loseMaster(func() *redisserver.Server { return now }, func(old *redisserver.Server) { now = sentinel.AwaitPromotion(t, old) })
}

// loseMaster kills the master in the middle of a storm. whole returns when
// another server accepts writes.
func (f *fleet) loseMaster(master func() *redisserver.Server, whole func(old *redisserver.Server)) {
	t := f.t
	t.Helper()
	s := f.storm(seeded(t))
	s.rage(lasting(1500*time.Millisecond, 3*time.Second))
	quick := f.startTime(s.client)
	old := master()
	old.Kill(t)
	whole(old)
	back := time.Now()
	var resumed time.Duration
	eventually(t, patience, "work resumes", func() bool {
		for _, r := range f.recorded() {
			if resumed = time.Unix(0, r.At).Sub(back); r.What == enter && resumed > 0 {
				return true
			}
		}
		return false
	})
	// Until then the calls of this client can fail: it may ask a node that does not know of the takeover yet.
	eventually(t, patience, "the client finds the new master", func() bool {
		_, err := s.client.Stats(t.Context())
		return err == nil
	})
	s.rage(lasting(1500*time.Millisecond, 3*time.Second))
	tasks, story := s.calm(master().Client(t))
	tasks++ // the task of startTime

	gone := tasks - len(story.tales)
	story.check(t, tasks-gone)
	records := f.recorded() // without the mutex: it may end the test
	f.mu.Lock()
	all := runs(records, f.deaths)
	f.mu.Unlock()
	unknown, top := 0, 0
	for _, r := range all {
		if n := story.claims[attempt{r.Task, r.Attempt}]; n == nil || n.replica != r.Replica {
			unknown++
		}
	}
	for _, l := range levels(all) {
		top = max(top, l.n)
	}
	t.Logf("%d kills; work resumed %v after the takeover; of %d tasks %d are lost, of %d starts the new master does not have %d; at most %d ran at once, the limit is %d",
		s.kills, resumed.Round(time.Millisecond), tasks, gone, len(all), unknown, top, stormLimit)
	if top > stormLimit+unknown {
		t.Errorf("%d handlers ran at once; the limit is %d and %d claims are unknown", top, stormLimit, unknown)
	}
	// The old master had answered these tasks but not yet replicated them: the
	// work of a moment, which is a second or more on a busy machine.
	if gone > tasks/4 {
		t.Errorf("%d of %d tasks are gone", gone, tasks)
	}
	if resumed > resumption+slack*quick {
		t.Errorf("work resumed only %v after the takeover; a start takes %v", resumed, quick)
	}
	if err := s.client.Check(context.Background()); err != nil {
		t.Error(fmt.Errorf("check: %w", err))
	}
}
