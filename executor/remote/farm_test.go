package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// farm is a service with jobs. The payload of a task is the last state of its job. A job
// runs in its first answer.
type farm struct {
	mu     sync.Mutex
	jobs   map[string]string // the states by name
	polled map[string]int
	// before answers a request in place of the farm if it returns true.
	before func(w http.ResponseWriter, kind string, m map[string]any) bool
}

func serveFarm(t *testing.T) (*recorder, *farm) {
	f := &farm{jobs: map[string]string{}, polled: map[string]int{}}
	return serve(t, f.answer), f
}

func asJobs(c *Config) { c.Mode, c.Interval = Jobs, time.Millisecond }

func (f *farm) answer(w http.ResponseWriter, r *http.Request) {
	var m map[string]any
	if json.NewDecoder(r.Body).Decode(&m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := m["type"].(string)
	if f.before != nil && f.before(w, kind, m) {
		return
	}
	job, _ := m["job"].(map[string]any)
	switch kind {
	case "task.start":
		name := m["name"].(string)
		if f.jobs[name] == "" {
			b, _ := json.Marshal(m["payload"])
			f.jobs[name] = string(b)
		}
		fmt.Fprintf(w, `{"ref":"ref-%s"}`, name)
	case "task.status":
		states := map[string]json.RawMessage{}
		for _, j := range m["jobs"].([]any) {
			name := j.(map[string]any)["name"].(string)
			f.polled[name]++
			if states[name] = json.RawMessage(f.jobs[name]); f.polled[name] == 1 {
				states[name] = json.RawMessage(`{"state":"running","progress":{"done":0.5},"log":"half\n"}`)
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"jobs": states})
	case "task.output":
		fmt.Fprintf(w, `{"result":{"ref":%q},"log":"all\n"}`, job["ref"])
	case "task.stop":
		f.jobs[job["name"].(string)] = `{"state":"failed","error":"stopped"}`
	}
}

func (f *farm) with(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// kinds returns how many requests of each type have arrived.
func (r *recorder) kinds(t *testing.T) map[string]int {
	n := map[string]int{}
	for _, g := range r.all() {
		n[fields(t, g.body)["type"].(string)]++
	}
	return n
}
