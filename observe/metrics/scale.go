package metrics

import (
	"encoding/json"
	"net/http"
	"slices"
)

// Scale is the answer of the handler for autoscalers.
type Scale struct {
	Pool    string   `json:"pool"`
	Queues  []string `json:"queues"` // that the request names; empty for all
	Waiting int      `json:"waiting"`
	Running int      `json:"running"`
	Total   int      `json:"total"` // Waiting + Running
	// Runnable is the running tasks and those waiting ones that limits, rates and pauses let
	// start now: how many slots the queues can use.
	Runnable int `json:"runnable"`
}

// Scale returns a handler that answers how many tasks wait and run, as a JSON object, for
// autoscalers such as the scaler metrics-api of KEDA. The parameter queue, which may be repeated,
// names the queues; without it the answer is for all. A queue that does not exist has no tasks.
// The answer is 503 if the state of the pool cannot be read. Requests within Options.MaxAge share
// one reading.
func (c *Collector) Scale() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		got := c.state.read()
		if got.err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"error":"the state of the pool cannot be read"}` + "\n"))
			return
		}
		// A client that has closed the connection gets no answer.
		_ = json.NewEncoder(w).Encode(c.scaleOf(got, r.URL.Query()["queue"]))
	})
}

func (c *Collector) scaleOf(r *reading, queues []string) Scale {
	s := Scale{Pool: c.opts.Pool, Queues: append([]string{}, queues...)}
	for i := range r.queues {
		q := &r.queues[i]
		if len(queues) > 0 && !slices.Contains(queues, q.Name) {
			continue
		}
		s.Waiting += q.Waiting
		s.Running += q.Running
		runnable := q.Running
		if b := blocks(q, &r.stats); !b["paused"] && !b["rate"] && !b["groups"] {
			runnable += q.Waiting
		}
		if q.Limit > 0 {
			runnable = max(min(runnable, q.Limit), q.Running)
		}
		s.Runnable += runnable
	}
	if most := r.stats.Limit; most > 0 {
		s.Runnable = max(min(s.Runnable, most), s.Running)
	}
	s.Total = s.Waiting + s.Running
	return s
}
