package redisstore_test

import (
	"fmt"
	"maps"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

func (w *walk) changed(m *mtask, id string, got []task.Change, err error, done bool, state task.State, why error) {
	w.t.Helper()
	w.must(err)
	if c := got[0]; c.ID != id || c.Done != done || c.State != state || c.Err != why {
		w.failf("%+v answers %+v, want done %v, %q, %v", m, c, done, state, why)
	}
}

func (w *walk) stop() {
	id := w.some()
	w.last += "stop " + id
	m, done, state := w.tasks[id], false, task.State("")
	if m != nil {
		state, done = m.state, m.live()
		switch {
		case m.unowned || m.outside && m.job != "":
			done = !m.stop
			w.stopWithoutOwner(m)
		case m.outside:
			state = task.Stopped
			w.leaveRunning(m)
			m.log = ""
			m.addHistory()
			w.end(m, state, task.CodeStopped, false)
		case m.runs():
			done = !m.stop
			m.stop, m.past, m.unasked = true, true, false
		case done:
			state = task.Stopped
			w.endExport(m)
			w.end(m, state, task.CodeStopped, false)
		}
	}
	cs, err := w.store.Stop(w.ctx, "why", id)
	w.changed(m, id, cs, err, done, state, nil)
}

func (w *walk) retry() {
	id := w.some()
	e := w.someEdit()
	e.Rerun = w.rng.IntN(4) == 0
	w.last += "retry " + id
	m, done, state, why := w.tasks[id], false, task.State(""), error(nil)
	if m != nil {
		state = m.state
		switch {
		case m.live():
		case w.holder(m.spec.Unique) != nil:
			why = task.ErrUniqueTaken
		default:
			w.retried++
			w.appended++
			m.v++
			m.generation++
			m.meta = nil
			m.state, m.code, m.failures, m.lost, m.stop, m.timed, m.reply, m.ends, m.dueStep, m.slowFence = task.Waiting, "", 0, 0, false, false, false, 0, 0, 0
			state, done = task.Waiting, true
			if e.Rerun || e.Payload != nil {
				m.staged = false
			}
			if m.staged {
				m.saves, m.meta, state, m.state = 0, m.stagedMeta, task.Exporting, task.Exporting
			}
		}
	}
	if done {
		m.edit(e)
		w.place(m)
	}
	cs, err := w.store.Retry(w.ctx, e, id)
	w.changed(m, id, cs, err, done, state, why)
}

// someEdit returns an edit, most likely an empty one.
func (w *walk) someEdit() (e task.Edit) {
	if w.rng.IntN(3) == 0 {
		e.Priority = new(int8(w.rng.IntN(3) - 1))
	}
	if w.rng.IntN(3) == 0 {
		e.Payload = fmt.Appendf(nil, "edited in\nstep %d", w.step)
	}
	return e
}

// edit applies an edit to the model.
func (m *mtask) edit(e task.Edit) {
	if e.Priority != nil {
		m.spec.Priority = *e.Priority
	}
	if e.Payload != nil {
		m.spec.Payload = e.Payload
	}
}

func (w *walk) edit() {
	id, e := w.some(), w.someEdit()
	w.last += fmt.Sprintf("change %s to %+v", id, e)
	m, done, state := w.tasks[id], false, task.State("")
	if m != nil {
		state = m.state
		if done = state == task.Waiting || state == task.Scheduled; done {
			from := m.spec.Priority
			if m.edit(e); m.spec.Priority != from {
				w.move(m, from)
			}
		}
	}
	cs, err := w.store.Change(w.ctx, e, id)
	w.changed(m, id, cs, err, done, state, nil)
}

func (w *walk) runNow() {
	id := w.some()
	if w.rng.IntN(2) == 0 { // most likely one that it applies to
		for _, other := range w.ids() {
			if w.tasks[other].state == task.Scheduled {
				id = other
			}
		}
	}
	w.last += "run now " + id
	m, done, state := w.tasks[id], false, task.State("")
	if m != nil {
		if state = m.state; state == task.Scheduled {
			w.appended++
			m.v++
			m.past = true
			w.placeDue(m)
			m.state, m.dueStep = task.Waiting, 0
			state, done = task.Waiting, true
		}
	}
	cs, err := w.store.RunNow(w.ctx, id)
	w.changed(m, id, cs, err, done, state, nil)
}

func (w *walk) remove() {
	id := w.some()
	w.last += "delete " + id
	m, done, state := w.tasks[id], false, task.State("")
	if m != nil {
		state = m.state
		if done = !m.live(); done {
			state = ""
			delete(w.tasks, id)
		}
	}
	cs, err := w.store.Delete(w.ctx, id)
	w.changed(m, id, cs, err, done, state, nil)
}

func (w *walk) configure() {
	var s task.Setting
	n, on := pick(w, 0, 1, 2, 4, task.NoLimit), w.rng.IntN(3) == 0
	q, g := pick(w, walkQueues...), pick(w, "g", "h", "g.h")
	switch w.rng.IntN(10) {
	case 8, 9:
		w.setAging()
		return
	case 6, 7:
		w.setRate()
		return
	case 0:
		s = task.Setting{Scope: task.PoolScope, Limit: &n}
		w.limits["pool"] = n
	case 1:
		s = task.Setting{Scope: task.QueueScope, Name: q, Limit: &n}
		w.limits["queue:"+q] = n
	case 2:
		s = task.Setting{Scope: task.GroupScope, Name: g, Limit: &n}
		w.limits["group:"+g] = n
	case 3:
		s = task.Setting{Scope: task.GroupsScope, Limit: &n}
		w.limits["groups"] = n
	case 4:
		s = task.Setting{Scope: task.QueueScope, Name: q, Pause: &on}
		w.paused[q] = on
	default:
		s = task.Setting{Scope: task.PoolScope, Pause: &on}
		w.paused["pool"] = on
	}
	w.last += fmt.Sprintf("configure %s %s limit %d pause %v", s.Scope, s.Name, n, on)
	w.must(w.store.Configure(w.ctx, s))
}

func (w *walk) maintain() {
	w.last = "maintain"
	lost, claims := 0, 0
	for fence, c := range w.claims {
		if !c.short {
			continue
		}
		if len(c.open) > 0 {
			claims++
		}
		lost += len(c.open)
		for id := range c.open {
			w.takeBack(w.tasks[id], c.cut)
		}
		delete(w.claims, fence)
	}
	timedOut := w.timeOut()
	w.promote()
	for _, id := range w.ids() {
		if m := w.tasks[id]; (m.state == task.Waiting || m.state == task.Scheduled) && m.late() {
			w.end(m, task.Expired, task.CodeExpired, false)
		}
	}
	u, err := w.store.Maintain(w.ctx, "keeper")
	w.must(err)
	w.replaceBackoffs()
	w.checkUnblocked()
	if u.Busy || u.Lost != lost || u.Claims != claims || u.TimedOut != timedOut || len(u.Repaired) > 0 {
		w.failf("maintenance %+v, want %d lost of %d claims and %d timed out", u, lost, claims, timedOut)
	}
	w.afterMaintenance()
}

// replay repeats calls as a driver does that got no reply, and checks that they have no second
// effect.
func (w *walk) replay() {
	w.maintain()
	w.last = "calm"
	w.sent.take()
	switch w.rng.IntN(13) {
	case 0:
		w.enqueue(pick(w, 0, long))
	case 1:
		w.exchange(w.someSequence(), w.someReports(), w.someClaims())
	case 2:
		w.renew()
	case 3:
		w.stop()
	case 4:
		w.retry()
	case 5:
		w.remove()
	case 6:
		w.runNow()
	case 7:
		w.checkpoint()
	case 8:
		w.edit()
	case 9:
		w.issueToken()
	case 10:
		w.deliver()
	case 11:
		w.saveJobs()
	default:
		w.configure()
	}
	w.last += ", again"
	calls := w.sent.take()
	before := w.state()
	for _, args := range calls {
		// A call that was refused is refused again: with UNCOUNTED before all running tasks were
		// counted, with INUSE while a task waits or runs in the queue.
		if err := w.rdb.Do(w.ctx, args...).Err(); !redis.HasErrorPrefix(err, "UNCOUNTED") && !redis.HasErrorPrefix(err, "INUSE") {
			w.must(err)
		}
	}
	if d := w.changes(before); d != "" {
		w.failf("the repeated call changed (-before +after):\n%s", d)
	}
}

// state returns every key without the parts that a heartbeat, a signal or the clock changes.
func (w *walk) state() map[string]map[string]string {
	all := w.dump(w.t)
	maps.DeleteFunc(all, func(k string, _ map[string]string) bool {
		name := strings.TrimPrefix(k, w.prefix)
		kind, _, _ := strings.Cut(name, ":")
		return kind == "signals" || kind == "timers" || kind == "idle" || kind == "replica" || name == "lock:maintenance" ||
			strings.HasPrefix(name, "group:queues:") // a queue without blocked tasks is removed when it is checked
	})
	for k, v := range all {
		kind, _, _ := strings.Cut(strings.TrimPrefix(k, w.prefix), ":")
		switch kind {
		case "leases", "replicas", "ready": // the members without their times
			for member := range v {
				v[member] = ""
			}
		case "meta":
			delete(v, "clock")
			delete(v, "timekeeper")
		}
	}
	all["events"] = map[string]string{"length": fmt.Sprint(w.rdb.XLen(w.ctx, w.prefix+"events").Val())}
	return all
}

// changes returns the difference between an earlier state and the current one; "" for none. Redis may have removed
// counters of the load meanwhile, which expire.
func (w *walk) changes(before map[string]map[string]string) string {
	after := w.state()
	maps.DeleteFunc(before, func(k string, _ map[string]string) bool {
		return after[k] == nil && strings.HasPrefix(k, w.prefix+"load:")
	})
	return cmp.Diff(before, after)
}
