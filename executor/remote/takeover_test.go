package remote

import (
	"context"
	"errors"
	"net/http"
	"testing"

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
