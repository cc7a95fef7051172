//go:build unix

package pool_test

import (
	"context"
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

// Parcel is a parcel to send.
type Parcel struct{ Number int }

func (Parcel) Kind() string { return "parcel.send" }

// On SIGTERM a program drains: it takes no more tasks and waits for the running ones.
// Handlers that take longer than DrainTimeout are cancelled with ErrShutdown, and their
// tasks go back to their queues without using an attempt.
func Example_drain() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

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
		Queues:       map[string]pool.Queue{"default": {Workers: 1}},
		DrainTimeout: time.Minute, // default 30 s
	})
	if err != nil {
		log.Fatal(err)
	}
	running, signalled := make(chan struct{}), make(chan struct{})
	pool.Handle(p, func(taskCtx context.Context, t *pool.Task[Parcel]) error {
		close(running)
		<-signalled
		fmt.Println("parcel", t.Args.Number, "is finished; its context:", taskCtx.Err())
		return nil
	})
	for n := range 2 {
		if _, err := p.Enqueue(ctx, Parcel{n + 1}); err != nil {
			log.Fatal(err)
		}
	}
	go func() { // the supervisor: kill -TERM
		<-running
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		<-ctx.Done()
		fmt.Println("received SIGTERM")
		close(signalled)
	}()

	if err := p.Run(ctx); err != nil { // until the signal
		log.Fatal(err)
	}
	s, err := p.Stats(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("left for other replicas:", s.Waiting)
	// Output:
	// received SIGTERM
	// parcel 1 is finished; its context: <nil>
	// left for other replicas: 1
}
