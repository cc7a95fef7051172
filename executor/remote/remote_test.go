package remote

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ltsworker/ltsworker/task"
)

// secret signs the requests of tests.
const secret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ=="

// got is a request as the service has got it.
type got struct {
	*http.Request
	body string
}

// recorder is a service that records the requests and answers them with answer.
type recorder struct {
	*httptest.Server
	log logged

	mu       sync.Mutex
	requests []got
	answer   http.HandlerFunc
}

// serve starts a service. A nil answer is the status 200 without a body.
func serve(t *testing.T, answer http.HandlerFunc) *recorder {
	t.Helper()
	r := &recorder{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(strings.NewReader(string(b)))
	r.mu.Lock()
	r.requests = append(r.requests, got{req, string(b)})
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req)
	}
}

// all returns the requests until now.
func (r *recorder) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got{}, r.requests...)
}

// handler returns a handler for the service, which is in a network that the config allows.
func (r *recorder) handler(t *testing.T, change ...func(*Config)) task.Handler {
	t.Helper()
	cfg := Config{Pool: "media", URL: r.URL, Networks: []string{"127.0.0.1"}, Secrets: []string{secret}, Logger: slog.New(&r.log)}
	for _, c := range change {
		c(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newTask returns a task as a handler gets it.
func newTask(payload string) *task.Task {
	return &task.Task{
		Spec: task.Spec{ID: "t-1", Kind: "cut", Queue: "video", Payload: []byte(payload)}, Attempt: 1, Fence: 7,
		CreatedAt: time.Unix(1_000_000_000, 0), TimeLeft: time.Hour,
	}
}

// verify checks the signature of a request as a service does.
func verify(t *testing.T, r got) {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err == nil {
		err = w.Verify([]byte(r.body), r.Header)
	}
	if err != nil {
		t.Errorf("the signature: %v", err)
	}
}

// fields decodes a JSON object.
func fields(t *testing.T, s string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	return m
}

// logged records the messages that are logged.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }
func (l *logged) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Message
	rec.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *logged) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func (l *logged) count(text string) int { return strings.Count(l.all(), text) }
