package demo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// watch is the state of a demo's tasks according to their events.
type watch struct {
	tasks      int
	ended      int
	succeeded  int
	running    map[string]string // task → replica that holds it
	maxRunning int
	lost       map[string]map[string]bool // replica → tasks that it lost and has not finished
	recovered  map[string]int             // replica → tasks that it lost and that another replica finished
	state      map[string]task.State
	waits      []time.Duration     // from ready to claimed, of first attempts
	runs       []time.Duration     // of the attempts that succeeded
	sums       map[string]checksum // by path
	unread     []string            // succeeded tasks whose result was too large for the event
	repeated   int                 // tasks that ended a second time, which is a fault
	failures   []string            // a message for each task that did not succeed
	elapsed    time.Duration
}

func newWatch(tasks int) *watch {
	return &watch{
		tasks: tasks, running: map[string]string{}, lost: map[string]map[string]bool{}, recovered: map[string]int{},
		state: map[string]task.State{}, sums: map[string]checksum{},
	}
}

// see adds an event and returns how many tasks ended with it. Events come in the order
// in which Redis changed the tasks, so that the running tasks can be counted.
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
		if w.lost[holder] == nil {
			w.lost[holder] = map[string]bool{}
		}
		w.lost[holder][e.ID] = true
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
	// On a busy machine, several replicas can lose the same task, and its last holder can be one of them.
	delete(w.lost[holder], e.ID)
	for replica, tasks := range w.lost {
		if tasks[e.ID] {
			w.recovered[replica]++
		}
	}
	var sum checksum
	if json.Unmarshal(e.Result, &sum) == nil {
		w.sums[sum.Path] = sum
	} else {
		w.unread = append(w.unread, e.ID)
	}
	return 1
}
