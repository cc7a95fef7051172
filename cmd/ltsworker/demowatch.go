package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/internal/latency"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// watch is what the callback stream told about the tasks of a demo.
type watch struct {
	tasks      int
	ended      int
	succeeded  int
	running    map[string]string // task → replica that holds it
	maxRunning int
	lost       map[string]string // task → replica that lost it last
	recovered  map[string]string // succeeded task → replica that had lost it
	state      map[string]task.State
	waits      []time.Duration     // from due to claimed, first attempts
	runs       []time.Duration     // of the attempts that succeeded
	sums       map[string]checksum // by path
	unread     []string            // succeeded tasks whose result was too large for the event
	repeated   int                 // tasks that ended a second time, which must not be
	failures   []string            // what the failed ones said
	elapsed    time.Duration
}

func newWatch(tasks int) *watch {
	return &watch{
		tasks: tasks, running: map[string]string{}, lost: map[string]string{}, recovered: map[string]string{},
		state: map[string]task.State{}, sums: map[string]checksum{},
	}
}

// see takes in one event. The stream has the changes of state in the order in
// which Redis made them, so counting along gives the leases held at each moment.
// It returns how many tasks ended by the event.
func (w *watch) see(e task.Event) (ended int) {
	if e.Code == task.CodeSlow {
		return 0
	}
	if e.State == task.Running {
		w.running[e.ID] = e.Replica
		w.maxRunning = max(w.maxRunning, len(w.running))
		if e.Attempt == 1 {
			w.waits = append(w.waits, e.Wait)
		}
		return 0
	}
	holder := w.running[e.ID]
	delete(w.running, e.ID)
	if e.Code == task.CodeLost {
		w.lost[e.ID] = holder
	}
	if !e.State.Terminal() {
		return 0
	}
	if w.state[e.ID] != "" {
		w.repeated++
		return 0
	}
	w.state[e.ID] = e.State
	w.ended++
	if e.State != task.Succeeded {
		w.failures = append(w.failures, fmt.Sprintf("task %s %s (%s): %s", e.ID, e.State, e.Code, e.Error))
		return 1
	}
	w.succeeded++
	w.runs = append(w.runs, e.Run)
	if by, ok := w.lost[e.ID]; ok {
		w.recovered[e.ID] = by
	}
	var sum checksum
	if json.Unmarshal(e.Result, &sum) == nil {
		w.sums[sum.Path] = sum
	} else {
		w.unread = append(w.unread, e.ID)
	}
	return 1
}

// summary is the outcome of a demo; every figure was observed.
type summary struct {
	Tasks      int     `json:"tasks"`
	Succeeded  int     `json:"succeeded"`
	Failed     int     `json:"failed"`
	Replicas   int     `json:"replicas"`
	Killed     int     `json:"killed"`
	Recovered  int     `json:"recovered"`
	Limit      int     `json:"limit"`
	MaxRunning int     `json:"max_running"`
	WaitP50MS  float64 `json:"wait_p50_ms"`
	WaitP99MS  float64 `json:"wait_p99_ms"`
	ElapsedMS  int64   `json:"elapsed_ms"`
}

func (w *watch) summary(t *team, limit int) summary {
	s := summary{
		Tasks: w.tasks, Succeeded: w.succeeded, Failed: w.ended - w.succeeded,
		Replicas: len(t.members), Limit: limit, MaxRunning: w.maxRunning,
		WaitP50MS: latency.Milliseconds(latency.Percentile(w.waits, 50)), WaitP99MS: latency.Milliseconds(latency.Percentile(w.waits, 99)),
		ElapsedMS: w.elapsed.Milliseconds(),
	}
	if t.killed != "" {
		s.Killed = 1
	}
	for _, by := range w.recovered {
		if by == t.killed {
			s.Recovered++
		}
	}
	return s
}

// print shows the summary to a person.
func (s summary) print(out io.Writer, w *watch, verified int) error {
	tab := terminal.NewTable(out)
	tab.Row("tasks", strconv.Itoa(s.Tasks))
	tab.Row("succeeded", fmt.Sprintf("%d, %d checksums verified", s.Succeeded, verified))
	tab.Row("failed", strconv.Itoa(s.Failed))
	tab.Row("replicas", fmt.Sprintf("%d started, %d killed", s.Replicas, s.Killed))
	tab.Row("recovered", fmt.Sprintf("%s of the killed replica finished by others", terminal.Count(s.Recovered, "task")))
	tab.Row("running at once", fmt.Sprintf("%d at most, with a limit of %d for %d slots", s.MaxRunning, s.Limit, s.Replicas*demoWorkers))
	tab.Row("wait", fmt.Sprintf("p50 %v, p99 %v", terminal.Duration(latency.Percentile(w.waits, 50)), terminal.Duration(latency.Percentile(w.waits, 99))))
	tab.Row("run", fmt.Sprintf("p50 %v, p99 %v", terminal.Duration(latency.Percentile(w.runs, 50)), terminal.Duration(latency.Percentile(w.runs, 99))))
	tab.Row("elapsed", terminal.Duration(w.elapsed))
	tab.Row("tasks per second", fmt.Sprintf("%.0f", float64(s.Tasks)/w.elapsed.Seconds()))
	return tab.Flush()
}
