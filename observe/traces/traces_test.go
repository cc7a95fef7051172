package traces_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func remote(t testing.TB, parent string) trace.SpanContext {
	t.Helper()
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	return trace.SpanContextFromContext(ctx)
}

// A task that fails once, is retried and enqueues another one.
func TestProducerAttemptsAndChildrenAreLinked(t *testing.T) {
	t.Parallel()
	s := newSite(t, traces.Options{})
	s.HandleKind("first", func(ctx context.Context, k *task.Task) ([]byte, error) {
		if k.Attempt == 1 {
			return nil, pool.RetryAfter(errors.New("secret"), time.Millisecond)
		}
		_, err := s.EnqueueSpec(ctx, pool.Spec{Kind: "second", Queue: "q"})
		return nil, err
	})
	s.HandleKind("second", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	s.serve()
	ctx, caller := s.provider.Tracer("test").Start(t.Context(), "caller")
	r, err := s.EnqueueSpec(ctx, pool.Spec{Kind: "first", Queue: "q", MaxAttempts: 2})
	caller.End()
	if err != nil {
		t.Fatal(err)
	}
	second := s.await("process second", 1)[0]
	first := s.await("process first", 2)
	producer, child := s.await("enqueue first", 1)[0], s.await("enqueue second", 1)[0]
	if producer.Parent.SpanID() != caller.SpanContext().SpanID() || producer.SpanKind != trace.SpanKindProducer {
		t.Errorf("the span of the enqueue is no producer below its caller: %+v", producer)
	}
	for _, span := range first {
		wantLinked(t, span, producer.SpanContext)
	}
	if first[0].SpanContext.TraceID() == first[1].SpanContext.TraceID() {
		t.Error("two attempts share a trace")
	}
	if child.Parent.SpanID() != first[1].SpanContext.SpanID() {
		t.Error("the enqueue in the handler is not below the attempt")
	}
	wantLinked(t, second, child.SpanContext)

	want := map[attribute.Key]string{
		"messaging.system": "ltsworker", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "q", "messaging.message.id": r.ID, "messaging.client.id": attrs(first[0])["messaging.client.id"],
		"ltsworker.pool": s.name, "ltsworker.kind": "first", "ltsworker.attempt": "1", "ltsworker.outcome": "failed", "ltsworker.code": "error",
		"error.type": "error",
	}
	if diff := cmp.Diff(want, attrs(first[0])); diff != "" {
		t.Error(diff)
	}
	if first[0].Status.Code != codes.Error || first[0].Status.Description != "" || first[1].Status.Code != codes.Unset || first[0].SpanKind != trace.SpanKindConsumer {
		t.Errorf("status %+v and %+v, kind %v", first[0].Status, first[1].Status, first[0].SpanKind)
	}
	if want["messaging.client.id"] == "" {
		t.Error("the replica is missing")
	}
}

func TestHeadersOfPushedEntriesAreLinkedAndBadOnesIgnored(t *testing.T) {
	t.Parallel()
	s := newSite(t, traces.Options{})
	s.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	s.serve()
	linked := []string{`"traceparent":"` + good + `"`, `"Traceparent":"` + good + `"`, `"traceparent":"` + good + `","tracestate":"!"`}
	ignored := []string{
		`"traceparent":"x"`, `"traceparent":""`, `"traceparent":"00-00000000000000000000000000000000-00f067aa0ba902b7-01"`, `"x":"y"`,
		`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"`, `"traceparent":"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"`,
		`"traceparent":"00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01"`, `"tracestate":"a=b"`, `"traceparent":"` + strings.Repeat("0", 1000) + `"`,
	}
	for i, h := range append(linked, ignored...) {
		s.push(fmt.Sprintf(`{"kind":"k","queue":"q","id":"%d","headers":{%s}}`, i, h))
	}
	for _, span := range s.await("process k", len(linked)+len(ignored)) {
		var i int
		if _, err := fmt.Sscan(attrs(span)["messaging.message.id"], &i); err != nil {
			t.Fatal(err)
		}
		if i < len(linked) {
			wantLinked(t, span, remote(t, good))
		} else if len(span.Links) != 0 || span.Parent.IsValid() {
			t.Errorf("%s makes a link", ignored[i-len(linked)])
		}
	}
}

// Children have the headers of their parent. The task that follows has those of the attempt that
// made it.
func TestChildrenAndTheTaskThatFollowsAreLinked(t *testing.T) {
	t.Parallel()
	s := newSite(t, traces.Options{})
	none := func(context.Context, *task.Task) ([]byte, error) { return nil, nil }
	for _, kind := range []string{"part", "first", "next"} {
		s.HandleKind(kind, none)
	}
	s.serve()
	for _, spec := range []pool.Spec{{Kind: "part", Queue: "q", Shards: 3}, {Kind: "first", Queue: "q", Then: &pool.Spec{Kind: "next", Queue: "q"}}} {
		if _, err := s.EnqueueSpec(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	for _, span := range s.await("process part", 3) {
		wantLinked(t, span, s.await("enqueue part", 1)[0].SpanContext)
	}
	wantLinked(t, s.await("process next", 1)[0], s.await("process first", 1)[0].SpanContext)
}

func TestEndsOfAttemptsAreRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t, traces.Options{ErrorText: func(text string) string { return strings.ReplaceAll(text, "s3cret", "…") }})
	started := make(chan string, 1)
	for kind, h := range map[string]pool.Handler{
		"permanent": func(context.Context, *task.Task) ([]byte, error) { return nil, pool.Permanent(errors.New("no s3cret")) },
		"panic":     func(context.Context, *task.Task) ([]byte, error) { panic("s3cret") },
		"snooze": func(_ context.Context, k *task.Task) ([]byte, error) {
			if k.Attempt > 1 {
				return nil, nil
			}
			return nil, pool.Snooze(time.Millisecond)
		},
		"stop": func(ctx context.Context, k *task.Task) ([]byte, error) {
			started <- k.ID
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		s.HandleKind(kind, h)
	}
	s.serve()
	for _, kind := range []string{"permanent", "panic", "snooze", "stop"} {
		if _, err := s.EnqueueSpec(t.Context(), pool.Spec{Kind: kind, Queue: "q", MaxAttempts: 1}); err != nil {
			t.Fatal(err)
		}
		if kind == "stop" {
			if _, err := s.Stop(t.Context(), pool.Filter{IDs: []string{<-started}}, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	for kind, want := range map[string][3]string{
		"permanent": {"failed", "permanent", "no …"},
		"panic":     {"failed", "panic", "panic: …"},
		"snooze":    {"released", "released", ""},
		"stop":      {"failed", "stopped", ""},
	} {
		s.wantEnd(kind, want, kind != "snooze")
	}
}

// The span of a handler that does not return ends when the replica gives the handler up.
func TestSpanOfAHandlerThatDoesNotReturnEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, traces.Options{ErrorText: func(text string) string { return text }}, func(c *pool.Config) { c.StopGrace = 10 * time.Millisecond })
	late := make(chan struct{})
	s.HandleKind("stuck", func(context.Context, *task.Task) ([]byte, error) { <-late; return nil, nil })
	stop := s.serve()
	defer stop()
	defer close(late)
	r, err := s.EnqueueSpec(t.Context(), pool.Spec{Kind: "stuck", Queue: "q", MaxAttempts: 1, Timeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.WaitTask(t.Context(), r.ID); err != nil || got.Code != pool.CodeTimeoutAbandoned {
		t.Fatal(got, err)
	}
	s.wantEnd("stuck", [3]string{"failed", "timeout_abandoned", "attempt timed out, and the handler did not return within 10ms"}, true)
}

// wantEnd checks the outcome, the code and the first line of the description of the spans of a kind.
func (s *site) wantEnd(kind string, want [3]string, once bool) {
	s.t.Helper()
	spans := s.await("process "+kind, 1)
	if n := len(spans); n > 1 && once {
		s.t.Errorf("%s: the span has ended %d times", kind, n)
	}
	span := spans[0]
	a := attrs(span)
	text, _, _ := strings.Cut(span.Status.Description, "\n")
	if got := [3]string{a["ltsworker.outcome"], a["ltsworker.code"], text}; got != want {
		s.t.Errorf("%s: %q, want %q", kind, got, want)
	}
	fails := a["ltsworker.outcome"] == "failed" && a["ltsworker.code"] != "stopped"
	if (span.Status.Code == codes.Error) != fails || (a["error.type"] != "") != fails {
		s.t.Errorf("%s: status %+v, error.type %q", kind, span.Status, a["error.type"])
	}
}

// No enqueue fails because it is traced, and no spec of the caller changes.
func TestEnqueueKeepsGivenHeadersAndBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t, traces.Options{Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})})
	many := map[string]string{}
	for i := range task.MaxHeaders {
		many[fmt.Sprint("h", i)] = "v"
	}
	specs := []pool.Spec{{Kind: "k", Headers: map[string]string{"Traceparent": good}}, {Kind: "k", Headers: maps.Clone(many)}, {Kind: "k", Headers: map[string]string{"a": "b"}}}
	member, err := baggage.NewMemberRaw("tenant", strings.Repeat("x", task.MaxHeaderLen))
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := s.EnqueueAll(baggage.ContextWithBaggage(t.Context(), bag), specs)
	if err != nil {
		t.Fatal(err)
	}
	span := s.await("enqueue k", 1)[0]
	if got := attrs(span)["messaging.batch.message_count"]; got != "3" {
		t.Errorf("the count of the batch is %q", got)
	}
	parent := fmt.Sprintf("00-%s-%s-01", span.SpanContext.TraceID(), span.SpanContext.SpanID())
	for i, want := range []map[string]string{{"Traceparent": good}, many, {"a": "b", "traceparent": parent}} {
		k, err := s.Get(t.Context(), receipts[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, k.Headers); diff != "" {
			t.Error(diff)
		}
	}
	if len(specs[2].Headers) != 1 {
		t.Error("the spec of the caller has changed")
	}
}

// A replica that records nothing passes the trace of the producer on.
func TestWithoutAProviderTheTraceIsPassedOn(t *testing.T) {
	tracer := traces.New(traces.Options{})
	k := &task.Task{Spec: task.Spec{ID: "1", Kind: "k", Headers: map[string]string{"traceparent": good}}}
	ctx, ended := tracer.Attempt(t.Context(), "p", k, "q")
	if diff := cmp.Diff(map[string]string{"traceparent": good}, task.TraceHeaders(ctx)); diff != "" {
		t.Error(diff)
	}
	ended(task.AttemptEnd{})
	specs := []task.Spec{{Kind: "k"}}
	_, done := tracer.Enqueue(ctx, "p", specs)
	done(nil, nil)
	if specs[0].Headers["traceparent"] != good {
		t.Errorf("the headers are %v", specs[0].Headers)
	}
	specs[0].Headers = nil
	if tracer.Enqueue(context.Background(), "p", specs); specs[0].Headers != nil {
		t.Errorf("without a trace the headers are %v", specs[0].Headers)
	}
}

func TestLibraryLinksNoSDKAndOnlyProgramsWithTracesTheAPI(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	deps := func(packages ...string) string {
		out, err := exec.Command("go", append([]string{"list", "-deps"}, packages...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := deps(module + "observe/traces"); strings.Contains(got, "otel/sdk") || strings.Contains(got, "otel/exporters") || !strings.Contains(got, "otel/trace") {
		t.Error("package traces is built with the SDK")
	}
	if got := deps(module+"pool", module+"redisstore", module+"executor/command", module+"executor/remote"); strings.Contains(got, "opentelemetry") {
		t.Error("a program without traces is built with OpenTelemetry")
	}
}
