package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// sequenceModel holds the exchanges that a replica sent in one sequence, and the answer to the last
// one.
type sequenceModel struct {
	replica string
	n       int
	sent    []task.Exchange
	answer  task.Exchanged
}

const walkGrace = time.Millisecond

func sequenceName(replica string, n int) string { return replica + " " + strconv.Itoa(n) }

func (w *walk) sequence(replica string, n int) *sequenceModel {
	key := sequenceName(replica, n)
	if w.sequences[key] == nil {
		w.sequences[key] = &sequenceModel{replica: replica, n: n}
	}
	return w.sequences[key]
}

func (w *walk) someSequence() *sequenceModel { return w.sequence(w.someReplica().id, 1+w.rng.IntN(2)) }

// someReports returns reports on tasks, most of them running tasks with the right fence.
func (w *walk) someReports() []task.Report {
	var reports []task.Report
	if w.rng.IntN(3) == 0 {
		return nil
	}
	ids := w.ids()
	w.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	some := ids[:min(len(ids), 14)]
	if !slices.Contains(some, "none") {
		some = append(some, "none")
	}
	for _, id := range some {
		m := w.tasks[id]
		if m != nil && m.state != task.Running && !m.saving && w.rng.IntN(6) > 0 || w.rng.IntN(2) == 0 {
			continue
		}
		r := task.Report{ID: id, Queue: "p", Fence: 1, Op: task.Op(w.rng.IntN(4)), Code: task.CodeOK, Last: w.rng.IntN(4) == 0}
		if m != nil {
			r.Queue, r.Fence = m.runQueue(), m.fence
			if w.rng.IntN(8) == 0 {
				r.Fence += pick(w, -1, int64(1))
			}
		}
		if r.Log = pick(w, "", "", "log"); r.Log != "" {
			r.LogSize = 3
		}
		switch r.Op {
		case task.Succeed:
			r.Result = pick(w, nil, nil, []byte("{}"), make([]byte, 2000))
			r.Stage = r.Result != nil && m != nil && m.spec.Kind == walkExports && !m.saving && w.rng.IntN(3) > 0
		case task.Fail:
			r.Code = pick(w, task.CodeError, task.CodeError, task.CodePermanent)
			r.Delay, r.DelaySet, r.Error = pick(w, 0, short, long), true, "broke"
			r.InPlace = r.Code == task.CodeError && w.rng.IntN(3) == 0
		case task.Release:
			r.Code, r.Delay = task.CodeReleased, pick(w, 0, short, long)
			r.Elsewhere = r.Delay > 0 && w.rng.IntN(2) == 0
		case task.Detached:
			r.Code, r.Delay = task.CodeDetached, pick(w, short, long)
		}
		if w.rng.IntN(4) == 0 {
			r.Meta = task.Meta{"h": fmt.Sprint("step ", w.step)}
		}
		reports = append(reports, r)
	}
	w.nameLast(reports)
	return reports
}

// nameLast sets Last on the reports that end all open attempts of their claims, as a replica does
// that has no other attempt of the claim.
func (w *walk) nameLast(reports []task.Report) {
	left := map[int64]int{}
	for _, r := range reports {
		if c := w.claims[r.Fence]; c != nil && c.open[r.ID] {
			left[r.Fence]++
		}
	}
	for i, r := range reports {
		if c := w.claims[r.Fence]; c != nil && left[r.Fence] == len(c.open) && w.rng.IntN(6) > 0 {
			reports[i].Last = true
		}
	}
}

func (w *walk) someClaims() []task.Claim {
	queues := append(slices.Clone(walkQueues), walkLine)
	w.rng.Shuffle(len(queues), func(i, j int) { queues[i], queues[j] = queues[j], queues[i] })
	claims := make([]task.Claim, w.rng.IntN(len(queues)+1))
	for i := range claims {
		claims[i] = task.Claim{Queue: queues[i], N: 1 + w.rng.IntN(7)}
	}
	return claims
}

// exchange makes the next exchange of a sequence.
func (w *walk) exchange(l *sequenceModel, reports []task.Report, claims []task.Claim) task.Exchanged {
	r := w.replicas[l.replica]
	x := task.Exchange{Replica: l.replica, Sequence: l.n, Call: int64(len(l.sent)) + 1, Lease: pick(w, short, long, long), Grace: walkGrace,
		Reports: reports, Claims: claims, Idle: w.rng.IntN(2) == 0}
	for q := range r.signalled {
		if w.rng.IntN(3) == 0 && !slices.ContainsFunc(claims, func(c task.Claim) bool { return c.Queue == q }) {
			x.Busy = append(x.Busy, q)
		}
	}
	w.last += fmt.Sprintf(" exchange %d of sequence %d of %s: %d reports, claims %v, lease %v, idle %v, busy %v", x.Call, l.n, l.replica,
		len(reports), claims, x.Lease, x.Idle, x.Busy)
	var verdicts []task.Verdict
	saving := map[string]bool{}
	for _, r := range reports {
		saving[r.ID] = w.tasks[r.ID] != nil && w.tasks[r.ID].saving
	}
	for _, report := range reports {
		verdicts = append(verdicts, w.verdict(&report))
	}
	claims = w.dropClaims(claims, reports, saving)
	x.Claims = claims
	w.closeReported(reports)
	w.promote()
	wants := make([][]string, len(claims))
	for i, c := range claims {
		wants[i] = w.wantClaimed(c)
	}
	got, err := w.store.Exchange(w.ctx, x)
	w.must(err)
	if d := cmp.Diff(verdicts, got.Verdicts, cmpopts.EquateEmpty()); d != "" {
		w.failf("verdicts on %+v (-want +got):\n%s", reports, d)
	}
	w.replaceBackoffs()
	for _, c := range got.Claimed {
		w.claimed(&x, c)
	}
	for i, c := range claims {
		w.checkClaimed(c, wants[i], got)
		w.endLate(c.Queue)
	}
	w.checkAnswer(&x, got)
	l.sent, l.answer = append(l.sent, x), got
	r.answered(&x, got)
	return got
}

// verdict applies a report to the model.
func (w *walk) verdict(r *task.Report) task.Verdict {
	m := w.tasks[r.ID]
	switch {
	case m == nil:
		return task.Gone
	case m.saving && m.fence == r.Fence:
		w.reportSave(m, r)
		return task.Accepted
	case m.state != task.Running || !m.owned(r.Fence):
		return task.LeaseLost
	case m.decision != nil:
		w.reportCleanUp(m, r)
		return task.Accepted
	case r.Op == task.Detached && len(m.tokens) > 0 && !m.stop:
		w.detach(m, r)
		return task.Accepted
	case m.job != "" && r.Op != task.Succeed:
		w.reportWithJob(m, r)
		return task.Accepted
	case r.InPlace && !m.stop && m.failures+1 < m.spec.MaxAttempts && w.hasTokens(m):
		w.again(m, r)
		return task.Again
	}
	w.leaveRunning(m)
	m.meta = r.Meta
	logged := m.log != "" || r.Log != ""
	m.log = ""
	if r.Op == task.Release && logged {
		m.addRepeated(task.CodeReleased)
	}
	switch {
	case r.Op == task.Succeed:
		if logged {
			m.addHistory()
		}
		if r.Stage {
			w.stage(m)
			break
		}
		w.end(m, task.Succeeded, task.CodeOK, r.Result != nil || logged)
	case m.stop:
		if r.Op == task.Fail || r.Op == task.Detached {
			m.addHistory()
		}
		w.end(m, task.Stopped, task.CodeStopped, false)
	case r.Op == task.Release:
		w.rest(m, r.Delay, r.Code)
	case r.Op == task.Detached:
		w.failed(m, task.CodePermanent, 0)
	default:
		w.failed(m, r.Code, r.Delay)
	}
	return task.Accepted
}

// again applies the report of a failure that is retried in place to the model.
func (w *walk) again(m *mtask, r *task.Report) {
	w.useTokens(m)
	m.failures++
	m.attempt++
	m.addHistory()
	m.dropCheckpoint()
	m.code, m.log, m.tokens, m.marked, m.past = r.Code, "", nil, false, true
	m.v += 2
	w.appended += 2
}

// closeReported closes the claims without open attempts if a report sets Last.
func (w *walk) closeReported(reports []task.Report) {
	for _, r := range reports {
		if c := w.claims[r.Fence]; c != nil && len(c.open) == 0 {
			c.lingers = true
			if r.Last {
				delete(w.claims, r.Fence)
			}
		}
	}
}

// wantClaimed starts tasks in the model and returns their ids, best first.
func (w *walk) wantClaimed(c task.Claim) []string {
	want := w.takeOver(c)
	if len(w.unowned(c.Queue)) > 0 {
		return want
	}
	room := len(want) + min(c.N-len(want), w.room(c.Queue))
	for _, m := range w.waiting(c.Queue) {
		if len(want) == room {
			break
		}
		if m.toSave() {
			m.saving, m.stop, m.unasked = true, false, false
			want = append(want, m.id)
			continue
		}
		if m.late() || w.groupFull(m.spec.Group) || w.blockedByKind(m) {
			continue
		}
		w.useTokens(m)
		m.attempt++
		m.v++
		w.appended++
		m.state, m.stop, m.unasked = task.Running, false, false
		want = append(want, m.id)
	}
	return want
}

// claimed applies a batch of an answer to the model.
func (w *walk) claimed(x *task.Exchange, c task.Claimed) {
	if c.Fence <= w.fence {
		w.failf("fence %d, and %d was given out before", c.Fence, w.fence)
	}
	w.fence = c.Fence
	mc := &mclaim{replica: x.Replica, queue: c.Queue, open: map[string]bool{}, lease: x.Lease}
	w.claims[c.Fence] = mc
	last := -1
	for i, t := range c.Tasks {
		m := w.tasks[t.ID]
		if m == nil || m.state != task.Running && !m.saving || t.State != m.state || t.Fence != c.Fence || t.Attempt != m.attempt || t.Version != int64(m.v) ||
			string(t.Payload) != string(m.spec.Payload) || t.Group != m.spec.Group || t.Kind != m.spec.Kind || t.Failures != m.failures ||
			string(t.LastCheckpoint) != m.checkpoint || t.Job != m.job || t.CleanUp != m.decision.cleanUp() {
			w.failf("claimed %+v, want %+v", t, m)
			continue
		}
		m.fence, m.replica = c.Fence, x.Replica
		mc.all, mc.open[t.ID] = append(mc.all, t.ID), true
		if bound := m.spec.Timeout == short && !m.saving && m.decision == nil; i > 0 && bound != mc.bounded {
			w.failf("claim %d has tasks of unlike bounds", c.Fence)
		} else {
			mc.bounded = bound
		}
		if at := slices.IndexFunc(w.order(c.Queue), func(id string) bool { return id == t.ID }); m.marked { // taken over
			continue
		} else if at < last {
			w.failf("claim %d has %s behind a worse one", c.Fence, t.ID)
		} else {
			last = at
		}
	}
	mc.short = x.Lease == short || mc.bounded
	mc.cut = c.Left != task.Forever && c.Left+walkGrace < x.Lease
}

// order returns the ids of a queue, best first.
func (w *walk) order(queue string) []string {
	var all []*mtask
	for _, m := range w.tasks {
		if m.spec.Queue == queue || queue == walkLine {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *mtask) int {
		return int(w.position(a) - w.position(b))
	})
	ids := make([]string, len(all))
	for i, m := range all {
		ids[i] = m.id
	}
	return ids
}

func (w *walk) checkClaimed(c task.Claim, want []string, got task.Exchanged) {
	var have []string
	for _, claimed := range got.Claimed {
		if claimed.Queue == c.Queue {
			for _, t := range claimed.Tasks {
				have = append(have, t.ID)
			}
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if d := cmp.Diff(want, have, cmpopts.EquateEmpty()); d != "" {
		w.failf("claimed of %s (-want +got):\n%s", c.Queue, d)
	}
}

// endLate ends the late tasks of a queue, as far as the claim read them.
func (w *walk) endLate(queue string) {
	for _, m := range w.waiting(queue) {
		if !m.late() {
			continue
		}
		record, err := w.rdb.Get(w.ctx, w.prefix+"task:"+m.id).Result()
		if err == redis.Nil || err == nil && record[0] == 'E' {
			w.end(m, task.Expired, task.CodeExpired, false)
		}
	}
}
