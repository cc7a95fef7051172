// Package traces makes OpenTelemetry spans of enqueues and attempts.
//
//	p, err := pool.New(store, pool.Config{…, Tracer: traces.New(traces.Options{})})
//
// Enqueue makes a producer span, a child of the span in its context, and puts its context into the
// headers of the task, such as traceparent. Each attempt has a consumer span, the root of a trace of
// its own, that is linked to the producer's span. The headers may be those of any producer: a
// program in another language sets traceparent. Spans that a handler starts, and tasks that it
// enqueues with its context, are children of the attempt's span.
//
// The package imports the API of OpenTelemetry and not its SDK. Without a provider that records
// spans, it only passes the trace context on.
//
// The attributes follow the semantic conventions for messaging, whose destination is the queue. The
// others are ltsworker.pool, ltsworker.kind, ltsworker.attempt, ltsworker.outcome and ltsworker.code.
// The text of an error, which may hold secrets, is recorded only with Options.ErrorText. Payloads,
// results and the other headers are never recorded.
package traces

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ltsworker/ltsworker/task"
)

// Options configures a Tracer. The zero value is usable.
type Options struct {
	// Provider makes the spans. Default: otel.GetTracerProvider().
	Provider trace.TracerProvider
	// Propagator reads and writes the headers of tasks. Default: otel.GetTextMapPropagator() if
	// the program has set one that has fields when New is called, else
	// propagation.TraceContext. With baggage in it, the baggage of the producer is in the
	// context of the handler.
	Propagator propagation.TextMapPropagator
	// ErrorText returns the text that spans show for the text of an error, without its secrets.
	// Default: nil, spans have the reason code and no text.
	ErrorText func(text string) string
}

// tracerName is the name of the instrumentation scope.
const tracerName = "github.com/ltsworker/ltsworker/observe/traces"

// Tracer is a pool.Tracer. It is safe for concurrent use, also by several pools.
type Tracer struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	headers    func(context.Context) map[string]string // of the span in the context
	errorText  func(string) string
	starts     starts
}

var _ task.Tracer = (*Tracer)(nil)

// New returns a Tracer.
func New(o Options) *Tracer {
	if o.Provider == nil {
		o.Provider = otel.GetTracerProvider()
	}
	if o.Propagator == nil {
		if o.Propagator = otel.GetTextMapPropagator(); len(o.Propagator.Fields()) == 0 {
			o.Propagator = propagation.TraceContext{}
		}
	}
	headers := func(ctx context.Context) map[string]string {
		c := carrier{}
		o.Propagator.Inject(ctx, c)
		return c
	}
	return &Tracer{tracer: o.Provider.Tracer(tracerName), propagator: o.Propagator, headers: headers, errorText: o.ErrorText}
}

// carrier reads the headers of a task. Producers may write names as in HTTP, such as Traceparent.
type carrier map[string]string

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	if v, ok := c[key]; ok {
		return v
	}
	for k, v := range c {
		if len(k) == len(key) && strings.EqualFold(k, key) {
			return v
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(key, value string) { c[strings.ToLower(key)] = value }

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
