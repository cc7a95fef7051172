package remote

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The first owner of the task ends at a step. The next owner has only the checkpoint, and
// finds the job.
func TestNextOwnerOfTheTaskStartsNoSecondJob(t *testing.T) {
	for _, step := range []string{"task.start", "task.status", "task.output"} {
		s, f := serveFarm(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		f.before = func(w http.ResponseWriter, kind string, m map[string]any) bool {
			if kind != step || ctx.Err() != nil {
				return false
			}
			if kind == "task.start" {
				f.jobs[m["name"].(string)] = `{"state":"succeeded"}`
			}
			cancel(task.ErrLeaseLost)
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
			return true
		}
		h, tk := s.handler(t, asJobs), newTask(`{"state":"succeeded"}`)
		if _, err := h(ctx, tk); !errors.Is(err, task.ErrLeaseLost) {
			t.Errorf("%s: the first owner: %v", step, err)
		}
		tk.Attempt, tk.Fence, tk.Lost = 2, 9, 1
		if result, err := h(t.Context(), tk); err != nil || len(result) == 0 {
			t.Errorf("%s: the next owner: %q, %v", step, result, err)
		}
		ids := map[string]bool{}
		for _, r := range s.all() {
			if fields(t, r.body)["type"] == "task.start" {
				ids[r.Header.Get("Webhook-Id")] = true
			}
		}
		if k := s.kinds(t); len(f.jobs) != 1 || len(ids) != 1 || k["task.stop"] != 0 || step != "task.start" && k["task.start"] != 1 {
			t.Errorf("%s: %d jobs, %v", step, len(f.jobs), k)
		}
	}
}

// A replica drains before the service has answered the start of a job that will report. The
// next attempts use the same webhook-id until the service has answered one. An attempt
// after that starts another job.
func TestUnansweredStartIsRepeatedAfterADrain(t *testing.T) {
	var answers atomic.Bool
	arrived := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !answers.Load() {
			arrived <- struct{}{}
			<-r.Context().Done()
		}
	})
	cfg := Config{Pool: "media", URL: s.URL, Networks: []string{"127.0.0.1"}, Mode: Callback, Callback: "https://pool.example", Timeout: time.Minute}
	svc, err := newService(cfg)
	if err != nil {
		t.Fatal(err)
	}
	svc.drainGrace = time.Millisecond // the service does not answer, so the start waits for it
	tk := newTask(`{}`)
	for tk.Attempt = 1; tk.Attempt <= 2; tk.Attempt++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-arrived
			cancel(task.ErrShutdown)
		}()
		if _, err := svc.startAndDetach(ctx, tk); !errors.Is(err, task.ErrShutdown) {
			t.Errorf("attempt %d: %v", tk.Attempt, err)
		}
	}
	answers.Store(true)
	for ; tk.Attempt <= 4; tk.Attempt++ { // the job of attempt 3 reports a release
		if _, err := svc.startAndDetach(t.Context(), tk); !task.DispositionOf(err).Detach {
			t.Errorf("attempt %d: %v", tk.Attempt, err)
		}
	}
	var ids []string
	for _, r := range s.all() {
		ids = append(ids, r.Header.Get("Webhook-Id"))
	}
	if len(ids) != 4 || ids[1] != ids[0] || ids[2] != ids[0] || ids[3] == ids[0] {
		t.Errorf("webhook-id of the four starts: %v", ids)
	}
}
