// Shards counts the prime numbers below a million in eight shards, and adds the counts in the task
// that follows. Two of the shards fail at their first attempt and are retried.
//
//	go run ./examples/shards                    with an embedded Redis
//	LTS_REDIS=redis://127.0.0.1:6379/0 go run ./examples/shards
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Primes is the payload of the parent and of its shards.
type Primes struct {
	Below int `json:"below"`
}

// Kind selects the handler.
func (Primes) Kind() string { return "primes" }

// Counts is the payload of the task that follows: the results of the shards, in their order.
type Counts []int

// Kind selects the handler.
func (Counts) Kind() string { return "counts" }

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
		return err
	}
	opts.ContextTimeoutEnabled = true
	rdb := redis.NewClient(opts)
	defer rdb.Close()

	p, err := pool.New(redisstore.New(rdb, "shards-example"), pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 4}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer p.Close()
	pool.HandleResult(p, countPrimes)
	pool.HandleResult(p, addCounts)

	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()

	parent, err := p.Enqueue(ctx, Primes{Below: 1_000_000}, pool.Shards(8), pool.Then(pool.Spec{Kind: Counts{}.Kind()}),
		pool.MaxAttempts(2), pool.RetryBackoff(pool.Backoff{Base: 10 * time.Millisecond}))
	if err != nil {
		return err
	}
	// The step that ends the parent makes the task that follows.
	t, err := p.WaitTask(ctx, parent.ID)
	if err != nil {
		return err
	}
	if t.State != pool.Succeeded {
		return fmt.Errorf("task %s is %s: %s", t.ID, t.State, t.Error)
	}
	if t, err = p.WaitTask(ctx, parent.ID+"/then"); err != nil {
		return err
	}
	fmt.Printf("%s prime numbers below a million\n", t.Result)
	end()
	return <-ended
}

// countPrimes counts the prime numbers of one shard: every eighth candidate, from its index on.
func countPrimes(_ context.Context, t *pool.Task[Primes]) (int, error) {
	if t.Attempt == 1 && t.Shard.Index%4 == 1 {
		return 0, errors.New("the first attempt fails, to show that only this shard is tried again")
	}
	count := 0
	for n := t.Shard.Index; n < t.Args.Below; n += t.Shard.Total {
		if prime(n) {
			count++
		}
	}
	return count, nil
}

func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// addCounts adds the results of the shards.
func addCounts(_ context.Context, t *pool.Task[Counts]) (int, error) {
	sum := 0
	for _, n := range t.Args {
		sum += n
	}
	return sum, nil
}
