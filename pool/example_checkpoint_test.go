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

// Migrate copies the rows of a table in parts.
type Migrate struct{ Parts int }

func (Migrate) Kind() string { return "table.migrate" }

// Checkpoint stores how far a handler is. If the attempt loses its lease or is released,
// the next one continues from there. A failed attempt removes the checkpoint.
func Example_checkpoint() {
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
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Migrate]) error {
		part := 0
		if _, err := t.ReadCheckpoint(&part); err != nil {
			return err
		}
		for ; part < t.Args.Parts; part++ {
			fmt.Printf("attempt %d copies part %d\n", t.Attempt, part)
			if err := t.Checkpoint(ctx, part+1); err != nil {
				return err // another replica may run the task, or ctx has ended
			}
			if t.Attempt == 1 && part == 1 {
				return pool.Snooze(time.Millisecond) // as if the replica had to drain
			}
		}
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Migrate{Parts: 4})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.WaitTask(ctx, r.ID); err != nil {
		log.Fatal(err)
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// attempt 1 copies part 0
	// attempt 1 copies part 1
	// attempt 2 copies part 2
	// attempt 2 copies part 3
}
