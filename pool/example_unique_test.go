package pool_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Reindex builds the search index of a shop.
type Reindex struct{ Shop string }

func (Reindex) Kind() string { return "search.reindex" }

// Unique and UniqueByArgs allow one live task with the same key or the same arguments.
// ID allows one task with the same id, including ended tasks that are kept. A duplicate
// is no error.
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
	first, err := p.Enqueue(ctx, Reindex{"acme"}, pool.UniqueByArgs())
	if err != nil {
		log.Fatal(err)
	}
	second, err := p.Enqueue(ctx, Reindex{"acme"}, pool.UniqueByArgs())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("duplicate:", second.Duplicate, "of the first:", second.ID == first.ID, "which is", second.State)

	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	if _, err := p.WaitTask(ctx, first.ID); err != nil {
		log.Fatal(err)
	}
	third, err := p.Enqueue(ctx, Reindex{"acme"}, pool.UniqueByArgs()) // the first has ended
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.WaitTask(ctx, third.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println("duplicate:", third.Duplicate)

	// One reindexing of any shop at a time:
	if _, err := p.Enqueue(ctx, Reindex{"acme"}, pool.Unique("the search index"), pool.Delay(time.Hour)); err != nil {
		log.Fatal(err)
	}
	other, err := p.Enqueue(ctx, Reindex{"birch"}, pool.Unique("the search index"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("another shop, duplicate:", other.Duplicate)
	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// duplicate: true of the first: true which is waiting
	// reindexing acme
	// reindexing acme
	// duplicate: false
	// another shop, duplicate: true
}
