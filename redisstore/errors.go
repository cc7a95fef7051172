package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// fail wraps an error with the name of the operation, and adds advice if there is a
// known remedy. It returns nil for nil. An ErrDenied and an ErrSchema are complete
// without the name.
func (s *Store) fail(ctx context.Context, doing string, err error) error {
	if err == nil || errors.Is(err, task.ErrDenied) || errors.Is(err, task.ErrSchema) {
		return err
	}
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		reload(ctx, c, err)
	}
	msg := err.Error()
	switch {
	case strings.HasPrefix(msg, "SCHEMA "):
		return s.schemaError(strings.TrimPrefix(msg, "SCHEMA "))
	case strings.HasPrefix(msg, "NOAUTH"), strings.HasPrefix(msg, "WRONGPASS"):
		err = advise(err, "give the password in the Redis URL, from the environment or a file")
	case isRefused(err):
		s.access.granted.Store(false) // the rights may have changed: check them again before the next call
		return s.denied(err)
	case strings.HasPrefix(msg, "OOM"):
		err = advise(err, "Redis is at maxmemory: raise it, shorten retention, or let the pool drain")
	case strings.HasPrefix(msg, "READONLY"):
		err = advise(err, "this server is a replica: connect to the primary, or through Sentinel or the cluster client")
	case s.isSingleNode(err):
		err = advise(err, "this is one node of a cluster: use a client for clusters, or a URL with redis-cluster://")
	case strings.HasPrefix(msg, "TRYAGAIN"):
		err = advise(err, "the cluster is moving the pool to another master: try again when that is done")
	case strings.HasPrefix(msg, "LOADING"):
		err = advise(err, "Redis is starting: try again when it has read its data")
	case strings.HasPrefix(msg, "BUSY "):
		err = advise(err, "a script of another program blocks Redis: SCRIPT KILL ends it")
	case strings.HasPrefix(msg, "MASTERDOWN"):
		err = advise(err, "this server is a replica that has lost its primary: connect to the primary, or through Sentinel or the cluster client")
	case strings.HasPrefix(msg, "WRONGTYPE"):
		err = advise(err, "another program has overwritten a key of pool "+s.pool+": find it with ltsworker doctor")
	case strings.HasPrefix(msg, "MISCONF"):
		err = advise(err, "Redis cannot write its snapshot to disk: see its log")
	case strings.Contains(msg, "unknown command"):
		msg, _, _ = strings.Cut(msg, ", with args beginning") // what follows may be long
		err = advise(errors.New(msg), "Redis 7.0 or newer is needed, with all commands that replicas use; a managed server may lack some")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func advise(err error, advice string) error { return &task.AdvisedError{Err: err, Do: advice} }
