package metrics_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// BenchmarkScrape measures a scrape of a pool with many queues, each with waiting tasks and limits,
// which reads the state anew.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n, "queues"), func(b *testing.B) {
			s := newSite(b)
			p := s.client()
			for i := range n {
				queue := fmt.Sprint("q", i)
				s.enqueue(p, pool.Spec{Kind: "k", Queue: queue}, pool.Spec{Kind: "k", Queue: queue, Priority: 3})
				if err := p.SetLimit(b.Context(), pool.QueueScope, queue, 10); err != nil {
					b.Fatal(err)
				}
			}
			h := metrics.NewCollector(p, fresh).Handler()
			size := 0
			var longest time.Duration
			for b.Loop() {
				w := httptest.NewRecorder()
				began := time.Now()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				longest = max(longest, time.Since(began))
				text, _ := io.ReadAll(w.Body)
				size = len(text)
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
			b.ReportMetric(float64(size)/1024, "KiB")
			b.ReportMetric(scrape(b, h)["ltsworker_pool_read_seconds"]*1000, "ms-read")
		})
	}
}

// BenchmarkDrain measures the drain of a queue by a replica with and without metrics, by turns. The
// ratio is that of the times.
func BenchmarkDrain(b *testing.B) {
	const n = 10_000
	took := map[bool]time.Duration{}
	drain := func(with bool) {
		s := newSite(b)
		specs := make([]pool.Spec, n)
		for i := range specs {
			specs[i] = pool.Spec{Kind: "k", Queue: "q"}
		}
		client := s.client()
		for i := 0; i < n; i += 1000 {
			s.enqueue(client, specs[i:i+1000]...)
		}
		p := s.pool(pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 100}}})
		if with {
			metrics.NewCollector(p, metrics.Options{})
		}
		var ended atomic.Int64
		all := make(chan struct{})
		p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) {
			if ended.Add(1) == n {
				close(all)
			}
			return nil, nil
		})
		began := time.Now()
		stop := s.serve(p)
		<-all
		took[with] += time.Since(began)
		stop()
	}
	rounds := 0
	for b.Loop() {
		rounds++
		drain(rounds%2 == 0)
		drain(rounds%2 == 1)
	}
	b.ReportMetric(float64(n*rounds)/took[false].Seconds(), "tasks/s-without")
	b.ReportMetric(float64(n*rounds)/took[true].Seconds(), "tasks/s-with")
	b.ReportMetric(took[true].Seconds()/took[false].Seconds(), "ratio")
}

// BenchmarkObserve measures what an attempt costs.
func BenchmarkObserve(b *testing.B) {
	p := newSite(b).client()
	c := metrics.NewCollector(p, metrics.Options{WithoutPool: true})
	o := c.Observer()
	t := &task.Task{Spec: task.Spec{Kind: "k"}}
	b.ReportAllocs()
	for b.Loop() {
		o.Started(t, "q", time.Millisecond)
		o.Ended(t, "q", task.CodeOK, 10*time.Millisecond)
	}
}
