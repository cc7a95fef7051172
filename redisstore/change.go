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
	changes, err := s.change(ctx, stopScript, []any{"", 0, why}, ids)
	return changes, s.fail(ctx, "stop", err)
}

// Retry puts ended tasks back into their queues, behind the waiting tasks of the same
// priority, with the priority and the payload of the edit.
func (s *Store) Retry(ctx context.Context, e task.Edit, ids ...string) ([]task.Change, error) {
	changes, err := s.changeOnce(ctx, retryScript, append(editArgs(e), e.AllShards), ids)
	return changes, s.fail(ctx, "retry", err)
}

// RunNow puts scheduled tasks into their queues before they are due.
func (s *Store) RunNow(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.changeOnce(ctx, runNowScript, nil, ids)
	return changes, s.fail(ctx, "run now", err)
}

// Change gives waiting and scheduled tasks the priority and the payload of the edit. With a
// new priority a waiting task takes a position behind those that have this priority.
func (s *Store) Change(ctx context.Context, e task.Edit, ids ...string) ([]task.Change, error) {
	changes, err := s.changeOnce(ctx, changeScript, editArgs(e), ids)
	return changes, s.fail(ctx, "change", err)
}

// editArgs returns the arguments of lib/edit.lua.
func editArgs(e task.Edit) []any {
	var priority any = ""
	if e.Priority != nil {
		priority = int(*e.Priority)
	}
	var payload any = e.Payload != nil
	if e.Rerun && e.Payload == nil {
		payload = "rerun"
	}
	return []any{priority, payload, e.Payload}
}

// Delete removes ended tasks with all their keys.
func (s *Store) Delete(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.change(ctx, deleteScript, []any{"", 0}, ids)
	return changes, s.fail(ctx, "delete", err)
}

// change calls a script with args and ids, page by page. With an error it returns the
// changes of the pages before.
func (s *Store) change(ctx context.Context, sc *script, args []any, ids []string) ([]task.Change, error) {
	return changePages(ids, changePage, func(page []string) (any, error) {
		return s.run(ctx, sc, slices.Concat(args, stringArgs(page))...)
	})
}

// changeOnce is change for a script that uses lib/changes.lua. A page has fewer tasks if args
// have a payload that is written to each of them.
func (s *Store) changeOnce(ctx context.Context, sc *script, args []any, ids []string) ([]task.Change, error) {
	seq := s.takeSequence()
	defer s.putSequence(seq)
	page := changePage
	for _, a := range args {
		if payload, ok := a.([]byte); ok && len(payload) > 0 {
			page = max(min(changePage, maxBatchBytes/len(payload)), 1)
		}
	}
	return changePages(ids, page, func(page []string) (any, error) {
		seq.call++
		return s.run(ctx, sc, slices.Concat([]any{seq.name + ":change", seq.call}, args, stringArgs(page))...)
	})
}

// changePages calls change for each page of at most n ids and decodes its replies. With an
// error it returns the changes of the pages before.
func changePages(ids []string, n int, change func(page []string) (any, error)) ([]task.Change, error) {
	changes := make([]task.Change, 0, len(ids))
	for page := range slices.Chunk(ids, n) {
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
			case -2:
				c.Err = task.ErrShardsLive
			case -4:
				c.Err = ErrChanged
			case -5:
				c.Err = ErrDamaged
			case -3:
				c.Err = &task.FieldError{Field: "payload", Msg: "is over 64 MiB with a copy for each shard: store it elsewhere and pass a reference"}
			}
			changes = append(changes, c)
		}
		if r.err != nil {
			return changes, r.err
		}
	}
	return changes, nil
}
