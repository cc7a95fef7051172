package otlp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// BenchmarkCollector measures the time from the enqueue of a task until its handler runs, at 500 tasks a second, without traces
// and with a collector that takes the spans, that does not answer, and that refuses connections. A round has 1,000 tasks of
// each, by turns.
func BenchmarkCollector(b *testing.B) {
	answers := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer answers.Close()
	hangs, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts connections, which nobody answers
	if err != nil {
		b.Fatal(err)
	}
	defer hangs.Close()
	refuses, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	refuses.Close()
	ways := []string{"without", "answers", "hangs", "refuses"}
	addresses := map[string]string{"answers": answers.URL, "hangs": "http://" + hangs.Addr().String(), "refuses": "http://" + refuses.Addr().String()}
	took, dropped := map[string][]time.Duration{}, map[string]float64{}
	b.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "256") // full soon
	pools := 0
	round := func(how string) {
		var tracer pool.Tracer
		if address := addresses[how]; address != "" {
			b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
			e, err := New(b.Context(), Options{Log: slog.New(slog.DiscardHandler), Short: true})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				e.Close()
				dropped[how] += number(b, e.spans.dropped) + number(b, e.spans.failed)
			}()
			tracer = traces.New(traces.Options{Provider: e.Provider()})
		}
		pools++
		store := redisstore.New(redisserver.Shared(b).Client(b), fmt.Sprint("c", os.Getpid(), "-", pools))
		defer store.Close()
		p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 20}}, Tracer: tracer, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		const n = 1000
		var mu sync.Mutex
		all := make(chan struct{})
		ran := 0
		sent := make([]time.Time, n)
		p.HandleKind("k", func(_ context.Context, t *task.Task) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			var i int
			_, _ = fmt.Sscan(string(t.Payload), &i)
			took[how] = append(took[how], time.Since(sent[i]))
			if ran++; ran == n {
				close(all)
			}
			return nil, nil
		})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		began := time.Now()
		for i := range n {
			time.Sleep(time.Until(began.Add(time.Duration(i) * 2 * time.Millisecond))) // 500 tasks a second
			mu.Lock()
			sent[i] = time.Now()
			mu.Unlock()
			if _, err := p.EnqueueSpec(b.Context(), pool.Spec{Kind: "k", Queue: "q", Payload: fmt.Append(nil, i)}); err != nil {
				b.Fatal(err)
			}
		}
		<-all
		stop()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	rounds := 0
	for b.Loop() {
		for i := range ways {
			round(ways[(rounds+i)%len(ways)])
		}
		rounds++
	}
	for _, how := range ways {
		all := took[how]
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-p50-"+how)
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms-p99-"+how)
		if how != "without" {
			b.ReportMetric(dropped[how]/float64(rounds), "lost-"+how)
		}
	}
}

func number(b *testing.B, c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		b.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
