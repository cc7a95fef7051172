package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// Stop ends tasks that are not running at once and asks for the end of running
// ones, whose replicas cancel their handlers.
func (s *Store) Stop(ctx context.Context, why string, ids ...string) ([]worker.Change, error) {
	if why == "" {
		why = "stopped by request"
	}
	changes, err := s.change(ctx, stopScript, "stop", []any{why}, ids)
	return changes, s.fail(ctx, "stop", err)
}

// Retry puts ended tasks back into their queues, at the end of the line.
func (s *Store) Retry(ctx context.Context, ids ...string) ([]worker.Change, error) {
	changes, err := s.change(ctx, retryScript, "retry", nil, ids)
	return changes, s.fail(ctx, "retry", err)
}

// Delete removes ended tasks and everything of them.
func (s *Store) Delete(ctx context.Context, ids ...string) ([]worker.Change, error) {
	changes, err := s.change(ctx, deleteScript, "delete", nil, ids)
	return changes, s.fail(ctx, "delete", err)
}

// changeBatch is how many tasks one call changes.
const changeBatch = 500

func (s *Store) change(ctx context.Context, sc *redis.Script, what string, args []any, ids []string) ([]worker.Change, error) {
	if err := s.mayWrite(ctx); err != nil {
		return nil, err
	}
	changes := make([]worker.Change, 0, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), changeBatch)
		call := append([]any{}, args...)
		for _, id := range ids[:n] {
			call = append(call, id)
		}
		reply, err := s.run(ctx, sc, call...)
		if err != nil {
			return changes, err
		}
		r := readReply(what, reply)
		for _, id := range ids[:n] {
			c := worker.Change{ID: id, State: worker.State(r.string())}
			switch r.int() {
			case 1:
				c.Done = true
			case -1:
				c.Err = worker.ErrUniqueTaken
			}
			changes = append(changes, c)
		}
		if r.err != nil {
			return changes, r.err
		}
		ids = ids[n:]
	}
	return changes, nil
}
