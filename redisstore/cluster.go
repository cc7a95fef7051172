package redisstore

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A cluster that moves the pool's slot, or elects its master, refuses calls
// without executing them, or cannot be connected to. They are made again every
// unstablePause. After unstableTime, or at the end of their context, the caller gets the
// refusal.
const (
	unstableTime  = 5 * time.Second
	unstablePause = 50 * time.Millisecond
)

// transient are the refusals that pass by themselves.
var transient = []string{
	"TRYAGAIN",    // the slot is being moved: see the prefix key in lua/lib/base.lua
	"ASK ",        // the same, after the meta hash has gone
	"MOVED ",      // to a node that the client's map of the cluster does not show yet
	"CLUSTERDOWN", // its master is gone and has no successor yet
}

func isTransient(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" || slices.ContainsFunc(transient, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

// isAstray reports whether the server is one node of a cluster and the client one
// for a single server: a client for clusters follows such a refusal.
func (s *Store) isAstray(err error) bool {
	_, cluster := s.rdb.(*redis.ClusterClient)
	return !cluster && redis.HasErrorPrefix(err, "MOVED ")
}

// home is the server that has the pool's keys.
func (s *Store) home(ctx context.Context) (redis.UniversalClient, error) {
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, s.prefix)
	}
	return s.rdb, nil
}

// retryUnstable makes a call that may be repeated, and makes it again while a cluster
// refuses it for the time being. It returns the last refusal rather than the end
// of the context, which says less.
func (s *Store) retryUnstable(ctx context.Context, rdb redis.Cmdable, call func() error) error {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return call()
	}
	late := time.Now().Add(unstableTime)
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
		if time.Now().After(late) || !pause(ctx, unstablePause) {
			return refused
		}
	}
}

// reload makes the client read in the background which node holds what, if the error
// indicates that it may not know. On its own it learns of a takeover only from a
// redirection, which the old master, being dead, does not send, or within a minute.
func reload(ctx context.Context, cluster *redis.ClusterClient, err error) {
	if isOutdated(ctx, err) {
		cluster.ReloadState(ctx)
	}
}

// isOutdated reports whether a call ended as it does if the client's map of the
// cluster is old: refused for the time being, or without an answer though it had
// time for one.
func isOutdated(ctx context.Context, err error) bool {
	var network net.Error
	silent := errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, redis.ErrPoolTimeout)
	return isTransient(err) || silent && ctx.Err() == nil
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
