package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Invoice asks for payment.
type Invoice struct{ Amount int }

func (Invoice) Kind() string { return "billing.invoice" }

// Subscribe shares the events among all subscribers of the same group, in any process.
// An event whose function returns an error is delivered again. Each group gets all
// events.
func Example_subscribe() {
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
		Queues:    map[string]pool.Queue{"default": {Workers: 1}},
		Redeliver: 100 * time.Millisecond, // how long an event may stay unacknowledged; default 30 s
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Invoice]) error { return nil })
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	// A new group starts with the events after its first Subscribe, so this program
	// waits for one event. In a service the group exists already.
	subscribed, paid := make(chan struct{}), make(chan struct{})
	var once sync.Once
	calls := 0
	left := make(chan error, 1)
	go func() {
		left <- p.Subscribe(ctx, "ledger", func(ctx context.Context, e pool.Event) error {
			once.Do(func() { close(subscribed) })
			if e.ID != "invoice-1" || e.State != pool.Succeeded {
				return nil
			}
			if calls++; calls == 1 {
				fmt.Println("the ledger is locked")
				return errors.New("locked") // delivered again
			}
			fmt.Println("booked", e.ID)
			close(paid)
			return nil
		})
	}()
	for waiting := true; waiting; {
		select {
		case <-subscribed:
			waiting = false
		default:
			if _, err := p.Enqueue(ctx, Invoice{0}); err != nil {
				log.Fatal(err)
			}
		}
	}

	if _, err := p.Enqueue(ctx, Invoice{100}, pool.ID("invoice-1")); err != nil {
		log.Fatal(err)
	}
	<-paid
	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	if err := <-left; err != nil {
		log.Fatal(err)
	}
	// Output:
	// the ledger is locked
	// booked invoice-1
}
