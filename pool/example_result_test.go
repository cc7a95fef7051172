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

// Resize asks for a smaller picture.
type Resize struct {
	URL   string
	Width int
}

func (Resize) Kind() string { return "image.resize" }

// Resized is the answer.
type Resized struct {
	URL   string
	Bytes int
}

// A handler set with HandleResult has a typed result. The result is kept, for an hour
// by default, and every client can read it.
func Example_typedResult() {
	m, err := miniredis.Run() // in a service: your Redis
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true})
	defer rdb.Close()
	store := redisstore.New(rdb, "shop")
	defer store.Close()
	p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 2}}})
	if err != nil {
		log.Fatal(err)
	}
	pool.HandleResult(p, func(ctx context.Context, t *pool.Task[Resize]) (Resized, error) {
		return Resized{URL: t.Args.URL + "?small", Bytes: t.Args.Width * 100}, nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Resize{URL: "https://example.com/cat.png", Width: 320})
	if err != nil {
		log.Fatal(err)
	}
	small, err := pool.Wait[Resized](ctx, p, r.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s has %d bytes\n", small.URL, small.Bytes)

	again, err := pool.Result[Resized](ctx, p, r.ID) // the task has ended
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("still there:", again == small)

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// https://example.com/cat.png?small has 32000 bytes
	// still there: true
}
