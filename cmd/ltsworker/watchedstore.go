package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// watchedStore tells how far the calls of a pool are that handle many tasks: pool
// passes them to its store in batches.
type watchedStore struct {
	pool.Store
	done func(n int) // called after a batch of n tasks
}

// watched is the client's pool, with done called after each batch of tasks.
func (c *client) watched(done func(n int)) (*pool.Pool, error) {
	return pool.New(watchedStore{c.store, done}, pool.Config{Logger: newLogger(os.Stderr, slog.LevelWarn)})
}

func (s watchedStore) Enqueue(ctx context.Context, specs []worker.Spec) ([]worker.Receipt, error) {
	receipts, err := s.Store.Enqueue(ctx, specs)
	s.done(len(receipts))
	return receipts, err
}

func (s watchedStore) Stop(ctx context.Context, why string, ids ...string) ([]worker.Change, error) {
	changes, err := s.Store.Stop(ctx, why, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) Retry(ctx context.Context, ids ...string) ([]worker.Change, error) {
	changes, err := s.Store.Retry(ctx, ids...)
	s.done(len(changes))
	return changes, err
}

func (s watchedStore) Delete(ctx context.Context, ids ...string) ([]worker.Change, error) {
	changes, err := s.Store.Delete(ctx, ids...)
	s.done(len(changes))
	return changes, err
}
