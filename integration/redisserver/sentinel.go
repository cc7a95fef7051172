package redisserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name that the Sentinels of a test use for their master.
const MasterName = "main"

// downAfter is the time after which a Sentinel regards a silent master as dead
// in AwaitPromotion. The replica is promoted within a second or two after that.
// At other times it is calmTimeout.
const downAfter = time.Second

// Sentinel is a master with one replica and three Sentinels, two of which must
// agree.
type Sentinel struct {
	Master, Replica *Server // at the start
	Sentinels       []*Server
}

// StartSentinel starts the servers and the Sentinels, waits until every
// Sentinel knows the replica and the other Sentinels, and ends them when the
// test ends. The options are for master and replica.
func StartSentinel(t testing.TB, opts ...Option) *Sentinel {
	t.Helper()
	opts = append([]Option{Config("repl-diskless-sync-delay", "0")}, opts...)
	s := &Sentinel{Master: Start(t, opts...)}
	s.Replica = Start(t, append(opts, Config("replicaof", fmt.Sprintf("127.0.0.1 %d", s.Master.port)))...)
	for range 3 {
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		config := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s %[3]d\nsentinel failover-timeout %[1]s 10000\n",
			MasterName, s.Master.port, calmTimeout.Milliseconds())
		// A Sentinel writes its state to its config file.
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Sentinels = append(s.Sentinels, Start(t, func(o *options) { o.sentinel = file }))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.agree(ctx, t); err != nil {
		t.Fatal("the Sentinels do not find each other: ", err)
	}
	return s
}

func (s *Sentinel) agree(ctx context.Context, t testing.TB) error {
	if err := awaitLink(ctx, s.Replica.Client(t)); err != nil {
		return err
	}
	for _, one := range s.Sentinels {
		c := one.watcher(t)
		if err := until(ctx, func() error {
			m, err := c.Master(ctx, MasterName).Result()
			if err != nil {
				return err
			}
			if m["num-slaves"] != "1" || m["num-other-sentinels"] != "2" || m["flags"] != "master" {
				return fmt.Errorf("%s knows %s replicas and %s others of a %s", one.Addr(), m["num-slaves"], m["num-other-sentinels"], m["flags"])
			}
			return c.CkQuorum(ctx, MasterName).Err()
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) watcher(t testing.TB) *redis.SentinelClient {
	c := redis.NewSentinelClient(s.clientOptions())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Addrs returns the host:port of the Sentinels.
func (s *Sentinel) Addrs() []string {
	var addrs []string
	for _, one := range s.Sentinels {
		addrs = append(addrs, one.Addr())
	}
	return addrs
}

// Client returns a new client that follows the master, closed when the test
// ends.
func (s *Sentinel) Client(t testing.TB) *redis.Client {
	t.Helper()
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: MasterName, SentinelAddrs: s.Addrs(), Password: s.Master.clientOptions().Password,
		ContextTimeoutEnabled: true, DisableIdentity: true,
	})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// suspect sets the time after which the Sentinels regard a silent master as
// dead.
func (s *Sentinel) suspect(t testing.TB, after time.Duration) {
	t.Helper()
	for _, one := range s.Sentinels {
		if err := one.watcher(t).Set(t.Context(), MasterName, "down-after-milliseconds", strconv.FormatInt(after.Milliseconds(), 10)).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// AwaitPromotion lets the Sentinels detect that old is dead. It waits until
// they name another master that accepts writes, and returns it.
func (s *Sentinel) AwaitPromotion(t testing.TB, old *Server) *Server {
	t.Helper()
	s.suspect(t, downAfter)
	defer s.suspect(t, calmTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	now := s.Replica
	if now == old {
		now = s.Master
	}
	rdb := now.Client(t)
	for _, one := range s.Sentinels {
		c := one.watcher(t)
		if err := until(ctx, func() error {
			addr, err := c.GetMasterAddrByName(ctx, MasterName).Result()
			if err != nil {
				return err
			}
			if got := addr[0] + ":" + addr[1]; got != now.Addr() {
				return fmt.Errorf("the master is %s", got)
			}
			return rdb.Del(ctx, "nothing").Err()
		}); err != nil {
			t.Fatal("no replica was promoted: ", err)
		}
	}
	return now
}
