package traces_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/traces"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// patience bounds every wait of these tests. No wait takes nearly as long.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// pools numbers the pools of the tests, which share one server.
var pools atomic.Int64

// site is a pool whose spans are recorded.
type site struct {
	*pool.Pool
	t        testing.TB
	name     string
	spans    *tracetest.InMemoryExporter
	provider *sdk.TracerProvider
	tracer   *traces.Tracer
}

// newSite returns a pool with the queue q, one slot and a recorder of spans.
func newSite(t testing.TB, o traces.Options, change ...func(*pool.Config)) *site {
	t.Helper()
	s := &site{t: t, name: fmt.Sprint("t", os.Getpid(), "-", pools.Add(1)), spans: tracetest.NewInMemoryExporter()}
	s.provider = sdk.NewTracerProvider(sdk.WithSyncer(s.spans))
	o.Provider = s.provider
	s.tracer = traces.New(o)
	store := redisstore.New(redisserver.Shared(t).Client(t), s.name)
	t.Cleanup(func() { store.Close() })
	cfg := pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 1}}, Tracer: s.tracer, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	p, err := pool.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Pool = p
	return s
}

// serve runs the pool until the test ends or stop is called.
func (s *site) serve() (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

// push adds an entry to the inbox, as programs in other languages do.
func (s *site) push(entry string) {
	s.t.Helper()
	if err := redisserver.Shared(s.t).Client(s.t).RPush(s.t.Context(), "lts:{"+s.name+"}:inbox", entry).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until so many spans with the name have ended, and returns them.
func (s *site) await(name string, n int) (found []tracetest.SpanStub) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		found = nil
		for _, span := range s.spans.GetSpans() {
			if span.Name == name {
				found = append(found, span)
			}
		}
		if len(found) >= n {
			return found
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d spans %q have ended; there are: %v", len(found), n, name, s.names())
		}
		time.Sleep(5 * time.Millisecond) // between two looks at the recorder, which has no signal
	}
}

func (s *site) names() (names []string) {
	for _, span := range s.spans.GetSpans() {
		names = append(names, span.Name)
	}
	return names
}

// wantLinked fails the test unless the span is a root in a trace of its own that is linked to the producer.
func wantLinked(t testing.TB, span tracetest.SpanStub, producer trace.SpanContext) {
	t.Helper()
	switch {
	case span.Parent.IsValid():
		t.Errorf("%s has a parent", span.Name)
	case span.SpanContext.TraceID() == producer.TraceID():
		t.Errorf("%s is in the trace of its producer", span.Name)
	case len(span.Links) != 1:
		t.Errorf("%s has %d links, want one", span.Name, len(span.Links))
	case span.Links[0].SpanContext.TraceID() != producer.TraceID() || span.Links[0].SpanContext.SpanID() != producer.SpanID():
		t.Errorf("%s is linked to %v, want %v", span.Name, span.Links[0].SpanContext.SpanID(), producer.SpanID())
	}
}

// attrs returns the attributes of a span.
func attrs(span tracetest.SpanStub) map[attribute.Key]string {
	m := map[attribute.Key]string{}
	for _, a := range span.Attributes {
		m[a.Key] = a.Value.String()
	}
	return m
}
