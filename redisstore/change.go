package redisstore

import (
	"context"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// Stop ends tasks that are not running. It requests that the replicas of running
// tasks cancel their handlers. The default of why is "stopped by request".
func (s *Store) Stop(ctx context.Context, why string, ids ...string) ([]task.Change, error) {
	if why == "" {
		why = "stopped by request"
	}
	changes, err := s.change(ctx, stopScript, []any{why}, ids)
	return changes, s.fail(ctx, "stop", err)
}

// Retry puts ended tasks back into their queues, behind the waiting tasks of the same
// priority.
func (s *Store) Retry(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.changeOnce(ctx, retryScript, nil, ids)
	return changes, s.fail(ctx, "retry", err)
}

// RunNow puts scheduled tasks into their queues before they are due.
func (s *Store) RunNow(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.changeOnce(ctx, runNowScript, nil, ids)
	return changes, s.fail(ctx, "run now", err)
}

// Delete removes ended tasks with all their keys.
func (s *Store) Delete(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.change(ctx, deleteScript, nil, ids)
	return changes, s.fail(ctx, "delete", err)
}

// change calls a script with args and ids, page by page. With an error it returns the
// changes of the pages before.
func (s *Store) change(ctx context.Context, sc *script, args []any, ids []string) ([]task.Change, error) {
	return changePages(ids, func(page []string) (any, error) {
		return s.run(ctx, sc, slices.Concat(args, stringArgs(page))...)
	})
}

// changeOnce is change for a script that uses lib/changes.lua.
func (s *Store) changeOnce(ctx context.Context, sc *script, args []any, ids []string) ([]task.Change, error) {
	seq := s.takeSequence()
	defer s.putSequence(seq)
	return changePages(ids, func(page []string) (any, error) {
		seq.call++
		return s.run(ctx, sc, slices.Concat([]any{seq.name + ":change", seq.call}, args, stringArgs(page))...)
	})
}

// changePages calls change for each page of the ids and decodes its replies. With an error
// it returns the changes of the pages before.
func changePages(ids []string, change func(page []string) (any, error)) ([]task.Change, error) {
	changes := make([]task.Change, 0, len(ids))
	for page := range slices.Chunk(ids, changePage) {
		reply, err := change(page)
		if err != nil {
			return changes, err
		}
		r := readReply("the answer", reply)
		for _, id := range page {
			c := task.Change{ID: id, State: task.State(r.string())}
			switch r.int() {
			case 1:
				c.Done = true
			case -1:
				c.Err = task.ErrUniqueTaken
			}
			changes = append(changes, c)
		}
		if r.err != nil {
			return changes, r.err
		}
	}
	return changes, nil
}
