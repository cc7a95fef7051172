package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

// someRunning returns a running task that fits, nil if there is none.
func (w *walk) someRunning(fits func(*mtask) bool) *mtask {
	var all []*mtask
	for _, id := range w.ids() {
		if m := w.tasks[id]; m.state == task.Running && fits(m) {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return pick(w, all...)
}

// issueToken issues a token for a running attempt, or one under a fence that is not its own.
func (w *walk) issueToken() {
	m := w.someRunning(func(*mtask) bool { return true })
	if m == nil {
		return
	}
	fence, token := m.fence+pick(w, 0, 0, 0, int64(-1)), task.NewToken(m.id)
	_, hash, err := task.ParseToken(token)
	w.must(err)
	w.last += fmt.Sprintf("issue a token of %s under %d", m.id, fence)
	err = w.store.IssueToken(w.ctx, m.spec.Queue, task.Attempt{ID: m.id, Fence: fence}, hash)
	w.tokens = append(w.tokens, token)
	if refused := fence != m.fence || m.outside; refused != errors.Is(err, task.ErrLeaseLost) || !refused && err != nil {
		w.failf("%+v: %v", m, err)
	} else if !refused {
		m.token, m.past = token, true
	}
}

// detach applies the report that detaches an attempt to the model.
func (w *walk) detach(m *mtask, r *task.Report) {
	delete(w.claims[m.fence].open, m.id)
	m.outside, m.past = true, true
	m.v++
	w.appended++
	m.outsideShort, m.outsideMeta = r.Delay == short, r.Meta
	if r.Log != "" {
		m.log = r.Log
	}
}

// deliver makes a report from outside, most likely with the token of a running attempt.
func (w *walk) deliver() {
	r := pick(w, task.OutsideReport{State: task.ReportSucceeded}, task.OutsideReport{State: task.ReportSucceeded, Result: []byte("{}")},
		task.OutsideReport{State: task.ReportFailed, Error: "broke", Permanent: true},
		task.OutsideReport{State: task.ReportFailed, Error: "broke", DelaySet: true},
		task.OutsideReport{State: task.ReportFailed, Error: "broke", DelaySet: true, Delay: short},
		task.OutsideReport{State: task.ReportReleased, Delay: pick(w, short, long)},
		task.OutsideReport{State: task.ReportProgress, Progress: []byte("some")})
	token := pick(w, w.tokens...)
	m := w.someRunning(func(m *mtask) bool { return m.token == token })
	if other := w.someRunning(func(m *mtask) bool { return m.token != "" }); other != nil && w.rng.IntN(3) > 0 {
		m, token = other, other.token
	}
	if before, known := w.reported[token]; known && w.rng.IntN(2) == 0 {
		r = before
	}
	w.last += fmt.Sprintf("report %s with %s, the token of %+v", r.State, token, m)
	accepted := m != nil
	if before, known := w.reported[token]; known && m == nil {
		accepted = cmp.Equal(before, r)
	}
	if m != nil && r.State == task.ReportProgress {
		m.past = true
	} else if m != nil {
		w.reported[token] = r
		w.endOutside(m, r)
	}
	err := w.store.Report(w.ctx, token, r)
	if accepted != (err == nil) || !accepted && !errors.Is(err, task.ErrUnknownToken) {
		w.failf("%v, want accepted %v", err, accepted)
	}
}

// endOutside applies a report from outside that ends an attempt to the model.
func (w *walk) endOutside(m *mtask, r task.OutsideReport) {
	if c := w.claims[m.fence]; c != nil && !m.outside {
		c.lingers = c.lingers || len(c.open) == 1
	}
	stop := m.stop
	w.leaveRunning(m)
	logged := m.log != ""
	m.log = ""
	if r.State == task.ReportReleased && logged {
		m.addRelease()
	}
	switch {
	case r.State == task.ReportSucceeded:
		if logged {
			m.addHistory()
		}
		if r.Result != nil && m.spec.Kind == walkExports {
			w.stage(m)
			break
		}
		w.end(m, task.Succeeded, task.CodeOK, r.Result != nil || logged)
	case stop:
		if r.State == task.ReportFailed {
			m.addHistory()
		}
		w.end(m, task.Stopped, task.CodeStopped, false)
	case r.State == task.ReportReleased:
		w.rest(m, r.Delay, task.CodeReleased)
	case r.Permanent:
		w.failed(m, task.CodePermanent, 0)
	default:
		w.failed(m, task.CodeError, r.Delay)
	}
}

// timeOut ends the attempts outside whose time has passed in the model, and returns how many.
func (w *walk) timeOut() (n int) {
	for _, id := range w.ids() {
		if m := w.tasks[id]; m.outside && m.outsideShort {
			n++
			w.leaveRunning(m)
			m.log = ""
			w.failed(m, task.CodeTimeout, walkBackoff.Base)
		}
	}
	return n
}

// checkOutside checks the tokens and the times of attempts outside.
func (w *walk) checkOutside(k keys) {
	var want []string
	now := w.now(w.t).UnixMilli()
	for _, id := range w.ids() {
		m := w.tasks[id]
		hash := ""
		if m.token != "" {
			_, hash, _ = task.ParseToken(m.token)
		}
		if got := k["more:"+id]["token"]; got != hash {
			w.failf("%s has the token %q, want %q", id, got, hash)
		}
		if within := k["more:"+id]["within"]; m.outside != (within != "") {
			w.failf("%s, outside: %v, has within %q", id, m.outside, within)
		}
		if !m.outside {
			continue
		}
		want = append(want, id)
		ends, err := strconv.ParseInt(k["outside"][id], 10, 64)
		left := time.Duration(ends-now) * time.Millisecond
		if err != nil || m.outsideShort && left > 2*short || !m.outsideShort && (left < 0 || left > long) {
			w.failf("%s is outside for %v (%v), short: %v", id, left, err, m.outsideShort)
		}
	}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(k["outside"])), cmpopts.EquateEmpty()); d != "" {
		w.failf("outside (-want +got):\n%s", d)
	}
	reported := map[string]bool{}
	for token := range w.reported {
		_, hash, _ := task.ParseToken(token)
		reported[hash] = true
	}
	for hash := range k.all("reported:") {
		if !reported[hash] {
			w.failf("a report with the token of %s was accepted", hash)
		}
	}
}
