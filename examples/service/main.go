// Service embeds a pool in a Go program. It enqueues twenty pictures for three tenants,
// resizes them under a limit per tenant, waits for the results and drains on SIGTERM.
//
//	go run ./examples/service                    with an embedded Redis
//	LTS_REDIS=redis://127.0.0.1:6379/0 go run ./examples/service
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Resize is the payload of a task. Its Kind selects the handler.
type Resize struct {
	URL   string `json:"url"`
	Width int    `json:"width"`
}

// workTime is how long one picture takes.
var workTime = 20 * time.Millisecond

// Kind is the kind under which any program enqueues this task.
func (Resize) Kind() string { return "image.resize" }

// Resized is the result of the task.
type Resized struct {
	Bytes int `json:"bytes"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	url := os.Getenv("LTS_REDIS")
	if url == "" {
		m, err := miniredis.Run()
		if err != nil {
			return err
		}
		defer m.Close()
		url = "redis://" + m.Addr()
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("LTS_REDIS: %w", err)
	}
	opts.ContextTimeoutEnabled = true
	rdb := redis.NewClient(opts)
	defer rdb.Close()

	store := redisstore.New(rdb, "media")
	defer store.Close()
	p, err := pool.New(store, pool.Config{
		Queues: map[string]pool.Queue{"default": {Workers: 8, Limit: 20}}, // 8 here, 20 over all replicas
		Groups: pool.Groups{DefaultLimit: 2},                              // 2 at once for each tenant
	})
	if err != nil {
		return err
	}
	pool.HandleResult(p, func(ctx context.Context, t *pool.Task[Resize]) (Resized, error) {
		select {
		case <-time.After(workTime):
			return Resized{Bytes: t.Args.Width * 100}, nil
		case <-ctx.Done():
			return Resized{}, context.Cause(ctx)
		}
	})

	serving, drain := context.WithCancel(ctx)
	defer drain()
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		defer stop() // if Run fails, its tasks will not end
		ended <- p.Run(serving)
	}()

	worked := work(working, p)
	drain()       // as SIGTERM does: finish running tasks, claim no new ones
	err = <-ended // keep store and client open until Run has returned
	if working.Err() != nil && errors.Is(worked, context.Canceled) {
		worked = nil // SIGTERM, an interrupt, or the error of Run
	}
	return errors.Join(worked, err)
}

// work enqueues the pictures and waits for their results.
func work(ctx context.Context, p *pool.Pool) error {
	var ids []string
	for i := range 20 {
		r, err := p.Enqueue(ctx, Resize{URL: fmt.Sprintf("https://example.com/%d.png", i), Width: 100 + i},
			pool.Group([]string{"acme", "birch", "cedar"}[i%3]), pool.Priority(int8(i%2)))
		if err != nil {
			return err
		}
		ids = append(ids, r.ID)
	}
	total := 0
	for _, id := range ids {
		r, err := pool.Wait[Resized](ctx, p, id)
		if err != nil {
			return err
		}
		total += r.Bytes
	}
	fmt.Printf("%d pictures, %d bytes\n", len(ids), total)
	return nil
}
