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

// Divide asks for a quotient.
type Divide struct{ A, B int }

func (Divide) Kind() string { return "math.divide" }

// Wait returns the result of a task once it has ended. If a task ends without success,
// Wait returns a *pool.TaskError.
func Example_wait() {
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
		Queues: map[string]pool.Queue{"default": {Workers: 4}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.HandleResult(p, func(ctx context.Context, t *pool.Task[Divide]) (int, error) {
		if t.Args.B == 0 {
			return 0, pool.Permanent(errors.New("division by zero"))
		}
		return t.Args.A / t.Args.B, nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	var ids []string
	for _, d := range []Divide{{84, 2}, {9, 3}, {1, 0}} {
		r, err := p.Enqueue(ctx, d)
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	for _, id := range ids {
		n, err := pool.Wait[int](ctx, p, id)
		var failed *pool.TaskError
		switch {
		case errors.As(err, &failed):
			fmt.Println(failed.State, failed.Code, failed.Message)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(n)
		}
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 42
	// 3
	// failed permanent division by zero
}
