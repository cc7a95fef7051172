package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

const clusterLabel = "drain, 50 slots in all, on a cluster of three masters"

// cluster compares one pool with three pools on a master each. One process works for all pools of a
// row, with 50 slots in total.
func cluster(b *bench) error {
	if !b.systems["ours"] {
		return nil
	}
	c, err := startCluster(b.ctx, b.dir, b.round)
	if err != nil {
		return err
	}
	defer c.stop()
	pools, err := c.spread(b.ctx)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		row   string
		pools []string
	}{{"ltsworker, 1 pool on one master", pools[:1]}, {"ltsworker, 3 pools on three masters", pools}} {
		if err := c.clear(b.ctx); err != nil {
			return err
		}
		e := env{Redis: c[0].addr, Pools: p.pools}
		if err := b.drained(clusterLabel, variant{"pools", p.row, e}, 1, slotsUsed/len(p.pools), 0); err != nil {
			return err
		}
	}
	return nil
}

// masters are the servers of a cluster without replicas.
type masters []*redisServer

func startCluster(ctx context.Context, root string, round int) (c masters, err error) {
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	for i := range 3 {
		dir, err := tempDir(root, fmt.Sprintf("cluster-%d-%d", round, i))
		if err != nil {
			return c, err
		}
		bus, err := freePort()
		if err != nil {
			return c, err
		}
		s, err := startRedis(ctx, dir, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus))
		if err != nil {
			return c, err
		}
		c = append(c, s)
		const slots = 16384
		err = errors.Join(
			s.rdb.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(),
			s.rdb.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err(),
		)
		if err != nil {
			return c, err
		}
		host, port, _ := strings.Cut(s.addr, ":")
		for _, other := range c[:i] {
			if err := other.rdb.Do(ctx, "CLUSTER", "MEET", host, port, bus).Err(); err != nil {
				return c, err
			}
		}
	}
	return c, await(ctx, patience, func() error {
		for _, s := range c {
			info, err := s.rdb.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			if field(info, "cluster_state") != "ok" || field(info, "cluster_known_nodes") != "3" {
				return errors.New("the cluster does not form")
			}
		}
		return nil
	})
}

func (c masters) stop() {
	for _, s := range c {
		s.stop()
	}
}

func (c masters) clear(ctx context.Context) error {
	for _, s := range c {
		if err := s.clear(ctx); err != nil {
			return err
		}
	}
	return nil
}

// spread finds pool names such that the i-th pool is on the i-th master.
func (c masters) spread(ctx context.Context) ([]string, error) {
	names := make([]string, len(c))
	for i, found := 0, 0; found < len(c); i++ {
		name := fmt.Sprint(namespace, i)
		slot, err := c[0].rdb.ClusterKeySlot(ctx, name).Result()
		if err != nil {
			return nil, err
		}
		at := min(int(slot)*len(c)/16384, len(c)-1)
		if names[at] == "" {
			names[at] = name
			found++
		}
	}
	return names, nil
}

// pools are several pools on one cluster, used in turn.
type pools []*ours

func openPools(ctx context.Context, e env) (system, error) {
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{e.Redis}})
	var all pools
	for _, name := range e.Pools {
		o, err := openPool(ctx, e, rdb, name)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (ps pools) Version() string { return ps[0].Version() }

func (ps pools) Enqueue(ctx context.Context, t item) error {
	return ps[t.N%len(ps)].Enqueue(ctx, t)
}

func (ps pools) EnqueueBatch(ctx context.Context, ts []item) error {
	parts := make([][]item, len(ps))
	for _, t := range ts {
		parts[t.N%len(ps)] = append(parts[t.N%len(ps)], t)
	}
	for i, part := range parts {
		if err := ps[i].EnqueueBatch(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (ps pools) Start(ctx context.Context, workers int, h handler) error {
	for _, p := range ps {
		if err := p.Start(ctx, workers, h); err != nil {
			return err
		}
	}
	return nil
}

func (ps pools) Stop() error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

func (ps pools) Pending(ctx context.Context) (int, error) {
	sum := 0
	for _, p := range ps {
		n, err := p.Pending(ctx)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
