package redisstore_test

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// In the walk the steps of aging are longer than any walk: of two tasks of a queue, the one with
// the higher priority starts first.

// aged is the priority and the step of a position in a queue with aging; the zero value is that
// of another position.
type aged struct {
	priority int8
	step     time.Duration
}

// word returns the word of the header that has the values, "" for none.
func (a aged) word() string {
	if a == (aged{}) {
		return ""
	}
	return fmt.Sprintf(" aged=%d/%d", a.priority, a.step.Milliseconds())
}

// place gives a task a position behind all others of its priority.
func (w *walk) place(m *mtask) {
	m.seq, m.aged = w.nextSeq(), w.agedIn(m)
}

// agedIn returns what a position in the queue of the task has now.
func (w *walk) agedIn(m *mtask) aged {
	if step := w.aging[m.spec.Queue]; step > 0 {
		return aged{m.spec.Priority, step}
	}
	return aged{}
}

// placeDue gives a task that was scheduled a position, unless it has one that its queue can use.
func (w *walk) placeDue(m *mtask) {
	if m.seq == 0 || m.aged.step != w.aging[m.spec.Queue] {
		w.place(m)
	}
}

// move gives a task with a new priority its position. In a queue with aging it keeps its time.
func (w *walk) move(m *mtask, from int8) {
	switch {
	case m.aged != aged{} && m.seq > 0:
		n, err := strconv.ParseInt(m.score, 10, 64)
		w.must(err)
		m.score = fmt.Sprintf("%016d", n+(int64(from)-int64(m.spec.Priority))*m.aged.step.Microseconds())
	case m.seq > 0:
		m.seq, m.score = w.nextSeq(), ""
	default:
		m.score = ""
	}
	if m.aged != (aged{}) {
		m.aged.priority = m.spec.Priority
	}
}

// position estimates the score of a task from the model. The order of two estimates is that of the
// scores.
func (w *walk) position(m *mtask) int64 {
	before := 127 - int64(m.spec.Priority)
	if m.aged == (aged{}) {
		return before<<45 + int64(m.seq)
	}
	return w.began.UnixMicro() + before*m.aged.step.Microseconds() + int64(m.seq)
}

// checkScore checks that a score fits to the priority, and changes only with the task's position.
func (m *mtask) checkScore(w *walk, score string) {
	n, err := strconv.ParseInt(score, 10, 64)
	before := 127 - int64(m.spec.Priority)
	if m.aged != (aged{}) && m.seq > 0 {
		at := time.UnixMicro(n - before*m.aged.step.Microseconds())
		if err != nil || at.Before(w.began.Add(-time.Second)) || at.After(w.now(w.t).Add(time.Second)) {
			w.failf("%s of priority %d, %+v, has the score %s: that of %v", m.id, m.spec.Priority, m.aged, score, at)
		}
	} else if sequence := n - before<<45; err != nil || sequence < 0 || sequence >= 1<<45 || (sequence == 0) != (m.seq == 0) {
		w.failf("%s of priority %d, sequence %d has the score %s: sequence %d", m.id, m.spec.Priority, m.seq, score, sequence)
	}
	if m.scored == m.seq && m.score != "" && m.score != score {
		w.failf("the score of %s changed from %s to %s", m.id, m.score, score)
	}
	m.score, m.scored = score, m.seq
}

// setAging changes the aging of a queue, or is refused because a task waits or runs there.
func (w *walk) setAging() {
	queue, step := pick(w, walkQueues...), pick(w, task.NoAging, long, 24*time.Hour)
	now := w.aging[queue]
	changes := max(step, 0) != now
	refused := changes && (len(w.waiting(queue)) > 0 || w.inRun(queue) > 0)
	w.last += fmt.Sprintf(" set aging of %s: %v", queue, step)
	err := w.store.Configure(w.ctx, task.Setting{Scope: task.QueueScope, Name: queue, Aging: &step})
	if errors.Is(err, task.ErrQueueInUse) != refused {
		w.failf("the error %v, want a refusal: %v", err, refused)
	}
	if refused {
		return
	}
	w.must(err)
	if w.aging[queue] = step; step == task.NoAging {
		delete(w.aging, queue)
	}
}
