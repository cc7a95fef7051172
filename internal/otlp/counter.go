package otlp

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// counter counts spans and drops those for which the queue has no room. The batch processor behind
// it would drop them, too, but does not report it. It implements sdk.SpanProcessor.
type counter struct {
	next    sdk.SpanProcessor
	max     int64
	waiting atomic.Int64 // spans that were not sent yet
	total   *prometheus.CounterVec
	log     *slog.Logger

	exported, dropped, failed prometheus.Counter

	mu     sync.Mutex
	logged time.Time // when a loss was logged last; zero before
	lost   int       // spans since then
}

func newCounter(queue int64, log *slog.Logger) *counter {
	c := &counter{max: queue, log: log, total: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "ltsworker", Name: "trace_spans_total",
		Help: "Spans that have ended, by what became of them: exported, dropped because the queue was full or the process ended, or failed because the collector did not take them."},
		[]string{"outcome"})}
	c.exported, c.dropped, c.failed = c.total.WithLabelValues("exported"), c.total.WithLabelValues("dropped"), c.total.WithLabelValues("failed")
	return c
}

// OnStart implements sdk.SpanProcessor.
func (c *counter) OnStart(ctx context.Context, s sdk.ReadWriteSpan) { c.next.OnStart(ctx, s) }

// OnEnd implements sdk.SpanProcessor. It never blocks.
func (c *counter) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if c.waiting.Add(1) > c.max {
		c.waiting.Add(-1)
		c.dropped.Inc()
		c.lose(1, "the queue is full")
		return
	}
	c.next.OnEnd(s)
}

// Shutdown implements sdk.SpanProcessor.
func (c *counter) Shutdown(ctx context.Context) error { return c.next.Shutdown(ctx) }

// ForceFlush implements sdk.SpanProcessor.
func (c *counter) ForceFlush(ctx context.Context) error { return c.next.ForceFlush(ctx) }

// between is the least time between two logged losses.
const between = time.Minute

// lose logs spans that were lost, at most once a minute, with their number since the last time.
func (c *counter) lose(n int, why string) {
	c.mu.Lock()
	c.lost += n
	lost := c.lost
	due := c.logged.IsZero() || time.Since(c.logged) >= between
	if due {
		c.logged, c.lost = time.Now(), 0
	}
	c.mu.Unlock()
	if due {
		c.log.Warn("spans were lost; the tasks are not affected", "spans", lost, "why", why)
	}
}

// end counts the spans that still wait as dropped, and logs losses that were not logged.
func (c *counter) end(err error) {
	left := int(c.waiting.Swap(0))
	c.dropped.Add(float64(left))
	c.mu.Lock()
	c.lost += left
	lost := c.lost
	c.lost = 0
	c.mu.Unlock()
	if lost > 0 {
		why := "the process has ended"
		if err != nil {
			why = err.Error()
		}
		c.log.Warn("spans were lost; the tasks are not affected", "spans", lost, "why", why)
	}
}

// counted is an exporter whose spans are counted by outcome.
type counted struct {
	sdk.SpanExporter
	c *counter
}

// ExportSpans implements sdk.SpanExporter. Its error is logged here, at most once a minute.
func (e counted) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.c.waiting.Add(-int64(len(spans)))
	if err != nil {
		e.c.failed.Add(float64(len(spans)))
		e.c.lose(len(spans), err.Error())
		return nil
	}
	e.c.exported.Add(float64(len(spans)))
	return nil
}
