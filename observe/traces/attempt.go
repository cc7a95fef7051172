package traces

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ltsworker/ltsworker/task"
)

// The attributes that the semantic conventions do not have.
const (
	poolKey       = attribute.Key("ltsworker.pool")
	kindKey       = attribute.Key("ltsworker.kind")
	attemptKey    = attribute.Key("ltsworker.attempt")
	outcomeKey    = attribute.Key("ltsworker.outcome")
	codeKey       = attribute.Key("ltsworker.code")
	duplicatesKey = attribute.Key("ltsworker.duplicates")
)

var (
	system    = semconv.MessagingSystemKey.String("ltsworker")
	opEnqueue = semconv.MessagingOperationName("enqueue")
	opProcess = semconv.MessagingOperationName("process")
	opSave    = semconv.MessagingOperationName("save")
)

// Attempt implements task.Tracer. A sampler gets the attributes that the attempts of a kind and queue
// share, and the link. Those of one task are set only on a span that is recorded.
func (t *Tracer) Attempt(ctx context.Context, pool string, k *task.Task, queue string) (context.Context, func(task.AttemptEnd)) {
	start := t.starts.of(startKey{pool, queue, k.Kind, k.Replica, k.State == task.Exporting})
	options := start.options
	if len(k.Headers) > 0 {
		ctx = t.propagator.Extract(ctx, carrier(k.Headers))
		if producer := trace.SpanContextFromContext(ctx); producer.IsRemote() && producer.IsValid() {
			options = append(options[:len(options):len(options)], trace.WithLinks(trace.Link{SpanContext: producer}))
		}
	}
	ctx, span := t.tracer.Start(ctx, start.name, options...)
	if span.IsRecording() {
		span.SetAttributes(semconv.MessagingMessageID(k.ID), attemptKey.Int64(k.Attempt))
	}
	ctx = task.WithTraceHeaders(ctx, t.headers)
	if k.HasThen {
		// The meta of the attempt becomes a part of the headers of the task that follows. A value
		// that exceeds a bound of the meta is left out.
		for name, value := range t.headers(ctx) {
			_ = k.SetMeta(name, value)
		}
	}
	return ctx, func(end task.AttemptEnd) {
		if span.IsRecording() {
			t.ended(span, end)
		}
		span.End()
	}
}

// outcomes are the values of the attribute ltsworker.outcome.
var outcomes = map[task.Op]string{task.Succeed: "succeeded", task.Fail: "failed", task.Release: "released", task.Detached: "detached"}

// ended records the end of an attempt. A stop by an operator and a release are no errors.
func (t *Tracer) ended(span trace.Span, end task.AttemptEnd) {
	span.SetAttributes(outcomeKey.String(outcomes[end.Op]), codeKey.String(string(end.Code)))
	if !end.Slow.IsZero() {
		span.AddEvent("soft timeout", trace.WithTimestamp(end.Slow))
	}
	if end.Code == task.CodeLost || end.Op == task.Fail && end.Code != task.CodeStopped {
		t.fail(span, string(end.Code), end.Error)
	}
}
