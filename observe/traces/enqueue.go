package traces

import (
	"context"
	"errors"
	"maps"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ltsworker/ltsworker/task"
)

// Enqueue implements task.Tracer. All specs of a call share one span.
func (t *Tracer) Enqueue(ctx context.Context, pool string, specs []task.Spec) (context.Context, func([]task.Receipt, error)) {
	name, attrs := "enqueue", []attribute.KeyValue{system, opEnqueue, semconv.MessagingOperationTypeSend, poolKey.String(pool)}
	switch kind, queue := common(specs); {
	case kind != "" && queue != "":
		name += " " + kind
		attrs = append(attrs, kindKey.String(kind), semconv.MessagingDestinationName(queue))
	case kind != "":
		name += " " + kind
		attrs = append(attrs, kindKey.String(kind))
	case queue != "":
		attrs = append(attrs, semconv.MessagingDestinationName(queue))
	}
	if len(specs) != 1 {
		attrs = append(attrs, semconv.MessagingBatchMessageCount(len(specs)))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attrs...))
	if headers := t.headers(ctx); len(headers) > 0 {
		addHeaders(specs, headers, t.propagator.Fields())
	}
	return ctx, func(receipts []task.Receipt, err error) {
		if span.IsRecording() {
			t.enqueued(span, receipts, err)
		}
		span.End()
	}
}

// enqueued records the outcome of a call.
func (t *Tracer) enqueued(span trace.Span, receipts []task.Receipt, err error) {
	if len(receipts) == 1 && receipts[0].ID != "" {
		span.SetAttributes(semconv.MessagingMessageID(receipts[0].ID))
	}
	duplicates := 0
	for i := range receipts {
		if receipts[i].Duplicate {
			duplicates++
		}
	}
	if duplicates > 0 {
		span.SetAttributes(duplicatesKey.Int(duplicates))
	}
	if err != nil {
		t.fail(span, errorType(err), err.Error())
	}
}

// errorType returns the class of an error of an enqueue.
func errorType(err error) string {
	var field *task.FieldError
	switch {
	case errors.Is(err, task.ErrQueueFull):
		return "queue_full"
	case errors.Is(err, task.ErrLimitReached):
		return "limit_reached"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline_exceeded"
	case errors.As(err, &field):
		return "invalid"
	}
	return "store"
}

// fail marks a span as failed. Without Options.ErrorText it leaves out the text.
func (t *Tracer) fail(span trace.Span, class, text string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(class))
	if t.errorText == nil {
		text = ""
	} else if text != "" {
		text = t.errorText(text)
	}
	span.SetStatus(codes.Error, text)
}

// common returns the kind and the queue that all specs have; "" if they differ.
func common(specs []task.Spec) (kind, queue string) {
	for i := range specs {
		s := &specs[i]
		q := s.Queue
		if q == "" {
			q = task.DefaultQueue
		}
		if i == 0 {
			kind, queue = s.Kind, q
			continue
		}
		if s.Kind != kind {
			kind = ""
		}
		if q != queue {
			queue = ""
		}
	}
	return kind, queue
}

// addHeaders adds the headers of a trace to those of tasks. A task that has one of the fields of the
// propagator keeps its own headers. Headers that would exceed a bound are left out: no enqueue fails
// because it is traced. The specs without headers share a map.
func addHeaders(specs []task.Spec, add map[string]string, fields []string) {
	maps.DeleteFunc(add, func(name, value string) bool {
		return len(name) > task.MaxHeaderLen || len(value) > task.MaxHeaderLen || !utf8.ValidString(value)
	})
	for i := range specs {
		if own := specs[i].Headers; len(own) == 0 {
			specs[i].Headers = add
		} else if !hasField(own, fields) {
			specs[i].Headers = withHeaders(own, add)
		}
	}
}

func hasField(headers map[string]string, fields []string) bool {
	for _, name := range fields {
		if carrier(headers).Get(name) != "" {
			return true
		}
	}
	return false
}

// withHeaders returns own if there would be too many headers.
func withHeaders(own, add map[string]string) map[string]string {
	all := make(map[string]string, len(own)+len(add))
	maps.Copy(all, own)
	maps.Copy(all, add)
	if len(all) > task.MaxHeaders {
		return own
	}
	return all
}
