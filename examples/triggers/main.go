// Triggers sets two triggers and runs their tasks: one that fires at a fixed rate, whose tasks
// know their planned time, and one that counts a delay from the end of its last task. It shows
// the next times of a third one, and ends after three tasks of each.
//
//	go run ./examples/triggers                    with an embedded Redis
//	LTS_REDIS=redis://127.0.0.1:6379/0 go run ./examples/triggers
package main

import (
	"context"
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
	"github.com/ltsworker/ltsworker/trigger/calendar"
)

// Report is the payload of a task.
type Report struct {
	Planned int64 `json:"planned"` // ms since 1970
}

// Kind selects the handler.
func (Report) Kind() string { return "report" }

// Sweep is the payload of a task.
type Sweep struct{}

// Kind selects the handler.
func (Sweep) Kind() string { return "sweep" }

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

	workdays, err := calendar.Named("cn-workdays")
	if err != nil {
		return err
	}
	p, err := pool.New(redisstore.New(rdb, "triggers-example"), pool.Config{
		Queues:    map[string]pool.Queue{pool.DefaultQueue: {Workers: 2}},
		Calendars: map[string]pool.Calendar{"cn-workdays": workdays},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer p.Close()

	ctx, end := context.WithCancel(ctx)
	defer end()
	planned, swept := make(chan time.Time), make(chan struct{})
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Report]) error {
		return send(ctx, planned, time.UnixMilli(t.Args.Planned))
	})
	pool.Handle(p, func(ctx context.Context, _ *pool.Task[Sweep]) error { return send(ctx, swept, struct{}{}) })

	// A service sets its triggers at each start: the same definition again changes nothing.
	triggers := p.Triggers()
	for _, def := range []pool.Trigger{
		{Name: "report", Every: 100 * time.Millisecond, PayloadTemplate: `{"planned":{{planned_ms}}}`, Task: pool.Spec{Kind: Report{}.Kind()}},
		{Name: "sweep", After: 50 * time.Millisecond, Task: pool.Spec{Kind: Sweep{}.Kind()}},
		{Name: "month", Cron: "0 9 LW * *", Zone: "Asia/Shanghai", Calendar: "cn-workdays", Task: pool.Spec{Kind: Report{}.Kind()}},
	} {
		if err := triggers.Set(ctx, def); err != nil {
			return err
		}
		defer triggers.Remove(context.WithoutCancel(ctx), def.Name)
	}
	if times, err := triggers.Next(ctx, "month", 5); err != nil || len(times) != 5 {
		return fmt.Errorf("the next times are %v: %w", times, err)
	}

	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	var last time.Time
	for reports, sweeps := 0, 0; reports < 3 || sweeps < 3; {
		select {
		case at := <-planned:
			if !last.IsZero() && at.Sub(last)%(100*time.Millisecond) != 0 {
				return fmt.Errorf("planned at %v after %v", at, last)
			}
			last = at
			reports++
		case <-swept:
			sweeps++
		case err := <-ended:
			return err
		}
	}
	fmt.Println("three reports, three sweeps")
	end()
	return <-ended
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
