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
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// decision is how a task with a job ends after its clean-up.
type decision struct {
	state task.State // Failed may be a retry
	code  task.Code
	final bool          // no retry
	delay time.Duration // of a retry
	tries int           // clean-ups that have failed
}

func (d *decision) cleanUp() task.Code {
	if d == nil {
		return ""
	}
	return d.code
}

func (m *mtask) forgetJob() {
	m.tokens, m.marked, m.job, m.decision, m.unowned, m.handedOver = nil, false, "", nil, false, 0
}

// unowned returns the tasks of a queue that a replica may take over now, best first.
func (w *walk) unowned(queue string) []*mtask {
	var all []*mtask
	for _, m := range w.tasks {
		if m.unowned && m.handedOver == 0 && m.spec.Queue == queue {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *mtask) int { return strings.Compare(a.score+a.id, b.score+b.id) })
	return all
}

// saveJobs names the jobs of some running attempts, or says that they have none.
func (w *walk) saveJobs() {
	for range 4 {
		m := w.someRunning(func(*mtask) bool { return true })
		if m == nil {
			return
		}
		a, n := task.Attempt{ID: m.id, Fence: m.fence + pick(w, 0, 0, 0, 0, int64(-1))}, 1+w.rng.Int64N(6)
		job, data := pick(w, "", "job", "job", fmt.Sprint("job ", w.step)), fmt.Sprint("step ", w.step)
		w.last += fmt.Sprintf(" save %d, job %q of %s under the fence %d", n, job, m.id, a.Fence)
		want := error(nil)
		if a.Fence != m.fence || m.unowned {
			want = task.ErrLeaseLost
		} else if m.checkpointFence != a.Fence || m.checkpointN < n {
			m.past, m.checkpoint, m.checkpointFence, m.checkpointN = true, data, a.Fence, n
			m.job, m.marked = job, m.marked || job != ""
		}
		if err := w.store.SaveJob(w.ctx, m.spec.Queue, a, n, []byte(data), job); !errors.Is(err, want) {
			w.failf("answered %v, want %v, of %+v", err, want, m)
		}
	}
}

// reportWithJob applies a report that is no success to a task whose job is open.
func (w *walk) reportWithJob(m *mtask, r *task.Report) {
	logged := m.log != "" || r.Log != ""
	m.log = ""
	switch {
	case r.Op == task.Fail || r.Op == task.Detached:
		m.addHistory()
	case logged:
		m.addRepeated(task.CodeReleased)
	}
	switch {
	case m.stop:
		w.decide(m, decision{state: task.Stopped, code: task.CodeStopped})
	case r.Op == task.Release:
		w.handOver(m, r.Delay)
	case r.Op == task.Detached:
		w.decide(m, decision{state: task.Failed, code: task.CodePermanent, delay: walkBackoff.Base})
	default:
		w.decide(m, decision{state: task.Failed, code: r.Code, delay: r.Delay})
	}
}

// handOver makes a task wait for a take-over.
func (w *walk) handOver(m *mtask, delay time.Duration) {
	if c := w.claims[m.fence]; c != nil {
		delete(c.open, m.id)
	}
	m.outside, m.unowned, m.handedOver, m.past, m.marked, m.meta = false, true, delay, true, true, nil
	m.v++
	w.appended++
}

// decide decides how a task ends after its clean-up.
func (w *walk) decide(m *mtask, d decision) {
	m.decision, m.tokens = &d, nil
	w.handOver(m, 0)
}

// stopWithoutOwner stops a task with a job that no replica runs.
func (w *walk) stopWithoutOwner(m *mtask) {
	m.stop, m.past, m.unasked = true, true, true
	if m.decision != nil {
		return
	}
	if m.outside {
		m.log = ""
		m.addHistory()
	}
	w.decide(m, decision{state: task.Stopped, code: task.CodeStopped})
}

// reportCleanUp applies the report of a clean-up to the model.
func (w *walk) reportCleanUp(m *mtask, r *task.Report) {
	m.log = ""
	switch {
	case r.Op == task.Succeed || m.job == "":
		meta := r.Meta
		w.conclude(m, meta)
	case r.Op == task.Release:
		w.handOver(m, r.Delay)
		if r.Delay > 0 {
			w.cleanUps = append(w.cleanUps, m) // the delay depends on the age of the decision
		}
	default:
		w.cleanAgain(m)
	}
}

// cleanAgain counts a failed clean-up. Its backoff is random, so the walk replaces it.
func (w *walk) cleanAgain(m *mtask) {
	m.decision.tries++
	m.addRepeated(task.CodeCleanUp)
	w.handOver(m, long)
	w.cleanUps = append(w.cleanUps, m)
}

// replaceBackoffs replaces the backoff of clean-ups that have failed in the last call.
func (w *walk) replaceBackoffs() {
	for _, m := range w.cleanUps {
		key := w.prefix + "outside"
		if !m.unowned {
			continue
		}
		if _, err := w.rdb.ZScore(w.ctx, key, m.id).Result(); err == redis.Nil {
			m.handedOver = 0
			continue
		}
		m.handedOver = pick(w, short, long)
		ms := m.handedOver.Milliseconds()
		w.must(w.rdb.ZAdd(w.ctx, key, redis.Z{Score: float64(w.now(w.t).UnixMilli() + ms), Member: m.id}).Err())
		w.must(w.rdb.HSet(w.ctx, w.prefix+"more:"+m.id, "within", ms).Err())
	}
	w.cleanUps = nil
}

// conclude ends a task as it was decided before its clean-up.
func (w *walk) conclude(m *mtask, meta task.Meta) {
	d, stop := *m.decision, m.stop
	w.leaveRunning(m)
	m.meta = meta
	switch {
	case d.state == task.Stopped:
		w.end(m, task.Stopped, d.code, false)
	case stop:
		w.end(m, task.Stopped, task.CodeStopped, false)
	case d.final:
		w.end(m, task.Failed, d.code, false)
	default:
		w.failedBefore(m, d.code, d.delay)
	}
}

// loseWithJob takes back an attempt of a task with a job whose lease has ended.
func (w *walk) loseWithJob(m *mtask, cut bool) {
	logged := m.log != ""
	m.log = ""
	switch {
	case m.decision != nil && m.job == "":
		w.conclude(m, nil)
	case m.decision != nil:
		w.cleanAgain(m)
	case m.stop:
		if logged {
			m.addHistory()
		}
		w.decide(m, decision{state: task.Stopped, code: task.CodeStopped})
	case cut:
		m.addHistory()
		w.decide(m, decision{state: task.Failed, code: task.CodeTimeout, delay: walkBackoff.Base})
	default:
		m.lost++
		m.addHistory()
		if m.lost > task.DefaultMaxLost {
			w.decide(m, decision{state: task.Failed, code: task.CodeLost, final: true})
			return
		}
		w.handOver(m, map[bool]time.Duration{true: walkBackoff.Base}[m.lost > 1])
	}
}

// takeOver hands out tasks of a queue that wait for a take-over, and returns their ids.
func (w *walk) takeOver(c task.Claim) []string {
	var want []string
	for _, m := range w.unowned(c.Queue) {
		if len(want) == c.N {
			break
		}
		m.unowned, m.marked, m.unasked = false, true, m.stop
		m.attempt++
		m.v++
		w.appended++
		want = append(want, m.id)
	}
	return want
}

// checkJobs checks which tasks wait for a take-over, and what the extras say about jobs.
func (w *walk) checkJobs(k keys) {
	want := map[string][]string{}
	for _, id := range w.ids() {
		m, more := w.tasks[id], k["more:"+id]
		if m.unowned && m.handedOver == 0 {
			want[m.spec.Queue] = append(want[m.spec.Queue], id)
		}
		tries := ""
		if m.decision != nil && m.decision.tries > 0 {
			tries = strconv.Itoa(m.decision.tries)
		}
		_, code, _ := strings.Cut(more["cleanup"], " ")
		code, _, _ = strings.Cut(code, " ")
		if more["job"] != m.job || code != string(m.decision.cleanUp()) || more["cleanup_tries"] != tries {
			w.failf("%s has the job %q, the clean-up %q after %q, want %q and %+v", id, more["job"], more["cleanup"], more["cleanup_tries"], m.job, m.decision)
		}
	}
	got := map[string][]string{}
	for queue, v := range k.all("takeover:") {
		got[queue] = slices.Sorted(maps.Keys(v))
		for id, score := range v {
			if m := w.tasks[id]; m != nil && strings.TrimLeft(m.score, "0") != score {
				w.failf("%s waits for a take-over at %s, want %s", id, score, m.score)
			}
		}
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		w.failf("tasks that wait for a take-over (-want +got):\n%s", d)
	}
	for _, q := range walkQueues {
		if _, marked := k["meta"]["takeover:"+q]; marked != (len(want[q]) > 0) {
			w.failf("meta says that tasks of %s wait for a take-over: %v, want %v", q, marked, want[q])
		}
	}
}
