package pool_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// Notify sends a message to a telephone.
type Notify struct{ Text string }

func (Notify) Kind() string { return "phone.notify" }

// language is the key of a context's value.
type language struct{}

// Middleware wraps every handler; the first one is the outermost. It gets the task, may
// change the context, and gets what the handler returns. Use it for logs, traces,
// metrics and everything else that all handlers share.
func Example_middleware() {
	logged := func(next pool.Handler) pool.Handler {
		return func(ctx context.Context, t *task.Task) ([]byte, error) {
			fmt.Println("begin", t.Kind)
			result, err := next(ctx, t)
			fmt.Println("end", t.Kind, err)
			return result, err
		}
	}
	localized := func(next pool.Handler) pool.Handler {
		return func(ctx context.Context, t *task.Task) ([]byte, error) {
			return next(context.WithValue(ctx, language{}, t.Headers["lang"]), t)
		}
	}

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
		Queues:     map[string]pool.Queue{"default": {Workers: 1}},
		Middleware: []pool.Middleware{logged, localized},
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Notify]) error {
		fmt.Println(ctx.Value(language{}), t.Args.Text)
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Notify{"bonjour"}, pool.Headers(map[string]string{"lang": "fr"}))
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
	// begin phone.notify
	// fr bonjour
	// end phone.notify <nil>
}
