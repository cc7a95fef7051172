package client

import (
	"context"
	"iter"
	"slices"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// watchedStore reports how far the calls of a pool with many tasks are. The pool passes
// the tasks to its store in batches.
type watchedStore struct {
	pool.Store
	done   func(n int)        // called after a batch of n tasks
	looked func(matches bool) // called for each task that was compared with a filter; may be nil
}

// Watched returns a pool that calls done after each batch of tasks that it changes or
// enqueues.
func (c *Client) Watched(done func(n int)) (*pool.Pool, error) { return c.WatchedClosely(done, nil) }

// WatchedClosely is Watched. The pool also calls looked for each task that it compares
// with a filter.
func (c *Client) WatchedClosely(done func(n int), looked func(matches bool)) (*pool.Pool, error) {
	return pool.New(watchedStore{c.Store, done, looked}, pool.Config{Logger: c.log})
}

// Tasks compares kinds and groups itself, because the store would not report the tasks
// that do not match. The store selects by the fields that it has indexes for.
func (s watchedStore) Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error] {
	if s.looked == nil {
		return s.Store.Tasks(ctx, f)
	}
	of := func(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	all := f
	all.Kinds, all.Groups = nil, nil
	return func(yield func(*task.Task, error) bool) {
		for t, err := range s.Store.Tasks(ctx, all) {
			matches := err == nil && of(f.Kinds, t.Kind) && of(f.Groups, t.Group)
			if err == nil {
				s.looked(matches)
			}
			if (err != nil || matches) && !yield(t, err) {
				return
			}
		}
	}
}

func (s watchedStore) Enqueue(ctx context.Context, specs []task.Spec) ([]task.Receipt, error) {
	receipts, err := s.Store.Enqueue(ctx, specs)
	s.done(len(receipts))
	return receipts, err
}

func (s watchedStore) Stop(ctx context.Context, why string, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.Stop(ctx, why, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) Retry(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.Retry(ctx, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) Delete(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.Delete(ctx, ids...)
	s.done(len(changes))
	return changes, err
}
