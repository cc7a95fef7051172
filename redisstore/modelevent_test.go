package redisstore_test

import (
	"maps"
	"strconv"

	"github.com/ltsworker/ltsworker/task"
)

// checkSums checks the sum of the totals, which holds at every instant, and the number of events.
func (w *walk) checkSums(k keys) {
	s, err := w.store.Stats(w.ctx)
	w.must(err)
	live, ended := s.Scheduled+s.Waiting+s.Running, 0
	for _, n := range s.Ended {
		ended += int(n)
	}
	if int(s.Enqueued) != w.enqueued || int(s.Retried) != w.retried || ended != w.ended || w.enqueued+w.retried != live+ended {
		w.failf("%d enqueued, %d retried, %d live, %d ended; the model has %d, %d and %d", s.Enqueued, s.Retried, live, ended, w.enqueued, w.retried, w.ended)
	}
	if s.Rejected != w.rejected {
		w.failf("%d entries were rejected, want %d", s.Rejected, w.rejected)
	}
	added, _ := strconv.Atoi(k["meta"]["events:added"])
	if added != w.appended || s.Events != w.appended {
		w.failf("%d changes are in the stream, stats say %d, want %d", added, s.Events, w.appended)
	}
}

// checkEvents checks that every change of state since the last step is one event.
func (w *walk) checkEvents() {
	for {
		es, err := w.store.ReadEvents(w.ctx, w.cursor, 1000, 0)
		w.must(err)
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			w.cursor = e.Cursor
			w.checkEvent(e)
		}
	}
	for id, m := range w.tasks {
		if m.seenV != m.v {
			w.failf("the events of %s end at version %d, want %d", id, m.seenV, m.v)
		}
	}
}

func (w *walk) checkEvent(e task.Event) {
	if e.Broken != nil || e.At.IsZero() || e.Run < 0 || e.Wait < 0 {
		w.failf("event %+v", e)
	}
	m := w.tasks[e.ID]
	if m == nil {
		return
	}
	if e.Version == 1 {
		m.seenV = 0
	}
	if int(e.Version) != m.seenV+1 {
		w.failf("event %+v follows version %d", e, m.seenV)
	}
	m.seenV = int(e.Version)
	if e.Kind != m.spec.Kind || e.Queue != m.spec.Queue || e.Group != m.spec.Group {
		w.failf("event %+v of %+v", e, m)
	}
	if e.State == task.Running && (e.Attempt == 0 || e.Replica == "") {
		w.failf("event %+v of a claim", e)
	}
	meta := map[string]string{}
	if e.State.Terminal() {
		maps.Copy(meta, m.spec.Headers)
		maps.Copy(meta, m.meta)
	}
	if !maps.Equal(e.Meta, meta) {
		w.failf("the event %+v has the meta %v, want %v", e, e.Meta, meta)
	}
	if e.State.Terminal() {
		if m.ends++; m.ends > 1 {
			w.failf("second end of one generation: %+v", e)
		}
	}
}
