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

// Ticket is a customer's call for help.
type Ticket struct{ Subject string }

func (Ticket) Kind() string { return "support.ticket" }

// Tasks with a higher priority start first, equal ones in the order in which they were
// added.
func Example_priority() {
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
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Ticket]) error {
		fmt.Println(t.Priority, t.Args.Subject)
		return nil
	})

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var last pool.Receipt
	for _, t := range []struct {
		subject  string
		priority int8
	}{
		{"a typo on the front page", -5},
		{"how do I change my name?", 0},
		{"nobody can pay", 100},
		{"where is my parcel?", 0},
	} {
		r, err := p.Enqueue(ctx, Ticket{t.subject}, pool.Priority(t.priority))
		if err != nil {
			log.Fatal(err)
		}
		if t.priority < 0 {
			last = r
		}
	}

	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	if _, err := p.WaitTask(ctx, last.ID); err != nil {
		log.Fatal(err)
	}
	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 100 nobody can pay
	// 0 how do I change my name?
	// 0 where is my parcel?
	// -5 a typo on the front page
}
