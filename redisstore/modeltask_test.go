package redisstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// walkBackoff is longer than any walk. A task that waits for it does not start again during the
// walk.
var walkBackoff = task.Backoff{Fixed: true, Base: time.Hour}

// someSpec returns the spec of a task with random features.
func (w *walk) someSpec(i int, delay time.Duration) task.Spec {
	s := task.Spec{ID: fmt.Sprintf("%d-%d-%d", 9-w.step%10, w.step, i), Kind: pick(w, walkKinds...), Queue: pick(w, walkQueues...),
		Group: pick(w, walkGroups...), Priority: pick[int8](w, 0, 0, 0, 1, -1, 127, -128), Delay: delay, MaxAttempts: 1 + w.rng.IntN(3),
		Backoff: walkBackoff, Timeout: pick(w, 0, 0, 0, 0, 0, 0, long/2, task.Forever, short), TTL: pick[time.Duration](w, 0, 0, 0, 0, long, short),
		Deadline: pick[time.Duration](w, 0, 0, 0, 0, 0, 0, 0, 5*time.Hour), Payload: pick(w, nil, []byte("payload"), []byte("\n\x00 w1 \u00ff"))}
	if s.TTL <= s.Delay {
		s.TTL = 0
	}
	if w.rng.IntN(4) == 0 {
		s.Unique = pick(w, "u", "v", "no name")
	}
	if w.rng.IntN(10) == 0 {
		s.ID = w.some()
	}
	if w.rng.IntN(6) == 0 {
		s.Headers = map[string]string{"h": "a b\n"}
	}
	if w.rng.IntN(3) > 0 {
		s.Retain = new(pick(w, 0, task.Forever))
	}
	s.Reply = w.rng.IntN(6) == 0
	s.Hold = delay == 0 && w.rng.IntN(12) == 0
	return s
}

// make adds a new task to the model.
func (w *walk) make(s task.Spec) *mtask {
	m := &mtask{spec: s, id: s.ID, state: task.Waiting, v: 1, timed: true, reply: s.Reply}
	m.aged = w.agedIn(m)
	switch {
	case s.Hold:
		m.state = task.Scheduled
	case s.Delay == 0:
		w.place(m)
	case s.Delay == short:
		m.state, m.dueStep = task.Scheduled, w.step
	default:
		m.state = task.Scheduled
	}
	w.tasks[m.id] = m
	w.enqueued++
	w.appended++
	if s.Reply {
		delete(w.replies, m.id)
	}
	return m
}

// taken returns the existing task because of which the spec makes no new task; nil if there is
// none. If a duplicate requests a reply, it gets the reply of that task.
func (w *walk) taken(s task.Spec) *mtask {
	m := w.tasks[s.ID]
	if m == nil {
		return w.holder(s.Unique)
	}
	if s.Reply && m.live() {
		m.reply, m.past = true, true
	}
	if s.Reply && !m.live() && len(w.replies[m.id]) == 0 {
		w.replies[m.id] = []string{string(m.state)}
	}
	return m
}

func (w *walk) enqueue(delay time.Duration) {
	specs := make([]task.Spec, 1+w.rng.IntN(7))
	made := w.rng.IntN(4) == 0
	for i := range specs {
		specs[i] = w.someSpec(i, delay)
		if made {
			specs[i].ID, specs[i].Reply = "", false
		}
		if w.last == "calm" && specs[i].TTL == short {
			specs[i].TTL = 0
		}
	}
	w.last += fmt.Sprintf(" enqueue %d after %v", len(specs), delay)
	receipts, err := w.store.Enqueue(w.ctx, specs)
	w.must(err)
	for i, s := range specs {
		if s.ID == "" {
			s.ID = receipts[i].ID
			if w.tasks[s.ID] != nil && w.holder(s.Unique) != w.tasks[s.ID] {
				w.failf("the id %s was made twice", s.ID)
			}
			if m := w.holder(s.Unique); m != nil {
				s.ID = ""
			}
		}
		var want task.Receipt
		if m := w.taken(s); m != nil {
			want = task.Receipt{ID: m.id, State: m.state, Duplicate: true}
		} else {
			m := w.make(s)
			want = task.Receipt{ID: m.id, State: m.state}
		}
		if d := cmp.Diff(want, receipts[i]); d != "" {
			w.failf("receipt %d (-want +got):\n%s", i, d)
		}
	}
}

// push makes tasks through the inbox. It also pushes entries that are rejected.
func (w *walk) push() {
	var entries []any
	n := 1 + w.rng.IntN(3)
	for i := range n {
		s := w.someSpec(i, pick(w, 0, 0, long))
		s.Payload, s.Headers = []byte("[1,2]"), nil
		e := map[string]any{"kind": s.Kind, "id": s.ID, "queue": s.Queue, "priority": s.Priority, "max_attempts": s.MaxAttempts,
			"backoff": s.Backoff.String(), "payload": json.RawMessage(s.Payload), "reply": s.Reply}
		optional := func(name string, v any, given bool) {
			if given {
				e[name] = v
			}
		}
		optional("group", s.Group, s.Group != "")
		optional("unique", s.Unique, s.Unique != "")
		optional("hold", true, s.Hold)
		optional("delay_ms", s.Delay.Milliseconds(), s.Delay > 0)
		optional("timeout_ms", s.Timeout.Milliseconds(), s.Timeout > 0)
		optional("timeout_ms", "none", s.Timeout == task.Forever)
		optional("ttl_ms", s.TTL.Milliseconds(), s.TTL > 0)
		optional("deadline_ms", s.Deadline.Milliseconds(), s.Deadline > 0)
		if s.Retain != nil {
			optional("retain_ms", s.Retain.Milliseconds(), *s.Retain != task.Forever)
			optional("retain_ms", "forever", *s.Retain == task.Forever)
		}
		bad := w.rng.IntN(6) == 0
		optional("colour", "red", bad)
		text, err := json.Marshal(e)
		w.must(err)
		entries = append(entries, text)
		switch m := (*mtask)(nil); {
		case bad:
			w.reject(s)
		default:
			if m = w.taken(s); m == nil {
				w.make(s)
				continue
			}
			if m.id != s.ID {
				w.reject(s)
			} else {
				w.rejected++
			}
		}
	}
	w.last = fmt.Sprintf("push %d entries", n)
	w.must(w.rdb.RPush(w.ctx, w.prefix+"inbox", entries...).Err())
	for more := true; more; {
		var err error
		more, err = w.store.AdmitInbox(w.ctx, nil)
		w.must(err)
	}
}

func (w *walk) reject(s task.Spec) {
	w.rejected++
	if s.Reply {
		w.replies[s.ID] = append(w.replies[s.ID], "rejected")
	}
}

func (w *walk) holder(unique string) *mtask {
	for _, m := range w.tasks {
		if unique != "" && m.spec.Unique == unique && m.live() {
			return m
		}
	}
	return nil
}

// leaveRunning ends the attempt of a task in the model.
func (w *walk) leaveRunning(m *mtask) {
	if c := w.claims[m.fence]; c != nil && !m.outside {
		delete(c.open, m.id)
	}
	m.meta = nil
	if m.outside {
		m.meta = m.outsideMeta
	}
	m.past, m.outside = true, false
	m.forgetJob()
}

// rest puts a task back into the pool to wait.
func (w *walk) rest(m *mtask, delay time.Duration, code task.Code) {
	m.v++
	w.appended++
	m.code, m.state, m.dueStep, m.meta = code, task.Waiting, 0, nil
	if delay > 0 {
		m.state = task.Scheduled
	}
	if delay == short {
		m.dueStep = w.step
	}
}

func (w *walk) end(m *mtask, state task.State, code task.Code, result bool) {
	m.v++
	w.appended++
	m.state, m.code = state, code
	m.dropCheckpoint()
	w.ended++
	if m.reply {
		w.replies[m.id] = append(w.replies[m.id], string(state))
	}
	keep := state != task.Succeeded || result
	if m.spec.Retain != nil {
		keep = *m.spec.Retain > 0
	}
	if keep {
		m.past = true
		return
	}
	delete(w.tasks, m.id)
}

// addHistory counts an entry of the history.
func (m *mtask) addHistory() { m.history, m.repeatable = m.history+1, "" }

// addRepeated counts an entry that replaces one with the same code just before it.
func (m *mtask) addRepeated(code task.Code) {
	if m.repeatable != code {
		m.addHistory()
	}
	m.repeatable = code
}

// failed counts a failure and its history entry, and ends or retries the task.
func (w *walk) failed(m *mtask, code task.Code, delay time.Duration) {
	m.addHistory()
	w.failedBefore(m, code, delay)
}

// failedBefore is failed for an attempt that is in the history already.
func (w *walk) failedBefore(m *mtask, code task.Code, delay time.Duration) {
	m.failures++
	if code == task.CodePermanent || m.failures >= m.spec.MaxAttempts {
		w.end(m, task.Failed, code, false)
		return
	}
	m.dropCheckpoint()
	w.rest(m, delay, code)
}

func (m *mtask) dropCheckpoint() { m.checkpoint, m.checkpointFence, m.checkpointN = "", 0, 0 }

// checkpoint writes a checkpoint of an attempt, most likely of one that runs.
func (w *walk) checkpoint() {
	id := w.some()
	for _, other := range w.ids() {
		if w.tasks[other].state == task.Running && w.rng.IntN(2) == 0 {
			id = other
		}
	}
	a, queue, n := task.Attempt{ID: id, Fence: 1}, "p", 1+w.rng.Int64N(4)
	data := pick(w, "", "data\x00\n", fmt.Sprint("step ", w.step))
	m, want := w.tasks[id], task.ErrLeaseLost
	if m != nil {
		queue, a.Fence = m.spec.Queue, m.fence+pick(w, 0, 0, 0, 0, 0, 0, -1, int64(1))
		if m.state == task.Running && a.Fence == m.fence && !m.unowned {
			want = nil
			if m.checkpointFence != a.Fence || m.checkpointN < n {
				m.past, m.checkpoint, m.checkpointFence, m.checkpointN = true, data, a.Fence, n
			}
		}
	}
	w.last += fmt.Sprintf("checkpoint %d of %s under the fence %d", n, id, a.Fence)
	if err := w.store.Checkpoint(w.ctx, queue, a, n, []byte(data)); !errors.Is(err, want) {
		w.failf("answered %v, want %v, of %+v", err, want, m)
	}
}

// takeBack ends an attempt whose lease has ended, or that its replica no longer
// holds.
func (w *walk) takeBack(m *mtask, cut bool) {
	if m.saving {
		w.loseSave(m)
		return
	}
	if m.job != "" || m.decision != nil {
		w.loseWithJob(m, cut)
		return
	}
	w.leaveRunning(m)
	m.meta = nil
	logged := m.log != ""
	m.log = ""
	switch {
	case m.stop:
		if logged {
			m.addHistory()
		}
		w.end(m, task.Stopped, task.CodeStopped, false)
	case cut:
		w.failed(m, task.CodeTimeout, walkBackoff.Base)
	default:
		m.lost++
		m.addHistory()
		if m.lost > task.DefaultMaxLost {
			w.end(m, task.Failed, task.CodeLost, false)
			return
		}
		// From the second loss on, the task waits for its backoff.
		w.rest(m, map[bool]time.Duration{true: walkBackoff.Base}[m.lost > 1], task.CodeLost)
	}
}
