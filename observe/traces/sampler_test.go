package traces_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/task"
)

// byKind is a sampler that takes the spans of a kind, and records what it gets.
type byKind struct {
	kind string
	seen *sdk.SamplingParameters
}

func (s byKind) Description() string { return "by kind" }

func (s byKind) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	*s.seen = p
	for _, a := range p.Attributes {
		if a.Key == "ltsworker.kind" && a.Value.AsString() == s.kind {
			return sdk.SamplingResult{Decision: sdk.RecordAndSample}
		}
	}
	return sdk.SamplingResult{Decision: sdk.Drop}
}

// A sampler decides by the attributes that attempts share, and by the link.
func TestSamplersGetAttributesAndTheLink(t *testing.T) {
	t.Parallel()
	spans, seen := tracetest.NewInMemoryExporter(), sdk.SamplingParameters{}
	tracer := traces.New(traces.Options{Provider: sdk.NewTracerProvider(sdk.WithSyncer(spans), sdk.WithSampler(byKind{"wanted", &seen}))})
	for _, kind := range []string{"wanted", "other", "wanted"} {
		k := &task.Task{Spec: task.Spec{ID: "1", Kind: kind, Headers: map[string]string{"traceparent": good}}, Replica: "r", Attempt: 2}
		_, ended := tracer.Attempt(t.Context(), "p", k, "q")
		ended(task.AttemptEnd{Code: task.CodeOK})
		got := map[attribute.Key]string{}
		for _, a := range seen.Attributes {
			got[a.Key] = a.Value.String()
		}
		want := map[attribute.Key]string{
			"messaging.system": "ltsworker", "messaging.operation.name": "process", "messaging.operation.type": "process",
			"messaging.destination.name": "q", "messaging.client.id": "r", "ltsworker.pool": "p", "ltsworker.kind": kind,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if len(seen.Links) != 1 || seen.Links[0].SpanContext.TraceID() != remote(t, good).TraceID() {
			t.Errorf("the links are %v", seen.Links)
		}
	}
	if got := spans.GetSpans(); len(got) != 2 || attrs(got[0])["messaging.message.id"] != "1" || attrs(got[0])["ltsworker.attempt"] != "2" {
		t.Errorf("recorded: %+v", got)
	}
}

// A replica that runs in a span, such as that of a command, is not the producer of its tasks.
func TestSpanOfTheReplicaIsNotLinked(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	ctx, running := provider.Tracer("t").Start(context.Background(), "run")
	defer running.End()
	k := &task.Task{Spec: task.Spec{ID: "1", Kind: "k", Headers: map[string]string{"x": "y"}}}
	_, ended := traces.New(traces.Options{Provider: provider}).Attempt(ctx, "p", k, "q")
	ended(task.AttemptEnd{})
	if got := spans.GetSpans(); len(got) != 1 || len(got[0].Links) != 0 || got[0].Parent.IsValid() {
		t.Errorf("spans: %+v", got)
	}
}
