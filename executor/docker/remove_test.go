package docker

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/ltsworker/ltsworker/task"
)

// Attempts in place belong to one claim, and so to one fence.
func TestRemoveEarlierSparesTheContainersOfThisAttemptAndOfLaterClaims(t *testing.T) {
	var removed []string
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			removed = append(removed, path.Base(r.URL.Path))
			return
		}
		var all []container.Summary
		for _, c := range []struct{ id, fence string }{{"earlier", "6"}, {"in-place", "7"}, {"own", "7"}, {"later", "8"}, {"unknown", ""}} {
			all = append(all, container.Summary{ID: c.id, Names: []string{"/" + c.id}, Labels: map[string]string{labelFence: c.fence}})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(all)
	}))
	t.Cleanup(engine.Close)
	x, _, err := newExecutor(Config{Pool: "media", Image: "image", Host: strings.Replace(engine.URL, "http", "tcp", 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.removeEarlier(t.Context(), "own", &task.Task{Fence: 7}); err != nil || !slices.Equal(removed, []string{"earlier", "in-place"}) {
		t.Errorf("removed %q, %v", removed, err)
	}
}
