package redisstore_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// enqueueOrFail makes a task that must not wait, or expects that the limits refuse it.
func (w *walk) enqueueOrFail() {
	s := w.someSpec(0, 0)
	s.Hold, s.FailOnLimit = false, true
	w.last += fmt.Sprintf(" enqueue %s in %s, group %q, priority %d, or fail", s.ID, s.Queue, s.Group, s.Priority)
	want, refused := task.Receipt{}, false
	if m := w.taken(s); m != nil {
		want = task.Receipt{ID: m.id, State: m.state, Duplicate: true}
	} else if refused = w.places(s) < 1; refused {
		want = task.Receipt{ID: s.ID}
	} else {
		m := w.make(s)
		want = task.Receipt{ID: m.id, State: m.state}
	}
	receipts, err := w.store.Enqueue(w.ctx, []task.Spec{s})
	w.must(err)
	got := receipts[0]
	if errors.Is(got.Err, task.ErrLimitReached) != refused {
		w.failf("the error %v, want a refusal: %v", got.Err, refused)
	}
	got.Err = nil
	if d := cmp.Diff(want, got); d != "" {
		w.failf("receipt (-want +got):\n%s", d)
	}
}

// places returns how many tasks like s could start now under the limits, if the tasks that are
// ahead of them in wait:QUEUE start first.
func (w *walk) places(s task.Spec) int {
	inQueue, err := w.rdb.ZRange(w.ctx, w.prefix+"wait:"+s.Queue, 0, -1).Result()
	w.must(err)
	blocked, err := w.rdb.ZRange(w.ctx, w.prefix+"group:wait:"+s.Queue, 0, -1).Result()
	w.must(err)
	ahead, ofGroup, head := 0, 0, 0
	for _, id := range inQueue {
		if m := w.tasks[id]; m.spec.Priority >= s.Priority {
			ahead++
		}
	}
	places := w.room(s.Queue) - ahead
	limit := w.limits["group:"+s.Group]
	if limit == 0 {
		limit = w.limits["groups"]
	}
	if s.Group == "" {
		return places
	}
	for _, member := range blocked {
		if m := w.tasks[member[strings.LastIndexByte(member, ' ')+1:]]; m.spec.Group == s.Group && !m.full && m.spec.Priority >= s.Priority {
			ofGroup++
		}
	}
	score := w.rdb.HGet(w.ctx, w.prefix+"group:head:"+s.Queue, s.Group).Val()
	for _, id := range inQueue {
		if m := w.tasks[id]; m.spec.Group == s.Group && m.score == score && m.spec.Priority >= s.Priority {
			head = 1
		}
	}
	if limit > 0 {
		places = min(places, limit-w.running(func(m *mtask) bool { return m.spec.Group == s.Group })-ofGroup-head)
	}
	return min(places, w.tokensOf("g "+s.Group)-ofGroup-head)
}
