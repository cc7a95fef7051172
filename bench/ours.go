package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// ours is the pool as a service embeds it, with the default settings, and with events and leases.
type ours struct {
	env    env
	rdb    redis.UniversalClient
	store  *redisstore.Store
	client *pool.Pool

	worker *pool.Pool
	cancel context.CancelFunc
	ended  chan error
}

func openOurs(ctx context.Context, e env) (system, error) {
	return openPool(ctx, e, redis.NewClient(&redis.Options{Addr: e.Redis}), namespace)
}

func openPool(ctx context.Context, e env, rdb redis.UniversalClient, name string) (*ours, error) {
	o := &ours{env: e, rdb: rdb, store: redisstore.New(rdb, name)}
	var err error
	if o.client, err = pool.New(o.store, pool.Config{Logger: quiet()}); err != nil {
		return nil, err
	}
	if e.GroupLimit > 0 {
		// Tasks are enqueued before the first replica publishes its limits.
		err = o.client.SetLimit(ctx, pool.GroupsScope, "", e.GroupLimit)
	}
	return o, err
}

// quiet logs errors to standard error and nothing else.
func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func (o *ours) Version() string {
	return "ltsworker " + module("github.com/ltsworker/ltsworker") + ", go-redis " + module("github.com/redis/go-redis/v9")
}

func (o *ours) Enqueue(ctx context.Context, t item) error {
	if o.env.Inbox {
		entry, err := json.Marshal(map[string]any{"kind": kind, "payload": t.args()})
		if err != nil {
			return err
		}
		return o.rdb.RPush(ctx, "lts:{"+namespace+"}:inbox", entry).Err()
	}
	var opts []pool.Option
	if t.Delay > 0 {
		opts = append(opts, pool.Delay(t.Delay))
	}
	if t.Group != "" {
		opts = append(opts, pool.Group(t.Group))
	}
	_, err := o.client.Enqueue(ctx, t.args(), opts...)
	return err
}

func (o *ours) EnqueueBatch(ctx context.Context, ts []item) error {
	_, err := o.client.EnqueueAll(ctx, specs(ts, o.env.labels()...))
	return err
}

func specs(ts []item, labels ...string) []pool.Spec {
	specs := make([]pool.Spec, len(ts))
	for i, t := range ts {
		specs[i] = pool.Spec{Kind: kind, Payload: t.args().json(), Delay: t.Delay, Group: t.Group, Labels: labels}
	}
	return specs
}

func (e env) labels() []string {
	if e.Label == "" {
		return nil
	}
	return []string{e.Label}
}

func (o *ours) Start(ctx context.Context, workers int, h handler) error {
	p, err := pool.New(o.store, pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: workers, Limit: o.env.Limit, Rate: o.env.Rate}},
		Groups: pool.Groups{DefaultLimit: o.env.GroupLimit},
		Labels: o.env.labels(),
		Lease:  o.env.lease(),
		Logger: quiet(),
	})
	if err != nil {
		return err
	}
	if o.env.Untyped {
		p.HandleKind(kind, func(_ context.Context, t *task.Task) ([]byte, error) {
			h(scan(t.Payload))
			return nil, nil
		})
	} else {
		pool.Handle(p, func(_ context.Context, t *pool.Task[args]) error {
			if t.Shard.Total > 0 { // all shards have the payload of their parent
				h(t.Shard.Index, t.Args.T)
			} else {
				h(t.Args.number(), t.Args.T)
			}
			return nil
		})
	}
	ctx, o.cancel = context.WithCancel(ctx)
	o.worker, o.ended = p, make(chan error, 1)
	go func() { o.ended <- p.Run(ctx) }()
	return nil
}

func (o *ours) Stop() error {
	if o.worker == nil {
		return nil
	}
	o.cancel()
	o.worker = nil
	return <-o.ended
}

func (o *ours) Pending(ctx context.Context) (int, error) {
	s, err := o.client.Stats(ctx)
	if err != nil {
		return 0, err
	}
	if s.Ended[pool.Succeeded] > s.Enqueued {
		return 0, errors.New("more ends than tasks")
	}
	if bad := s.Ended[pool.Failed] + s.Ended[pool.Stopped] + s.Ended[pool.Expired]; bad > 0 {
		return 0, fmt.Errorf("%d tasks failed, stopped or expired", bad)
	}
	return s.Scheduled + s.Waiting + s.Running + s.Inbox, nil
}
