package redisserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is the number of hash slots of a Redis cluster.
const slots = 16384

// nodeTimeout is the time after which the nodes of a Cluster regard a silent
// node as dead while the cluster is formed and in AwaitTakeover. A replica
// takes over one to two seconds later. At other times it is calmTimeout: on a
// busy machine a node is silent for seconds, and a takeover then loses writes.
const nodeTimeout, calmTimeout = 2 * time.Second, 10 * time.Minute

// Cluster is a Redis cluster of three masters with one replica each. At the
// start Replicas[i] copies Masters[i]. MasterOf returns the current master.
type Cluster struct {
	Masters, Replicas []*Server

	ask map[*Server]*redis.Client
}

// StartCluster starts a cluster, waits until all its nodes agree on its state,
// and ends it when the test ends. The options apply to each of its servers.
func StartCluster(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	const masters = 3
	nodes := make([]*Server, 2*masters)
	for i := range nodes {
		nodes[i] = Start(t, append([]Option{
			Config("cluster-enabled", "yes"),
			func(o *options) { o.cluster = true },
			Config("cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10)),
			// A replica that was cut off for a moment on a busy machine still
			// takes over.
			Config("cluster-replica-validity-factor", "0"),
			// While the cluster is formed, a master that is silent on a busy
			// machine stays the master.
			Config("cluster-replica-no-failover", "yes"),
			Config("repl-diskless-sync-delay", "0"),
		}, opts...)...)
	}
	c := &Cluster{Masters: nodes[:masters], Replicas: nodes[masters:], ask: map[*Server]*redis.Client{}}
	for _, s := range nodes {
		c.ask[s] = s.Client(t)
	}
	if err := c.form(t.Context()); err != nil {
		t.Fatal("forming the cluster: ", err)
	}
	c.suspect(t, calmTimeout)
	for _, s := range nodes {
		if err := c.ask[s].ConfigSet(t.Context(), "cluster-replica-no-failover", "no").Err(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// suspect sets the time after which the running nodes regard a silent node as
// dead.
func (c *Cluster) suspect(t testing.TB, after time.Duration) {
	t.Helper()
	for _, s := range c.nodes() {
		if s.Pid() == 0 {
			continue
		}
		if err := c.ask[s].ConfigSet(t.Context(), "cluster-node-timeout", strconv.FormatInt(after.Milliseconds(), 10)).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *Cluster) nodes() []*Server { return append(append([]*Server{}, c.Masters...), c.Replicas...) }

// form makes one cluster of servers that are not connected to each other.
func (c *Cluster) form(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ids := map[*Server]string{}
	for i, s := range c.nodes() {
		rdb := c.ask[s]
		// Nodes with different epochs need not resolve an epoch collision.
		if err := rdb.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		id, err := rdb.ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		ids[s] = id
		first := c.Masters[0]
		if err := rdb.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", first.port, first.bus).Err(); err != nil {
			return err
		}
	}
	for i, s := range c.Masters {
		from, to := slots*i/len(c.Masters), slots*(i+1)/len(c.Masters)-1
		if err := c.ask[s].ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return err
		}
	}
	for i, s := range c.Replicas {
		rdb, of := c.ask[s], ids[c.Masters[i]]
		if err := until(ctx, func() error { return rdb.ClusterReplicate(ctx, of).Err() }); err != nil {
			return err
		}
	}
	return c.agree(ctx)
}

// agree waits until every node reports the cluster as complete and every
// replica is in sync with its master.
func (c *Cluster) agree(ctx context.Context) error {
	for _, s := range c.nodes() {
		rdb := c.ask[s]
		if err := until(ctx, func() error {
			nodes, err := rdb.ClusterNodes(ctx).Result()
			if err != nil {
				return err
			}
			nodes = strings.ReplaceAll(nodes, "nofailover", "") // a setting, not a failure
			info, err := rdb.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || strings.Count(nodes, "master") != len(c.Masters) ||
				strings.Count(nodes, "slave") != len(c.Replicas) || strings.Contains(nodes, "fail") || strings.Contains(nodes, "handshake") {
				return fmt.Errorf("%s sees\n%s%s", s.Addr(), nodes, info)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for _, s := range c.Replicas {
		if err := awaitLink(ctx, c.ask[s]); err != nil {
			return err
		}
	}
	return nil
}

// awaitLink waits until a replica has its master's data and receives its
// writes.
func awaitLink(ctx context.Context, replica *redis.Client) error {
	return until(ctx, func() error {
		info, err := replica.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = fmt.Errorf("the replica says %s", info)
		}
		return err
	})
}

// until repeats a call until it succeeds or ctx ends. In the latter case it
// returns the call's last error.
func until(ctx context.Context, call func() error) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := call()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-again.C:
		}
	}
}

// Addrs returns the host:port of all nodes, masters first.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.nodes() {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// Client returns a new client, closed when the test ends.
func (c *Cluster) Client(t testing.TB) *redis.ClusterClient {
	t.Helper()
	rdb := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: c.Addrs(), ContextTimeoutEnabled: true, DisableIdentity: true, MaintNotificationsConfig: quiet(),
		Password: c.Masters[0].clientOptions().Password,
	})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// MasterOf returns the server that has the key now, according to the majority
// of the running nodes.
func (c *Cluster) MasterOf(t testing.TB, key string) *Server {
	t.Helper()
	votes := map[*Server]int{}
	for _, s := range c.nodes() {
		if s.Pid() == 0 {
			continue
		}
		rdb := c.ask[s]
		slot, err := rdb.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := rdb.ClusterNodes(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if holder := c.at(holder(nodes, int(slot))); holder != nil {
			votes[holder]++
		}
	}
	var most *Server
	for s, n := range votes {
		if most == nil || n > votes[most] {
			most = s
		}
	}
	if most == nil {
		t.Fatalf("no node has the slot of %s", key)
	}
	return most
}

// holder reads from CLUSTER NODES the host:port of the node that has a slot. A
// line has: id, host:port@bus, flags, the master's id, three numbers, the state
// of the link, and then the slots as numbers and ranges.
func holder(nodes string, slot int) string {
	for line := range strings.Lines(nodes) {
		words := strings.Fields(line)
		for i, word := range words {
			from, to, isRange := strings.Cut(word, "-")
			first, err := strconv.Atoi(from)
			if i < 8 || err != nil { // or a migrating or importing slot: [SLOT->-ID]
				continue
			}
			last := first
			if isRange {
				last, _ = strconv.Atoi(to)
			}
			if slot >= first && slot <= last {
				addr, _, _ := strings.Cut(words[1], "@")
				return addr
			}
		}
	}
	return ""
}

func (c *Cluster) at(addr string) *Server {
	for _, s := range c.nodes() {
		if s.Addr() == addr {
			return s
		}
	}
	return nil
}

// AwaitTakeover lets the nodes detect that old is dead. It waits until another
// server has the key and accepts writes, and returns that server.
func (c *Cluster) AwaitTakeover(t testing.TB, key string, old *Server) *Server {
	t.Helper()
	c.suspect(t, nodeTimeout)
	defer c.suspect(t, calmTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var now *Server
	if err := until(ctx, func() error {
		if now = c.MasterOf(t, key); now == nil || now == old {
			return fmt.Errorf("%s still holds %s", old.Addr(), key)
		}
		// DEL of a missing key is a write. The server refuses it if it refuses
		// writes.
		return c.ask[now].Del(ctx, beside(key)).Err()
	}); err != nil {
		t.Fatal("no replica took over: ", err)
	}
	return now
}

// beside returns an unused key of the same slot.
func beside(key string) string {
	if !strings.Contains(key, "{") {
		key = "{" + key + "}"
	}
	return key + ":nothing"
}
