package client

import (
	"context"
	"iter"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// watchedStore reports how far the calls of a pool with many tasks are. The pool passes
// the tasks to its store in batches.
type watchedStore struct {
	pool.Store
	done    func(n int)         // called after a batch of n tasks
	read    func(read int)      // called with the number of tasks that a filter has read; may be nil
	matched func()              // called for each task that matches a filter; may be nil
	stopped func([]task.Change) // called after a batch of stops; may be nil
}

// Watched returns a pool that calls done after each batch of tasks that it changes or
// enqueues.
func (c *Client) Watched(done func(n int)) (*pool.Pool, error) {
	return c.WatchedClosely(done, nil, nil, nil)
}

// WatchedClosely is Watched. The pool also calls read with the number of tasks that a
// filter has read, matched for each task that matches it, and stopped after each batch
// of tasks that it stops.
func (c *Client) WatchedClosely(done, read func(n int), matched func(), stopped func([]task.Change)) (*pool.Pool, error) {
	return pool.New(watchedStore{c.Store, done, read, matched, stopped}, pool.Config{Logger: c.log, Tracer: c.tracer})
}

func (s watchedStore) Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error] {
	f.Progress = s.read
	return func(yield func(*task.Task, error) bool) {
		for t, err := range s.Store.Tasks(ctx, f) {
			if err == nil && s.matched != nil {
				s.matched()
			}
			if !yield(t, err) {
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
	if s.stopped != nil {
		s.stopped(changes)
	}
	return changes, err
}

func (s watchedStore) Retry(ctx context.Context, e task.Edit, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.Retry(ctx, e, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) RunNow(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.RunNow(ctx, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) Change(ctx context.Context, e task.Edit, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.Change(ctx, e, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) Delete(ctx context.Context, ids ...string) ([]task.Change, error) {
	changes, err := s.Store.Delete(ctx, ids...)
	s.done(len(changes))
	return changes, err
}
