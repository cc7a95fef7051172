package traces_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
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

// samplers are those of BenchmarkDrain.
var samplers = map[string]sdk.Sampler{
	"sampled":   sdk.ParentBased(sdk.AlwaysSample()),
	"1in10":     sdk.ParentBased(sdk.TraceIDRatioBased(0.1)),
	"unsampled": sdk.ParentBased(sdk.NeverSample()),
}

// BenchmarkDrain measures the drain of a queue without a tracer, with a tracer without a provider
// (api), and with a tracer for each sampler, by turns. A ratio is the median of the ratios of the
// rounds. The processor time is that of this process, without Redis. The tasks have a traceparent,
// except those of "without": "headers" shows what it costs without a tracer.
func BenchmarkDrain(b *testing.B) {
	for work, n := range map[time.Duration]int{0: 10_000, 100 * time.Microsecond: 2_000} {
		b.Run(fmt.Sprint(work), func(b *testing.B) {
			handle := busy(work)
			ways := []string{"without", "headers", "api", "unsampled", "1in10", "sampled"}
			took, used := map[string][]time.Duration{}, map[string][]time.Duration{}
			rounds := 0
			for b.Loop() {
				for i := range ways {
					how := ways[(rounds+i)%len(ways)]
					wall, cpu := drain(b, how, n, handle)
					took[how], used[how] = append(took[how], wall), append(used[how], cpu)
				}
				rounds++
			}
			median := func(of func(round int) float64) float64 {
				all := make([]float64, rounds)
				for i := range all {
					all[i] = of(i)
				}
				slices.Sort(all)
				return all[rounds/2]
			}
			b.ReportMetric(0, "ns/op")
			for _, how := range ways {
				b.ReportMetric(median(func(i int) float64 { return took[how][i].Seconds() / float64(n) * 1e6 }), "µs/task-"+how)
				b.ReportMetric(median(func(i int) float64 { return used[how][i].Seconds() / float64(n) * 1e6 }), "µs-cpu/task-"+how)
				b.ReportMetric(median(func(i int) float64 { return took[how][i].Seconds() / took["without"][i].Seconds() }), "ratio-"+how)
			}
		})
	}
}

// busy returns a function that keeps a processor busy for about this time.
func busy(d time.Duration) func() {
	if d == 0 {
		return func() {}
	}
	const steps = 10_000
	var sink atomic.Uint64
	spin := func(n int) {
		x := uint64(n)
		for range n {
			x = x*6364136223846793005 + 1442695040888963407
		}
		sink.Store(x)
	}
	shortest := time.Hour
	for range 100 {
		began := time.Now()
		spin(steps)
		shortest = min(shortest, time.Since(began))
	}
	n := int(steps * d / shortest)
	return func() { spin(n) }
}

// drain drains a queue of n tasks, and returns how long it took and how much processor time it used.
func drain(b *testing.B, how string, n int, handle func()) (took, used time.Duration) {
	var tracer pool.Tracer
	if sampler := samplers[how]; sampler != nil {
		provider := sdk.NewTracerProvider(sdk.WithBatcher(discard{}), sdk.WithSampler(sampler))
		defer func() { _ = provider.Shutdown(context.Background()) }()
		tracer = traces.New(traces.Options{Provider: provider})
	} else if how == "api" {
		tracer = traces.New(traces.Options{})
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
		if how == "headers" || how == "api" {
			specs[i].Headers = map[string]string{"traceparent": good}
		}
	}
	if _, err := p.EnqueueAll(b.Context(), specs); err != nil {
		b.Fatal(err)
	}
	var ended atomic.Int64
	all := make(chan struct{})
	p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) {
		handle()
		if ended.Add(1) == int64(n) {
			close(all)
		}
		return nil, nil
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	began, before := time.Now(), processorTime(b)
	go func() { done <- p.Run(ctx) }()
	<-all
	took, used = time.Since(began), processorTime(b)-before
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took, used
}

// processorTime returns how long this process has used processors.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSpan measures the SDK alone: a span like that of an attempt, with its attributes and its
// link, and one with neither.
func BenchmarkSpan(b *testing.B) {
	for name, sampler := range samplers {
		provider := sdk.NewTracerProvider(sdk.WithBatcher(discard{}), sdk.WithSampler(sampler))
		b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
		tracer := provider.Tracer("t")
		first, later := make([]attribute.KeyValue, 7), make([]attribute.KeyValue, 4)
		for i := range first {
			first[i] = attribute.String(fmt.Sprint("messaging.attribute.", i), "v")
		}
		for i := range later {
			later[i] = attribute.String(fmt.Sprint("ltsworker.attribute.", i), "v")
		}
		full := []trace.SpanStartOption{
			trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(first...), trace.WithLinks(trace.Link{SpanContext: remote(b, good)}),
		}
		for _, with := range []string{"full", "bare"} {
			b.Run(with+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if with == "bare" {
						_, span := tracer.Start(b.Context(), "process k")
						span.End()
						continue
					}
					_, span := tracer.Start(b.Context(), "process k", full...)
					if span.IsRecording() {
						span.SetAttributes(later...)
					}
					span.End()
				}
			})
		}
	}
}

// BenchmarkAttempt measures what the span of an attempt costs.
func BenchmarkAttempt(b *testing.B) {
	for _, name := range []string{"api", "unsampled", "1in10", "sampled"} {
		b.Run(name, func(b *testing.B) {
			var provider trace.TracerProvider
			if sampler := samplers[name]; sampler != nil {
				own := sdk.NewTracerProvider(sdk.WithBatcher(discard{}), sdk.WithSampler(sampler))
				defer func() { _ = own.Shutdown(context.Background()) }()
				provider = own
			}
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
