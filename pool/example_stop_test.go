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

// Render makes a film, which takes hours.
type Render struct{ Film string }

func (Render) Kind() string { return "film.render" }

// Stop ends tasks in any state. Waiting tasks are stopped at once. The context of a
// running handler is cancelled with the cause ErrStopped.
func Example_stop() {
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
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	started := make(chan struct{})
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Render]) error {
		close(started)
		<-ctx.Done() // the film would be rendered here
		fmt.Println("cancelled:", context.Cause(ctx))
		return context.Cause(ctx)
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	running, err := p.Enqueue(ctx, Render{"one"})
	if err != nil {
		log.Fatal(err)
	}
	waiting, err := p.Enqueue(ctx, Render{"two"})
	if err != nil {
		log.Fatal(err)
	}
	<-started

	n, err := p.Stop(ctx, pool.Filter{Kinds: []string{"film.render"}}, "the customer cancelled")
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []string{running.ID, waiting.ID} {
		_, err := pool.Wait[any](ctx, p, id)
		var end *pool.TaskError
		if errors.As(err, &end) {
			fmt.Println(end.State, "because", end.Message)
		}
	}
	fmt.Println(n, "tasks")

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// cancelled: task was stopped
	// stopped because the customer cancelled
	// stopped because the customer cancelled
	// 2 tasks
}
