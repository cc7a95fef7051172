package traces_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// discard is an exporter that drops all spans.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                        { return nil }

// BenchmarkDrain measures the drain of a queue with spans of all attempts, with spans that are not
// sampled, and without a tracer, by turns. The ratios are those of the times. The tasks of the
// first two have a traceparent.
func BenchmarkDrain(b *testing.B) {
	const n = 10_000
	took := map[string]time.Duration{}
	drain := func(how string) {
		var tracer pool.Tracer
		sampler := sdk.AlwaysSample()
		if how == "unsampled" {
			sampler = sdk.NeverSample()
		}
		if how != "without" && how != "headers" {
			provider := sdk.NewTracerProvider(sdk.WithBatcher(discard{}), sdk.WithSampler(sampler))
			defer func() { _ = provider.Shutdown(context.Background()) }()
			tracer = traces.New(traces.Options{Provider: provider})
		}
		store := redisstore.New(redisserver.Shared(b).Client(b), fmt.Sprint("b", os.Getpid(), "-", pools.Add(1)))
		defer store.Close()
		p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 100}}, Tracer: tracer, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		specs := make([]pool.Spec, n)
		for i := range specs {
			specs[i] = pool.Spec{Kind: "k", Queue: "q"}
			if how == "headers" {
				specs[i].Headers = map[string]string{"traceparent": good}
			}
		}
		if _, err := p.EnqueueAll(b.Context(), specs); err != nil {
			b.Fatal(err)
		}
		var ended atomic.Int64
		all := make(chan struct{})
		p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) {
			if ended.Add(1) == n {
				close(all)
			}
			return nil, nil
		})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		began := time.Now()
		go func() { done <- p.Run(ctx) }()
		<-all
		took[how] += time.Since(began)
		stop()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	ways := []string{"without", "headers", "traced", "unsampled"}
	rounds := 0
	for b.Loop() {
		for i := range ways {
			drain(ways[(rounds+i)%len(ways)])
		}
		rounds++
	}
	b.ReportMetric(float64(n*rounds)/took["without"].Seconds(), "tasks/s-without")
	b.ReportMetric(float64(n*rounds)/took["traced"].Seconds(), "tasks/s-traced")
	b.ReportMetric(took["traced"].Seconds()/took["without"].Seconds(), "ratio")
	b.ReportMetric(took["headers"].Seconds()/took["without"].Seconds(), "ratio-headers")
	b.ReportMetric(took["unsampled"].Seconds()/took["without"].Seconds(), "ratio-unsampled")
}

// BenchmarkAttempt measures what the span of an attempt costs.
func BenchmarkAttempt(b *testing.B) {
	for name, provider := range map[string]trace.TracerProvider{"API": nil, "SDK": sdk.NewTracerProvider(sdk.WithBatcher(discard{}))} {
		b.Run(name, func(b *testing.B) {
			tracer := traces.New(traces.Options{Provider: provider})
			k := &task.Task{Spec: task.Spec{ID: "1", Kind: "k", Headers: map[string]string{"traceparent": good}}, Replica: "r"}
			b.ReportAllocs()
			for b.Loop() {
				_, ended := tracer.Attempt(b.Context(), "p", k, "q")
				ended(task.AttemptEnd{Code: task.CodeOK})
			}
		})
	}
}

// BenchmarkEnqueue measures a call that enqueues one task with a span of the SDK and without a tracer, by
// turns. The ratio is that of the times.
func BenchmarkEnqueue(b *testing.B) {
	provider := sdk.NewTracerProvider(sdk.WithBatcher(discard{}))
	defer func() { _ = provider.Shutdown(context.Background()) }()
	took := map[bool]time.Duration{}
	enqueue := map[bool]*pool.Pool{}
	for traced := range map[bool]int{false: 0, true: 0} {
		var tracer pool.Tracer
		if traced {
			tracer = traces.New(traces.Options{Provider: provider})
		}
		store := redisstore.New(redisserver.Shared(b).Client(b), fmt.Sprint("b", os.Getpid(), "-", pools.Add(1)))
		defer store.Close()
		p, err := pool.New(store, pool.Config{Tracer: tracer, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		enqueue[traced] = p
	}
	rounds := 0
	for b.Loop() {
		for i := range 2 {
			traced := (rounds+i)%2 == 0
			began := time.Now()
			if _, err := enqueue[traced].EnqueueSpec(b.Context(), pool.Spec{Kind: "k", Queue: "q"}); err != nil {
				b.Fatal(err)
			}
			took[traced] += time.Since(began)
		}
		rounds++
	}
	b.ReportMetric(float64(took[false].Microseconds())/float64(rounds), "µs/enqueue-without")
	b.ReportMetric(float64(took[true].Microseconds())/float64(rounds), "µs/enqueue-traced")
	b.ReportMetric(took[true].Seconds()/took[false].Seconds(), "ratio")
}
