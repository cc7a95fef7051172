package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// The signals that have a meaning of their own. Any other one only ends the wait.
const (
	queueSignal = "q:" // a prefix: the name of a queue that has claimable tasks follows
	drainSignal = "drain"
	// A trigger of the pool is due earlier than all others were.
	triggersSignal = "triggers"
	// A parent has children to make or to stop.
	shardsSignal = "shards"
)

// Listen waits for a signal to the replica, for wait or a second, whichever is longer. It
// returns the zero Signal if there was none.
func (s *Store) Listen(ctx context.Context, replica string, wait time.Duration) (task.Signal, error) {
	var signal task.Signal
	err := s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) error {
		got, err := rdb.BLPop(ctx, max(wait, time.Second), s.key("signals:", replica)).Result()
		if err != nil || len(got) < 2 {
			return err
		}
		if queue, ok := strings.CutPrefix(got[1], queueSignal); ok {
			signal.Queue = queue
		} else if got[1] == triggersSignal {
			signal.Triggers = true
		} else if got[1] == shardsSignal {
			signal.Shards = true
		} else {
			signal.Check, signal.Drain = true, got[1] == drainSignal
		}
		return nil
	})
	return signal, s.fail(ctx, "listen", ignoreNil(err))
}

// Wake makes the replica's Listen return.
func (s *Store) Wake(ctx context.Context, replica string) error {
	_, err := s.run(ctx, signalScript, replica)
	return s.fail(ctx, "wake replica", err)
}

// Drain asks replicas to drain. Their Listen returns. While they are on the list, each of
// their Exchange and Renew calls reports the request. The result is false for a replica
// that is not on the list.
func (s *Store) Drain(ctx context.Context, replicas ...string) ([]bool, error) {
	asked := make([]bool, len(replicas))
	for i, replica := range replicas {
		reply, err := s.run(ctx, drainScript, replica)
		if err != nil {
			return nil, s.fail(ctx, "drain", err)
		}
		r := readSingle("drain", reply)
		if asked[i] = r.int() == 1; r.err != nil {
			return nil, r.err
		}
	}
	return asked, nil
}

// wakeAll signals replicas for every queue that has claimable tasks.
func (s *Store) wakeAll(ctx context.Context) error {
	queues, err := s.queues(ctx)
	if err != nil {
		return err
	}
	for len(queues) > 0 {
		var page []string
		page, queues = splitAt(queues, queuePage)
		if _, err := s.run(ctx, wakeScript, stringArgs(page)...); err != nil {
			return err
		}
	}
	return nil
}
