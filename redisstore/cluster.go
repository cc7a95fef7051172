package redisstore

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/backoff"
)

// A cluster that moves the pool's slot or elects a master refuses calls without
// executing them, or cannot be reached. A call is repeated every unstablePause. After
// unstableTime, or when its context ends, the caller gets the error.
const (
	unstableTime  = 5 * time.Second
	unstablePause = 50 * time.Millisecond
)

// transient are the prefixes of errors that end without an operator's action.
var transient = []string{
	"TRYAGAIN",    // the slot is being moved: see KEYS[1] in lua/lib/base.lua
	"ASK ",        // the same, after the meta hash was moved
	"MOVED ",      // the slot was moved to a node that the client does not know yet
	"CLUSTERDOWN", // a master failed and has no successor yet
}

func isTransient(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" || slices.ContainsFunc(transient, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

// isSingleNode reports whether the error shows that the server is a node of a cluster,
// but the client is for a single server. A client for clusters follows a MOVED.
func (s *Store) isSingleNode(err error) bool {
	_, cluster := s.rdb.(*redis.ClusterClient)
	return !cluster && redis.HasErrorPrefix(err, "MOVED ")
}

// primary returns a client for the server that has the pool's keys.
func (s *Store) primary(ctx context.Context) (redis.UniversalClient, error) {
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, s.prefix)
	}
	return s.rdb, nil
}

// retryUnstable makes a call, and repeats it while it fails with a transient error of a
// cluster. If ctx ends meanwhile, it returns the last of these errors rather than that
// of ctx, which says less.
func (s *Store) retryUnstable(ctx context.Context, rdb redis.Cmdable, call func() error) error {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return call()
	}
	deadline := time.Now().Add(unstableTime)
	var refused error
	for {
		err := call()
		if err == nil {
			return nil
		}
		reload(ctx, cluster, err)
		switch {
		case isTransient(err):
			refused = err
		case refused != nil && ctx.Err() != nil:
			return refused
		default:
			return err
		}
		if time.Now().After(deadline) || backoff.Sleep(ctx, unstablePause) != nil {
			return refused
		}
	}
}

// reload makes the client read the slots of the nodes in the background, if the error
// indicates that it may not know them. Without that the client reads them when a node
// redirects it, which a failed master does not, or within a minute.
func reload(ctx context.Context, cluster *redis.ClusterClient, err error) {
	if isOutdated(ctx, err) {
		cluster.ReloadState(ctx)
	}
}

// isOutdated reports whether the error indicates that the client's map of the cluster is
// outdated: a transient error, or no reply although ctx had not ended.
func isOutdated(ctx context.Context, err error) bool {
	var network net.Error
	silent := errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, redis.ErrPoolTimeout)
	return isTransient(err) || silent && ctx.Err() == nil
}
