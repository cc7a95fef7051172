package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	if refused := fence != m.fence || m.outside || m.unowned || m.decision != nil; refused != errors.Is(err, task.ErrLeaseLost) || !refused && err != nil {
		w.failf("%+v: %v", m, err)
	} else if !refused {
		if m.job == "" {
			m.tokens = nil
		}
		m.tokens, m.past, m.marked = append(m.tokens, token), true, true
		m.tokens = m.tokens[max(len(m.tokens)-4, 0):]
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
	m := w.someRunning(func(m *mtask) bool { return slices.Contains(m.tokens, token) })
	if other := w.someRunning(func(m *mtask) bool { return len(m.tokens) > 0 }); other != nil && w.rng.IntN(3) > 0 {
		m, token = other, pick(w, other.tokens...)
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
	if c := w.claims[m.fence]; c != nil && m.owned(m.fence) {
		c.lingers = c.lingers || len(c.open) == 1
	}
	stop, hadJob := m.stop, m.job != ""
	w.leaveRunning(m)
	logged := m.log != ""
	m.log = ""
	if r.State == task.ReportReleased && logged {
		m.addRepeated(task.CodeReleased)
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
		if hadJob {
			m.dropCheckpoint()
		}
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
		if m := w.tasks[id]; m.unowned && m.handedOver == short {
			m.handedOver = 0
		} else if m.outside && m.outsideShort {
			n++
			if m.job != "" {
				m.log = ""
				m.addHistory()
				w.decide(m, decision{state: task.Failed, code: task.CodeTimeout, delay: walkBackoff.Base})
				continue
			}
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
		var hashes []string
		for _, token := range m.tokens {
			_, hash, err := task.ParseToken(token)
			w.must(err)
			hashes = append(hashes, hash)
		}
		if got := strings.Fields(k["more:"+id]["token"]); !slices.Equal(got, hashes) {
			w.failf("%s has the tokens %q, want %q", id, got, hashes)
		}
		soon := m.outside && m.outsideShort || m.unowned && m.handedOver == short
		listed := m.outside || m.unowned && m.handedOver > 0
		if within := k["more:"+id]["within"]; listed != (within != "") {
			w.failf("%s, outside: %v, handed over after %v, has within %q", id, m.outside, m.handedOver, within)
		}
		if !listed {
			continue
		}
		want = append(want, id)
		ends, err := strconv.ParseInt(k["outside"][id], 10, 64)
		left := time.Duration(ends-now) * time.Millisecond
		if err != nil || soon && left > 2*short || !soon && (left < 0 || left > long) {
			w.failf("%s is outside for %v (%v), short: %v", id, left, err, soon)
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
