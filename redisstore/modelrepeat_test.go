package redisstore_test

import (
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// repeat makes the last call of a sequence again, whatever has happened since then.
func (w *walk) repeat() {
	l := w.someSequence()
	if len(l.sent) == 0 {
		return
	}
	x := l.sent[len(l.sent)-1]
	w.last = fmt.Sprintf("repeat call %d of sequence %d of %s", x.Call, l.n, l.replica)
	before := w.state()
	got, err := w.store.Exchange(w.ctx, x)
	w.must(err)
	if d := w.changes(before); d != "" {
		w.failf("the store changed (-before +after):\n%s", d)
	}
	if r := w.replicas[l.replica]; r != nil {
		for _, q := range x.Busy { // it lists them again
			r.busy[q] = true
		}
	}
	describe := func(a task.Exchanged) string {
		s := fmt.Sprint(a.Verdicts, a.Short)
		for _, c := range a.Claimed {
			text := ""
			for _, t := range c.Tasks {
				if m := w.tasks[t.ID]; m != nil && m.owned(c.Fence) {
					text += " " + t.ID
				}
			}
			if text != "" {
				s += fmt.Sprintf("\n%s %d %d%s", c.Queue, c.Fence, c.Started.UnixMilli(), text)
			}
		}
		return s
	}
	if d := cmp.Diff(describe(l.answer), describe(got)); d != "" {
		w.failf("another answer (-first +again):\n%s", d)
	}
	for _, c := range got.Claimed {
		for _, t := range c.Tasks {
			if m := w.tasks[t.ID]; m == nil || !m.owned(c.Fence) || t.Attempt != m.attempt {
				w.failf("%s is handed out again as attempt %d, want %+v", t.ID, t.Attempt, m)
			}
		}
	}
}

// reorder delivers a call of a sequence after a later call.
func (w *walk) reorder() {
	l := w.someSequence()
	if len(l.sent) < 2 {
		return
	}
	x := l.sent[w.rng.IntN(len(l.sent)-1)]
	w.last = fmt.Sprintf("call %d of sequence %d of %s after call %d", x.Call, l.n, l.replica, len(l.sent))
	before := w.state()
	if got, err := w.store.Exchange(w.ctx, x); err == nil || errors.Is(err, task.ErrNotJoined) {
		w.failf("answered: %+v, %v", got, err)
	}
	if d := w.changes(before); d != "" {
		w.failf("the store changed (-before +after):\n%s", d)
	}
}
