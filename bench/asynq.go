package main

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
)

// asynqSystem is asynq, set up as in its README.
type asynqSystem struct {
	opt       asynq.RedisClientOpt
	tuned     bool
	client    *asynq.Client
	inspector *asynq.Inspector
	server    *asynq.Server
}

func openAsynq(_ context.Context, e env) (system, error) {
	opt := asynq.RedisClientOpt{Addr: e.Redis}
	if e.Tuned {
		opt.PoolSize = 60
	}
	return &asynqSystem{opt: opt, tuned: e.Tuned, client: asynq.NewClient(opt), inspector: asynq.NewInspector(opt)}, nil
}

func (a *asynqSystem) Version() string { return "asynq " + module("github.com/hibiken/asynq") }

func (a *asynqSystem) Enqueue(ctx context.Context, t item) error {
	var opts []asynq.Option
	if t.Delay > 0 {
		opts = append(opts, asynq.ProcessIn(t.Delay))
	}
	_, err := a.client.EnqueueContext(ctx, asynq.NewTask(kind, t.args().json()), opts...)
	return err
}

func (a *asynqSystem) EnqueueBatch(context.Context, []item) error { return errors.ErrUnsupported }

func (a *asynqSystem) Start(_ context.Context, workers int, h handler) error {
	opt := a.opt
	if a.tuned {
		opt.PoolSize = workers + 10
	}
	a.server = asynq.NewServer(opt, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel})
	mux := asynq.NewServeMux()
	mux.HandleFunc(kind, func(_ context.Context, t *asynq.Task) error {
		h(scan(t.Payload()))
		return nil
	})
	return a.server.Start(mux)
}

func (a *asynqSystem) Stop() error {
	if a.server != nil {
		a.server.Shutdown()
		a.server = nil
	}
	return nil
}

func (a *asynqSystem) Pending(context.Context) (int, error) {
	q, err := a.inspector.GetQueueInfo("default")
	if errors.Is(err, asynq.ErrQueueNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return q.Size - q.Completed, nil
}

// asynqPatience is how long asynq may take to run a killed worker's task again: a lease of 30 s
// that must have expired for 30 s, a check every minute, and a first retry within 45 s.
const asynqPatience = 170 * time.Second
