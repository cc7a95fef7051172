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

// Remind reminds a customer of a full basket.
type Remind struct{ Customer string }

func (Remind) Kind() string { return "basket.remind" }

// Delay delays the start of a task, by the clock of Redis; it never starts early. RunAt
// takes a time instead.
func Example_delay() {
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
	const delay = 50 * time.Millisecond
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Remind]) error {
		fmt.Printf("%s: too early: %v\n", t.Args.Customer, t.StartedAt.Sub(t.CreatedAt) < delay)
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Remind{"ann"}, pool.Delay(delay))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ann:", r.State)
	if _, err := p.WaitTask(ctx, r.ID); err != nil {
		log.Fatal(err)
	}

	r, err = p.Enqueue(ctx, Remind{"bob"}, pool.RunAt(time.Now().Add(24*time.Hour)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("bob:", r.State)

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// ann: scheduled
	// ann: too early: false
	// bob: scheduled
}
