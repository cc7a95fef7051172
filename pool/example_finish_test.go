package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Order is the order of a customer.
type Order struct{ Number int }

func (Order) Kind() string { return "shop.order" }

// OnFinish is called for every task that ends, however it ended: by a handler, a
// timeout or an operator. It is called at least once, by one of the replicas that set
// it.
func Example_onFinish() {
	ends := make(chan pool.Event, 10)

	m, err := miniredis.Run() // in a service: your Redis
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true})
	defer rdb.Close()
	store := redisstore.New(rdb, "shop")
	defer store.Close()
	p, err := pool.New(store, pool.Config{
		Queues:   map[string]pool.Queue{"default": {Workers: 1}},
		OnFinish: func(ctx context.Context, e pool.Event) { ends <- e },
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Order]) error {
		if t.Args.Number == 2 {
			return pool.Permanent(errors.New("sold out"))
		}
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for n := range 3 {
		if _, err := p.Enqueue(ctx, Order{n + 1}, pool.ID(fmt.Sprint("order-", n+1))); err != nil {
			log.Fatal(err)
		}
	}
	for range 3 {
		e := <-ends
		fmt.Println(e.ID, e.State, e.Code)
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// order-1 succeeded ok
	// order-2 failed permanent
	// order-3 succeeded ok
}
