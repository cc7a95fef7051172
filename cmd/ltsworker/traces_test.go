package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlpv1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector of OTLP over HTTP.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	spans    []*otlpv1.Span
	services map[string]bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{services: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var got collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &got)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("a request to %s: %v", req.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, res := range got.ResourceSpans {
			for _, a := range res.Resource.Attributes {
				if a.Key == "service.name" {
					r.services[a.Value.GetStringValue()] = true
				}
			}
			for _, scope := range res.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// named returns the spans with a name that have arrived.
func (r *receiver) named(name string) (spans []*otlpv1.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name {
			spans = append(spans, s)
		}
	}
	return spans
}

// traceEnv sends spans to a collector soon after they have ended.
func (u *user) traceEnv(url string) {
	u.env = append(u.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+url, "OTEL_BSP_SCHEDULE_DELAY=50")
}

// A replica and enqueue export spans. The command gets the trace of its attempt, and so does the
// task that it enqueues.
func TestSpansOfReplicasAndEnqueueAreExported(t *testing.T) {
	t.Parallel()
	u, c := newUser(t), newReceiver(t)
	u.traceEnv(c.URL)
	u.write("w.yaml", fmt.Sprintf("queues: {default: {workers: 1}}\nhandlers:\n  first: {command: [sh, -c, 'test $LTS_ATTEMPT = 2 && %s enqueue second --redis redis://%s/0 && echo $TRACEPARENT'], backoff: \"fixed:1\"}\n  second: {command: [cat]}\n", u.binary(), u.addr), 0o600)
	u.env = append(u.env, "OTEL_SERVICE_NAME=media")
	r := u.startWith("w.yaml")
	const push = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	id := strings.Fields(u.must("enqueue", "first"))[0]
	u.must("wait", id)
	u.must("enqueue", "second", "--header", "traceparent="+push, "--wait")
	u.until("the spans have arrived", func() bool { return len(c.named("process second")) == 2 && len(c.named("process first")) == 2 })
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	producer := c.named("enqueue first")
	if len(producer) != 1 {
		t.Fatalf("%d spans of enqueue first", len(producer))
	}
	attempts := c.named("process first")
	for _, s := range attempts {
		if len(s.Links) != 1 || string(s.Links[0].SpanId) != string(producer[0].SpanId) || len(s.ParentSpanId) != 0 {
			t.Errorf("the attempt is not linked to its producer: %v", s)
		}
	}
	for _, s := range c.named("enqueue second") {
		if len(s.ParentSpanId) > 0 && string(s.ParentSpanId) != string(attempts[1].SpanId) {
			t.Errorf("the enqueue of the command is not below its attempt: %v", s)
		}
	}
	pushed := 0
	for _, s := range c.named("process second") {
		if len(s.Links) == 1 && hex.EncodeToString(s.Links[0].SpanId) == "00f067aa0ba902b7" {
			pushed++
		}
	}
	if pushed != 1 {
		t.Errorf("%d spans are linked to the header", pushed)
	}
	parent := fmt.Sprintf("00-%x-%x-01", attempts[1].TraceId, attempts[1].SpanId)
	if out := u.must("get", id); !strings.Contains(out, parent) {
		t.Errorf("the command did not get TRACEPARENT %s:\n%s", parent, out)
	}
	if len(c.services) != 1 || !c.services["media"] {
		t.Errorf("services are %v", c.services)
	}
}

// A collector that hangs or refuses connections delays no task. The spans that it does not get
// are counted.
func TestBrokenCollectorDelaysNoTask(t *testing.T) {
	t.Parallel()
	hangs, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts connections, which nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	refuses, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refuses.Close()
	for name, address := range map[string]string{"hangs": hangs.Addr().String(), "refuses": refuses.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.write("w.yaml", "health: 127.0.0.1:0\nmetrics: {pool: false}\nqueues: {default: {workers: 4}}\nhandlers: {echo: {command: [cat]}}\n", 0o600)
			lines := strings.Repeat(`{"kind":"echo"}`+"\n", 60)
			u.write("tasks", lines, 0o600)
			u.must("enqueue", "--batch", "tasks")
			u.env = append(u.env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+address, "OTEL_BSP_MAX_QUEUE_SIZE=10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=5", "OTEL_BSP_SCHEDULE_DELAY=10")
			r := u.startWith("w.yaml")
			url := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(r.await("health endpoint"))
			r.await("spans were lost")
			count := func(outcome string) (n int) {
				_, body := fetch(t, "http://"+url+"/metrics")
				if at := strings.Index(body, `ltsworker_trace_spans_total{outcome="`+outcome+`"} `); at >= 0 {
					_, _ = fmt.Sscan(body[at+len(`ltsworker_trace_spans_total{outcome=""} `)+len(outcome):], &n)
				}
				return n
			}
			// All tasks end while no span can be sent: those of more than a full queue are dropped at once.
			u.until("the tasks have ended", func() bool {
				return len(decodeLines[map[string]any](t, u.must("ls", "--state", "waiting", "--state", "running", "--json"))) == 0
			})
			u.until("the losses are counted", func() bool { return count("dropped")+count("failed") >= 60-10-5 })
			if n := count("exported"); n != 0 {
				t.Errorf("%d spans count as exported", n)
			}
			began := time.Now()
			r.signal(syscall.SIGTERM)
			if code := r.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			// The end waits three seconds for the collector, not for its timeout of ten.
			if took := time.Since(began); name == "hangs" && took > patience/2 {
				t.Errorf("the end took %v", took)
			}
		})
	}
}

func TestVariablesOfTracesAreChecked(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("w.yaml", "queues: {default: {workers: 1}}\nhandlers: {echo: {command: [cat]}}\ntraces: {error: true}\n", 0o600)
	if a := u.run("run", "-c", "w.yaml"); a.code != exitUsage || !strings.Contains(a.err, "errors") {
		t.Errorf("%+v", a)
	}
	for variable, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc": `must be http/protobuf, not "grpc"`, "OTEL_TRACES_EXPORTER=zipkin": `must be otlp or none, not "zipkin"`,
		"OTEL_BSP_MAX_QUEUE_SIZE=x": "must be a positive number",
	} {
		u.env = append(u.env[:2:2], variable)
		if a := u.run("enqueue", "echo", "--traces"); a.code != exitUsage || !strings.Contains(a.err, want) {
			t.Errorf("%s: %+v", variable, a)
		}
	}
	u.env = append(u.env[:2:2], "OTEL_SDK_DISABLED=true", "TRACEPARENT=x", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	u.must("enqueue", "echo", "--traces")
}
