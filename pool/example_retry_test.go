package pool_test

import (
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

// Charge takes money from a card.
type Charge struct{ Card string }

func (Charge) Kind() string { return "card.charge" }

// A failed attempt is repeated after a backoff until the attempts are used up.
// Permanent, RetryAfter and Snooze change that.
func Example_retryPolicy() {
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
		Queues: map[string]pool.Queue{"default": {Workers: 1}},
		Policies: map[string]pool.Policy{"card.charge": {
			MaxAttempts: 3, // default 5
			// Default: from 1 s to 10 min, with jitter.
			Backoff: pool.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond},
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Charge]) error {
		fmt.Printf("%s, attempt %d, failures %d\n", t.Args.Card, t.Attempt, t.Failures)
		switch {
		case t.Args.Card == "expired":
			return pool.Permanent(errors.New("no retry mends this"))
		case t.Args.Card == "busy" && t.Attempt == 1:
			return pool.RetryAfter(errors.New("the bank said when to come back"), 5*time.Millisecond)
		case t.Args.Card == "locked" && t.Attempt == 1:
			return pool.Snooze(5 * time.Millisecond) // not ready yet: uses no attempt
		case t.Args.Card == "broken":
			return errors.New("the terminal does not answer")
		}
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for _, card := range []string{"expired", "busy", "locked", "broken"} {
		r, err := p.Enqueue(ctx, Charge{card})
		if err != nil {
			log.Fatal(err)
		}
		t, err := p.WaitTask(ctx, r.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(" ", t.State, t.Code)
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// expired, attempt 1, failures 0
	//   failed permanent
	// busy, attempt 1, failures 0
	// busy, attempt 2, failures 1
	//   succeeded ok
	// locked, attempt 1, failures 0
	// locked, attempt 2, failures 0
	//   succeeded ok
	// broken, attempt 1, failures 0
	// broken, attempt 2, failures 1
	// broken, attempt 3, failures 2
	//   failed error
}
