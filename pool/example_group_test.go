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

// Export writes a customer's data into a file.
type Export struct{ File string }

func (Export) Kind() string { return "data.export" }

// A group is any key: a customer, a licence, a device. The tasks of one group never
// exceed its limit over all replicas, and they do not delay the tasks of other groups.
func Example_groupLimit() {
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
		Queues: map[string]pool.Queue{"default": {Workers: 8}},
		Groups: pool.Groups{
			DefaultLimit: 1,                        // one export per customer at a time
			Limits:       map[string]int{"big": 5}, // except for this one
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	birch := make(chan struct{})
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Export]) error {
		switch t.Args.File {
		case "acme-1":
			<-birch // acme is busy until birch has run
		case "birch-1":
			defer close(birch)
		}
		fmt.Println(t.Args.File)
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	var last pool.Receipt
	for _, task := range []struct{ group, file string }{
		{"acme", "acme-1"}, {"acme", "acme-2"}, {"acme", "acme-3"}, {"birch", "birch-1"},
	} {
		r, err := p.Enqueue(ctx, Export{task.file}, pool.Group(task.group))
		if err != nil {
			log.Fatal(err)
		}
		if task.file == "acme-3" {
			last = r
		}
	}
	if _, err := p.WaitTask(ctx, last.ID); err != nil {
		log.Fatal(err)
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// birch-1
	// acme-1
	// acme-2
	// acme-3
}
