package pool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Backup copies a database.
type Backup struct{ Database string }

func (Backup) Kind() string { return "database.backup" }

// Every change of state is an event, written in the same step as the change. Events
// yields the events of all tasks to every reader, from any point that is still kept.
func Example_events() {
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
		Policies: map[string]pool.Policy{"database.backup": {Backoff: pool.Backoff{Fixed: true, Base: 5 * time.Millisecond}}},
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Backup]) error {
		if t.Attempt == 1 {
			return errors.New("the disk is full")
		}
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Backup{"orders"})
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range p.Events(ctx, "0") { // from the oldest; "" is from now on
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s %s\n", e.Version, e.State, cmp.Or(e.Error, string(e.Code), "-"))
		if e.ID == r.ID && e.State.Terminal() {
			break
		}
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 waiting -
	// 2 running -
	// 3 scheduled the disk is full
	// 4 waiting -
	// 5 running -
	// 6 succeeded ok
}
