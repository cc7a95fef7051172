package pool_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Convert converts a video.
type Convert struct{ URL string }

func (Convert) Kind() string { return "video.convert" }

// A handler writes the log of its attempt with Logf, and with a logger of package slog.
// The log can be read while the attempt runs, and stays in the history of the task.
func Example_log() {
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
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Convert]) error {
		t.Logf("reading %s", t.Args.URL)
		<-seen // wait until the log was read
		options := &slog.HandlerOptions{ReplaceAttr: withoutTime}
		slog.New(t.LogHandler(options)).Info("converted", "frames", 1200)
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r, err := p.Enqueue(ctx, Convert{URL: "https://example.com/a.mov"})
	if err != nil {
		log.Fatal(err)
	}
	for range time.Tick(10 * time.Millisecond) {
		t, err := p.Get(ctx, r.ID)
		if err != nil {
			log.Fatal(err)
		}
		if t.Log != "" {
			fmt.Printf("%s: %s", t.State, t.Log)
			break
		}
	}
	close(seen)
	if _, err := p.WaitTask(ctx, r.ID); err != nil {
		log.Fatal(err)
	}
	history, err := p.History(ctx, r.ID)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range history {
		fmt.Printf("attempt %d, %s:\n%s", a.Attempt, a.Code, a.Log)
	}

	stop() // drain
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// running: reading https://example.com/a.mov
	// attempt 1, ok:
	// reading https://example.com/a.mov
	// level=INFO msg=converted frames=1200
}

// withoutTime removes the time of a record, which differs from run to run.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
