package remote

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/callback"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// TestPool runs tasks of a pool in a real server at services that report over HTTP.
func TestPool(t *testing.T) {
	rdb := redisserver.Start(t).Client(t)
	p, err := pool.New(redisstore.New(rdb, "media"), pool.Config{
		Queues: map[string]pool.Queue{"default": {Workers: 2}}, Lease: time.Second,
		Policies: map[string]pool.Policy{"callback": {Timeout: time.Hour, MaxAttempts: 2, Backoff: pool.Backoff{Base: time.Millisecond}}, "both": {Timeout: time.Hour}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reports := httptest.NewServer(callback.Handler(p))
	t.Cleanup(reports.Close)
	urls := make(chan string, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Type, Callback string }
		if json.NewDecoder(r.Body).Decode(&m) == nil && m.Type == "task.start" {
			urls <- m.Callback
		} else {
			w.WriteHeader(http.StatusServiceUnavailable) // states are not known
		}
	})
	withCallback := func(c *Config) { c.Callback = reports.URL + "/callback" }
	p.HandleKind("callback", s.handler(t, withCallback, func(c *Config) { c.Mode = Callback }))
	p.HandleKind("both", s.handler(t, withCallback, asJobs))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	for _, kind := range []string{"callback", "both"} {
		t.Run(kind, func(t *testing.T) {
			if _, err := p.EnqueueSpec(t.Context(), pool.Spec{ID: kind, Kind: kind, Payload: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
			url := <-urls
			if kind == "callback" { // a failure uses an attempt, and the next one has another token
				post(t, url, `{"state":"failed","error":"no space"}`, http.StatusOK)
				old := url
				if url = <-urls; url == old {
					t.Error("two attempts have one token")
				}
				post(t, old, `{"state":"succeeded","result":"late"}`, http.StatusNotFound)
			}
			post(t, url, `{"state":"succeeded","result":"first"}`, http.StatusOK)
			done, err := p.WaitTask(t.Context(), kind)
			if err != nil || string(done.Result) != `"first"` {
				t.Fatalf("%+v, %v", done, err)
			}
			post(t, url, `{"state":"succeeded","result":"first"}`, http.StatusOK) // a replay
			post(t, url, `{"state":"succeeded","result":"second"}`, http.StatusNotFound)
			post(t, url, `{"state":"failed"}`, http.StatusNotFound)
			again, err := p.Get(t.Context(), kind)
			if err != nil || string(again.Result) != `"first"` || again.Version != done.Version || again.State != pool.Succeeded {
				t.Errorf("after replays: %+v, %v", again, err)
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
