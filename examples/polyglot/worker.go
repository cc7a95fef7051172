// Polyglot is a replica in Go for tasks of programs in other languages. It serves
// the queue go with one kind of task: text.repeat returns a text of the given
// number of letters.
//
//	LTS_REDIS=redis://127.0.0.1:6379/0 go run ./examples/polyglot
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Repeat is the payload of a task: the number of letters.
type Repeat int

// Kind is the name under which any language enqueues this task.
func (Repeat) Kind() string { return "text.repeat" }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opts, err := redis.ParseURL(os.Getenv("LTS_REDIS"))
	if err != nil {
		log.Fatal("LTS_REDIS: ", err)
	}
	opts.ContextTimeoutEnabled = true
	p, err := pool.New(redisstore.New(redis.NewClient(opts), "default"), pool.Config{
		Queues: map[string]pool.Queue{"go": {Workers: 2}},
	})
	if err != nil {
		log.Fatal(err)
	}
	pool.HandleResult(p, func(_ context.Context, t *pool.Task[Repeat]) (string, error) {
		return strings.Repeat("a", int(t.Args)), nil
	})
	if err := p.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
