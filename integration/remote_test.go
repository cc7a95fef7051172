package integration

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/callback"
	"github.com/ltsworker/ltsworker/executor/remote"
	"github.com/ltsworker/ltsworker/pool"
)

// A service reports the end of its jobs over HTTP, while it cannot be polled. A report that is
// replayed or replaced changes nothing.
func TestServiceReportsTheEndOfAJobOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cfg := slots(2)
	cfg.Policies = map[string]pool.Policy{
		"callback": {Timeout: time.Hour, MaxAttempts: 2, Backoff: pool.Backoff{Base: time.Millisecond}}, "jobs": {Timeout: time.Hour},
	}
	p := s.pool(cfg)
	reports := httptest.NewServer(callback.Handler(p))
	t.Cleanup(reports.Close)
	urls := make(chan string, 10)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Type, Callback string }
		if json.NewDecoder(r.Body).Decode(&m) == nil && m.Type == "task.start" {
			select {
			case urls <- m.Callback:
			case <-r.Context().Done():
			}
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(service.Close)
	for kind := range cfg.Policies {
		h, err := remote.New(remote.Config{
			Pool: s.name, URL: service.URL, Mode: remote.Mode(kind), Callback: reports.URL + "/callback",
			Networks: []string{"127.0.0.1"}, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		p.HandleKind(kind, h)
	}
	s.serve(p)
	for kind := range cfg.Policies {
		t.Run(kind, func(t *testing.T) {
			id := enqueue(t, p, pool.Spec{Kind: kind, Payload: []byte(`{}`), Retain: new(time.Hour)})
			url := receive(t, urls, patience, "the start of the job")
			if kind == "callback" { // a failure uses an attempt, and the next one has another token
				post(t, url, `{"state":"failed","error":"no space"}`, http.StatusOK)
				old := url
				url = receive(t, urls, patience, "the start of the next job")
				post(t, old, `{"state":"succeeded","result":"late"}`, http.StatusNotFound)
			}
			post(t, url, `{"state":"succeeded","result":"first"}`, http.StatusOK)
			done := await(t, p, id)
			if done.State != pool.Succeeded || string(done.Result) != `"first"` {
				t.Fatalf("%+v", done)
			}
			post(t, url, `{"state":"succeeded","result":"first"}`, http.StatusOK) // a replay
			post(t, url, `{"state":"succeeded","result":"second"}`, http.StatusNotFound)
			post(t, url, `{"state":"failed"}`, http.StatusNotFound)
			if again := get(t, p, id); string(again.Result) != `"first"` || again.Version != done.Version || again.State != pool.Succeeded {
				t.Errorf("after replays: %+v", again)
			}
		})
	}
}

// post sends a report and checks the status of the answer.
func post(t *testing.T, url, report string, want int) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(report))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != want {
		t.Errorf("%s: status %d, want %d: %s", report, res.StatusCode, want, b)
	}
}
