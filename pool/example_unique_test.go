package pool_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Reindex builds the search index of a shop.
type Reindex struct{ Shop string }

func (Reindex) Kind() string { return "search.reindex" }

// Unique keeps a second task from being made while one with the same key lives. ID
// does so as long as there is a task with that id, ended ones that are kept
// included. Neither is an error.
func Example_unique() {
	m, err := miniredis.Run() // in a service: your Redis
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true})
	defer rdb.Close()
	store := redisstore.New(rdb, "shop")
	defer store.Close()
	p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 1}}})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Reindex]) error {
		fmt.Println("reindexing", t.Args.Shop)
		return nil
	})

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	first, err := p.Enqueue(ctx, Reindex{"acme"}, pool.Unique("reindex:acme"))
	if err != nil {
		log.Fatal(err)
	}
	second, err := p.Enqueue(ctx, Reindex{"acme"}, pool.Unique("reindex:acme"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("duplicate:", second.Duplicate, "of the first:", second.ID == first.ID, "which is", second.State)

	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	if _, err := p.WaitTask(ctx, first.ID); err != nil {
		log.Fatal(err)
	}
	third, err := p.Enqueue(ctx, Reindex{"acme"}, pool.Unique("reindex:acme")) // the key is free again
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.WaitTask(ctx, third.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println("duplicate:", third.Duplicate)
	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// duplicate: true of the first: true which is waiting
	// reindexing acme
	// reindexing acme
	// duplicate: false
}
