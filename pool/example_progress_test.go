package pool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Import reads a catalogue of many pages.
type Import struct{ Pages int }

func (Import) Kind() string { return "catalogue.import" }

// Done is how far an import is.
type Done struct{ Pages, Of int }

// SetProgress publishes how far a handler is. It does not call Redis: the progress is
// sent with the next renewal of leases, within about a second.
func Example_progress() {
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
	seen := make(chan struct{})
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Import]) error {
		for page := range t.Args.Pages {
			if err := t.SetProgress(Done{Pages: page + 1, Of: t.Args.Pages}); err != nil {
				return err
			}
		}
		<-seen // wait until the progress was read
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Import{Pages: 12})
	if err != nil {
		log.Fatal(err)
	}
	for range time.Tick(10 * time.Millisecond) {
		t, err := p.Get(ctx, r.ID)
		if err != nil {
			log.Fatal(err)
		}
		var done Done
		if t.Progress == nil {
			continue // no progress yet
		}
		if err := json.Unmarshal(t.Progress, &done); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, page %d of %d\n", t.State, done.Pages, done.Of)
		break
	}
	close(seen)

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// running, page 12 of 12
}
