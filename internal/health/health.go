// Package health serves the health endpoint of a replica: /live, /ready, and what else is to be
// served there.
package health

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/ltsworker/ltsworker/internal/endpoint"
	"github.com/ltsworker/ltsworker/pool"
)

// Patience is how long calls to Redis may fail before a replica is not ready. A shorter
// outage only delays tasks.
const Patience = 5 * time.Second

// Status is the answer of the health endpoint.
type Status struct {
	Ready     bool  `json:"ready"`
	Joined    bool  `json:"joined"`
	Draining  bool  `json:"draining"`
	FailingMS int64 `json:"failing_ms"` // for how long calls to Redis have failed
	Slots     int   `json:"slots"`
	Running   int   `json:"running"`
	Stuck     int   `json:"stuck"`

	Refuses string `json:"refuses,omitempty"` // why the replica takes no tasks for now
}

func statusOf(h pool.Health) Status {
	return Status{
		Ready:  h.Joined && !h.Draining && h.Failing < Patience,
		Joined: h.Joined, Draining: h.Draining, FailingMS: h.Failing.Milliseconds(),
		Slots: h.Slots, Running: h.Running, Stuck: h.Stuck, Refuses: h.Refuses,
	}
}

// Serve answers /live and /ready, and GET requests for other paths, at the address until stop is
// called. /live answers 200 as long as the process works, even if Redis does not: a restart would
// not help.
func Serve(address string, p *pool.Pool, other map[string]http.Handler, log *slog.Logger) (stop func(), err error) {
	mux := http.NewServeMux()
	answer := func(ok func(Status) bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			h := statusOf(p.Health())
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			if !ok(h) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			// A client that has closed the connection gets no answer.
			_ = json.NewEncoder(w).Encode(h)
		}
	}
	mux.HandleFunc("GET /live", answer(func(Status) bool { return true }))
	mux.HandleFunc("GET /ready", answer(func(h Status) bool { return h.Ready }))
	for path, h := range other {
		mux.Handle("GET "+path, h)
	}
	return endpoint.Serve("health endpoint", address, &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second,
	}, log)
}
