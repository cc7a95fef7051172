// Million fills pools for the measurements of soak.js: it makes tasks in all states, runs those that are
// to succeed or fail, and stays a replica with running tasks until it is interrupted.
//
//	million -redis 127.0.0.1:6379 default=1000000 small=100000
//
// Of 20 tasks 11 wait, 4 are scheduled, 3 have succeeded and 2 have failed, with three errors. They have 10
// queues, 3 kinds, and 1,000 groups in one queue. It prints "filled" after the last pool.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func main() {
	address := flag.String("redis", "127.0.0.1:6379", "the redis-server")
	running := flag.Int("running", 200, "tasks that stay running in each pool")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The measurements tell the calls of this client from those of the console by its name.
	rdb := redis.NewClient(&redis.Options{Addr: *address, ClientName: "million"})
	ended := make(chan error, flag.NArg())
	for _, arg := range flag.Args() {
		name, count, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(count)
		if err == nil {
			err = fill(ctx, redisstore.New(rdb, name), n, *running, ended)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "million: %s: %v\n", arg, err)
			os.Exit(1)
		}
	}
	fmt.Println("filled")
	for range flag.Args() {
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "million:", err)
			os.Exit(1)
		}
	}
}

var (
	kinds    = []string{"mail.send", "video.cut", "report.make"}
	mistakes = []error{errors.New("write /var/spool/export.tmp: disk full"), errors.New("connect to 10.0.0.7:25: connection refused"), errors.New("the customer has no address")}
)

// fill makes n tasks and returns when those that are to end have ended. Then the replica runs until ctx
// has ended, and sends its error to ended.
func fill(ctx context.Context, store *redisstore.Store, n, running int, ended chan<- error) error {
	p, err := pool.New(store, pool.Config{
		Queues: map[string]pool.Queue{"done": {Workers: 100}, "long": {Workers: running}},
		Logger: slog.New(slog.DiscardHandler), // it would have a line for each of the failures
	})
	if err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(int64(running))
	filled := make(chan struct{})
	one := func() {
		if left.Add(-1) == 0 {
			close(filled)
		}
	}
	for i, kind := range kinds {
		p.HandleKind(kind, func(_ context.Context, t *task.Task) ([]byte, error) {
			defer one()
			if strings.HasPrefix(t.ID, "fails-") {
				return nil, task.Permanent(mistakes[i])
			}
			return nil, nil
		})
	}
	p.HandleKind("catalogue.read", func(ctx context.Context, _ *task.Task) ([]byte, error) {
		one()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	specs := make([]task.Spec, 0, 1000)
	add := func(spec task.Spec) (err error) {
		if specs = append(specs, spec); len(specs) == cap(specs) {
			_, err = p.EnqueueAll(ctx, specs)
			specs = specs[:0]
		}
		return err
	}
	forever := new(task.Forever)
	for i := range n {
		spec := task.Spec{ID: fmt.Sprint("t", i), Kind: kinds[i/1000%3], Queue: fmt.Sprint("q", i/1000%10),
			Payload: fmt.Appendf(nil, `{"customer":%d,"text":"%s"}`, i, strings.Repeat("x", 100))}
		switch part := i % 1000 / 50; { // tasks that are alike follow one another: they share a call
		case part < 11:
			if spec.Queue == "q9" {
				spec.Group = fmt.Sprint("customer-", i%1000)
			}
		case part < 15:
			spec.Delay = 24*time.Hour + time.Duration(i)*time.Millisecond
		default:
			spec.Queue, spec.Retain = "done", forever
			if part >= 18 {
				spec.ID = fmt.Sprint("fails-", i)
			}
			left.Add(1)
		}
		if err := add(spec); err != nil {
			return err
		}
	}
	for i := range running {
		if err := add(task.Spec{ID: fmt.Sprint("runs-", i), Kind: "catalogue.read", Queue: "long"}); err != nil {
			return err
		}
	}
	if _, err := p.EnqueueAll(ctx, specs); err != nil {
		return err
	}
	go func() { ended <- p.Run(ctx) }()
	select {
	case <-filled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
