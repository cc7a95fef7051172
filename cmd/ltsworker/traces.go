package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/otlp"
	"github.com/ltsworker/ltsworker/observe/traces"
)

// traceRun gives the pool of a replica a tracer, if its flags, its file or the environment say so.
// It returns the exporter, nil for none.
func traceRun(f *runFlags, c *config.Config, log *slog.Logger) (*otlp.Exporter, error) {
	if !f.traces && c.Traces == nil && !otlp.Wanted() {
		return nil, nil
	}
	e, err := otlp.New(context.Background(), otlp.Options{Version: version(), Log: log})
	if err != nil {
		return nil, usagef("%v", err)
	}
	if e == nil {
		return nil, nil
	}
	o := traces.Options{Provider: e.Provider()}
	if c.Traces != nil && c.Traces.Errors {
		o.ErrorText = func(text string) string { return text }
	}
	c.Pool.Tracer = traces.New(o)
	return e, nil
}

// traced is a connection of withServer for do, which enqueues tasks. Their trace is that of the
// variable TRACEPARENT, as in a command of a replica. Spans are exported if the flag or the
// environment says so.
func (g *globals) traced(cmd *cobra.Command, wanted bool, do func(ctx context.Context, c *client.Client) error) error {
	return g.withServer(cmd, func(ctx context.Context, c *client.Client) error {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": os.Getenv("TRACEPARENT"), "tracestate": os.Getenv("TRACESTATE")})
		var o traces.Options
		if wanted || otlp.Wanted() {
			e, err := otlp.New(ctx, otlp.Options{Version: version(), Log: newPlainLog(os.Stderr), Short: true})
			if err != nil {
				return usagef("%v", err)
			}
			defer e.Close()
			if e != nil {
				o.Provider = e.Provider()
			}
		} else if os.Getenv("TRACEPARENT") == "" {
			return do(ctx, c)
		}
		if err := c.Trace(traces.New(o)); err != nil {
			return err
		}
		return do(ctx, c)
	})
}
