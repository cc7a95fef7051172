// Package otlp sends the spans of the binary to a collector, by OTLP over HTTP. It delays no task:
// spans wait in a bounded queue. Spans that do not fit are dropped, counted and logged.
//
// The SDK of OpenTelemetry reads its standard variables: OTEL_EXPORTER_OTLP_ENDPOINT and the other
// OTEL_EXPORTER_OTLP_ ones, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_BSP_MAX_QUEUE_SIZE and so on.
package otlp

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Wanted reports whether the environment names a collector.
func Wanted() bool {
	return (os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "") && !off()
}

// off reports whether the environment turns spans off.
func off() bool {
	return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none"
}

// Options configures an Exporter.
type Options struct {
	Version string
	Log     *slog.Logger
	// Short is for a command that ends soon: a failed call is not repeated, and Close waits at most
	// one second. Otherwise Close waits at most three.
	Short bool
}

// Exporter sends spans to a collector. A nil Exporter sends none. Close ends it.
type Exporter struct {
	provider *sdk.TracerProvider
	spans    *counter
	patience time.Duration
}

// defaultQueue is how many spans wait unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise.
const defaultQueue = sdk.DefaultMaxQueueSize

// New returns an Exporter; nil if the environment turns spans off. It makes no call to the collector.
func New(ctx context.Context, o Options) (*Exporter, error) {
	if off() {
		return nil, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("%s must be http/protobuf, not %q: use the port of the collector for HTTP, which is 4318 by default", name, p)
		}
	}
	if e := os.Getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER must be otlp or none, not %q", e)
	}
	queue, err := strconv.Atoi(cmp.Or(os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE"), strconv.Itoa(defaultQueue)))
	if err != nil || queue < 1 {
		return nil, fmt.Errorf("OTEL_BSP_MAX_QUEUE_SIZE must be a positive number, not %q", os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE"))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("a problem of the traces", "err", err) }))
	var options []otlptracehttp.Option
	patience := 3 * time.Second
	if o.Short {
		options = append(options, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
		patience = time.Second
	}
	client, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the exporter of traces: %w", err)
	}
	// An attribute of a later option replaces that of an earlier one. After an error, the attributes
	// that were detected are used.
	about, err := resource.New(ctx, resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "ltsworker"), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		o.Log.Warn("a problem of the traces", "err", err)
	}
	c := newCounter(int64(queue), o.Log)
	c.next = sdk.NewBatchSpanProcessor(counted{client, c}, sdk.WithMaxQueueSize(queue))
	return &Exporter{provider: sdk.NewTracerProvider(sdk.WithSpanProcessor(c), sdk.WithResource(about)), spans: c, patience: patience}, nil
}

// Provider returns the provider that makes the spans.
func (e *Exporter) Provider() trace.TracerProvider { return e.provider }

// Metrics returns the counter of spans by outcome; none for a nil Exporter.
func (e *Exporter) Metrics() []prometheus.Collector {
	if e == nil {
		return nil
	}
	return []prometheus.Collector{e.spans.total}
}

// Close sends the spans that wait, within the time that Options.Short says. It counts the others as
// dropped.
func (e *Exporter) Close() {
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.patience)
	defer cancel()
	err := e.provider.Shutdown(ctx)
	e.spans.end(err)
}
