package traces_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// badTracer panics at the start of attempts.
type badTracer struct{ *traces.Tracer }

func (badTracer) Attempt(context.Context, string, *task.Task, string) (context.Context, func(task.AttemptEnd)) {
	panic("no span")
}

// A tracer or an ErrorText that panics does not change the end of an attempt.
func TestPanicOfTheTracerEndsNoProcess(t *testing.T) {
	t.Parallel()
	for name, tracer := range map[string]pool.Tracer{
		"start": badTracer{traces.New(traces.Options{})},
		"end":   newSite(t, traces.Options{ErrorText: func(string) string { panic("no text") }}).tracer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := redisstore.New(redisserver.Shared(t).Client(t), "panics-"+name)
			defer store.Close()
			p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 1}}, Tracer: tracer, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, pool.Permanent(context.Canceled) })
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			r, err := p.EnqueueSpec(t.Context(), pool.Spec{Kind: "k", Queue: "q", MaxAttempts: 1})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.WaitTask(t.Context(), r.ID); err != nil || got.Code != task.CodePermanent {
				t.Errorf("%+v, %v", got, err)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
