package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

// walkServes maps the first letter of a replica's id to its queues. a and b are of one class.
var walkServes = map[string][]string{"a": {"p", "q"}, "b": {"p", "q"}, "c": {"q", "r", walkLine}}

func (w *walk) serves(replica string) []string { return walkServes[replica[:1]] }

// mreplica is a replica in the model.
type mreplica struct {
	id        string
	silent    bool            // its last renewal was a short one
	signalled map[string]bool // queues for which it got a signal and has not answered
	busy      map[string]bool // queues that it has reported as busy since their last signal
}

// enlist makes a new replica join that serves the queues of the letter. It configures limits at random.
func (w *walk) enlist(letter string) {
	w.joined++
	r := task.Registration{Replica: fmt.Sprint(letter, w.joined), Lease: time.Hour, Queues: map[string]task.QueueConfig{}, Kinds: map[string]task.Policy{}}
	limit := func(what string) int {
		n := pick(w, 0, 0, 0, 2, 3, task.NoLimit)
		if n != 0 && n != w.configured[what] {
			w.configured[what], w.limits[what] = n, n
		}
		return n
	}
	for _, q := range walkServes[letter] {
		r.Queues[q] = task.QueueConfig{Workers: 4, Limit: limit("queue:" + q)}
	}
	r.Limit = limit("pool")
	r.Groups = task.Groups{DefaultLimit: limit("groups"), Limits: map[string]int{"g": limit("group:g"), "h": limit("group:h")}}
	for _, k := range walkKinds {
		r.Kinds[k] = task.Policy{}
	}
	r.Exports = map[string]task.Export{walkExports: {Timeout: 24 * time.Hour, MaxAttempts: walkSaves, MaxStaged: walkStaged, Backoff: walkBackoff}}
	_, err := w.store.Join(w.ctx, r)
	w.must(err)
	w.replicas[r.Replica] = &mreplica{id: r.Replica, signalled: map[string]bool{}, busy: map[string]bool{}}
}

func (w *walk) someReplica() *mreplica {
	return w.replicas[pick(w, slices.Sorted(maps.Keys(w.replicas))...)]
}

// answered records the content of an answer, and the queues that the exchange claimed from.
func (r *mreplica) answered(x *task.Exchange, got task.Exchanged) {
	for _, q := range x.Busy {
		delete(r.signalled, q)
		r.busy[q] = true
	}
	for i, c := range x.Claims {
		delete(r.signalled, c.Queue)
		r.busy[c.Queue] = !got.Short[i] // the answer has as many tasks as the replica has slots
	}
	for _, q := range got.Ready {
		r.signalled[q] = true
		delete(r.busy, q)
	}
}

// checkAnswer checks the parts of an answer other than verdicts and tasks.
func (w *walk) checkAnswer(x *task.Exchange, got task.Exchanged) {
	if got.Drain {
		w.failf("%s is asked to drain", x.Replica)
	}
	asked := map[string]bool{}
	anyShort := false
	for i, c := range x.Claims {
		asked[c.Queue] = true
		anyShort = anyShort || got.Short[i]
		if m := w.claimable(c.Queue); got.Short[i] && m != nil {
			w.failf("the claim of %s is short, and %s could start", c.Queue, m.id)
		}
	}
	for _, q := range append(slices.Clone(walkQueues), walkLine) {
		served := slices.Contains(w.serves(x.Replica), q)
		ready := slices.Contains(got.Ready, q)
		if ready && (!served || asked[q] || slices.Contains(x.Busy, q)) {
			w.failf("%s wrongly gets %s as ready", x.Replica, q)
		}
		held := w.rdb.SIsMember(w.ctx, w.prefix+"held", q).Val() // another replica got a signal for the queue instead
		claimable := w.claimable(q) != nil && (!held || len(w.unowned(q)) > 0)
		if (x.Idle || anyShort) && served && claimable && !ready && !asked[q] && !slices.Contains(x.Busy, q) {
			w.failf("%s does not get %s as ready", x.Replica, q)
		}
	}
	if len(got.Ready) > 0 && !x.Idle && !anyShort {
		w.failf("%s has no free slots and gets %v as ready", x.Replica, got.Ready)
	}
	w.checkStops(x.Replica, got.Stops)
}

// checkStops checks the stops of an answer.
func (w *walk) checkStops(replica string, got []task.Attempt) {
	var want []task.Attempt
	for _, id := range w.ids() {
		if m := w.tasks[id]; m.runs() && m.stop && !m.unasked && !m.unowned && m.replica == replica {
			want = append(want, task.Attempt{ID: id, Fence: m.fence})
		}
	}
	got = slices.DeleteFunc(slices.Clone(got), func(a task.Attempt) bool { return a.Reported })
	slices.SortFunc(got, func(a, b task.Attempt) int { return strings.Compare(a.ID, b.ID) })
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		w.failf("stops of %s (-want +got):\n%s", replica, d)
	}
}

// hear reads the signals of a replica and applies them to the model.
func (w *walk) hear(r *mreplica) {
	signals, err := w.rdb.LRange(w.ctx, w.prefix+"signals:"+r.id, 0, -1).Result()
	w.must(err)
	for _, s := range signals {
		if q, ok := strings.CutPrefix(s, "q:"); ok {
			if !slices.Contains(w.serves(r.id), q) {
				w.failf("%s got a signal for %s, which it does not serve", r.id, q)
			}
			r.signalled[q] = true
			delete(r.busy, q)
		} else if !slices.Contains([]string{"stop", "due", "check"}, s) {
			w.failf("%s has the signal %q", r.id, s)
		}
	}
	w.must(w.rdb.Del(w.ctx, w.prefix+"signals:"+r.id).Err())
}

// answerSignals makes a replica claim from the queues for which it got signals, until none is left,
// as a replica with free slots does.
func (w *walk) answerSignals() {
	r := w.someReplica()
	for range 3 {
		var claims []task.Claim
		for _, q := range slices.Sorted(maps.Keys(r.signalled)) {
			claims = append(claims, task.Claim{Queue: q, N: 1 + w.rng.IntN(3)})
		}
		w.exchange(w.sequence(r.id, 1+w.rng.IntN(2)), nil, claims)
	}
}

// leave removes a replica from the list and makes another one join.
func (w *walk) leave() {
	r := w.someReplica()
	w.last = "leave " + r.id
	w.must(w.store.Leave(w.ctx, r.id))
	w.must(w.store.Leave(w.ctx, r.id))
	w.replace(r)
}

// replace removes replicas that are no longer on the list from the model, and makes others join.
// The requests to stop are removed with the record of a replica, which cancels all its attempts.
func (w *walk) replace(gone ...*mreplica) {
	var ids []string
	for _, r := range gone {
		for _, m := range w.tasks {
			if m.runs() && m.replica == r.id && m.stop {
				m.unasked = true
			}
		}
		ids = append(ids, r.id)
	}
	w.checkWakeUps(ids...)
	for _, r := range gone {
		delete(w.replicas, r.id)
		w.enlist(r.id[:1])
	}
}

func (w *walk) renew() {
	replica := w.someReplica()
	r := task.Renewal{Replica: replica.id, Lease: pick(w, short, long, long), Grace: walkGrace}
	var want []task.Verdict
	for _, fence := range append(slices.Sorted(maps.Keys(w.claims)), w.fence+1) {
		c := w.claims[fence]
		if (c == nil || c.replica != replica.id) && w.rng.IntN(6) > 0 || w.rng.IntN(4) == 0 {
			continue
		}
		h := task.HeldClaim{Fence: fence, Held: 1, Left: time.Hour}
		if c == nil || c.replica != replica.id || len(c.open) == 0 {
			if c != nil && c.replica == replica.id {
				delete(w.claims, fence)
			}
			r.Held, want = append(r.Held, h), append(want, task.LeaseLost)
			continue
		}
		if c.bounded {
			h.Left = -time.Millisecond
		}
		h, verdict := w.hold(c, h)
		if len(c.open) == 0 {
			delete(w.claims, fence)
		}
		c.cut, c.lease = c.bounded, r.Lease
		c.short = r.Lease == short || c.bounded
		r.Held, want = append(r.Held, h), append(want, verdict)
	}
	r.Updates = w.someUpdates(replica.id)
	w.last = fmt.Sprintf("renew %d claims of %s for %v", len(r.Held), r.Replica, r.Lease)
	replica.silent = r.Lease == short
	got, err := w.store.Renew(w.ctx, r)
	w.must(err)
	w.replaceBackoffs()
	if d := cmp.Diff(want, got.Verdicts, cmpopts.EquateEmpty()); d != "" {
		w.failf("verdicts on %+v (-want +got):\n%s", r.Held, d)
	}
	w.checkStops(replica.id, got.Stops)
}

// hold returns an open claim for a renewal with as many attempts as the store holds, more, fewer,
// or fewer with their ids.
func (w *walk) hold(c *mclaim, h task.HeldClaim) (task.HeldClaim, task.Verdict) {
	h.Held = len(c.open)
	switch w.rng.IntN(6) {
	case 0:
		h.Held++
	case 1:
		h.Held--
		return h, task.Recount
	case 2:
		for _, id := range c.all {
			switch {
			case w.rng.IntN(3) > 0:
				h.IDs = append(h.IDs, id)
			case c.open[id]:
				w.takeBack(w.tasks[id], false)
			}
		}
		if h.Held = len(h.IDs); h.Held == 0 {
			h.IDs, h.Held = []string{"none"}, 1
		}
		if len(c.open) == 0 {
			return h, task.LeaseLost
		}
	}
	return h, task.Kept
}

func (w *walk) someUpdates(replica string) []task.AttemptUpdate {
	var updates []task.AttemptUpdate
	for _, id := range append(w.ids(), "none") {
		m := w.tasks[id]
		if w.rng.IntN(4) > 0 {
			continue
		}
		n := task.AttemptUpdate{ID: id, Fence: 1, Slow: w.rng.IntN(3) == 0}
		if w.rng.IntN(2) == 0 {
			n.Progress = []byte("some")
		}
		if w.rng.IntN(2) == 0 {
			n.Log, n.LogSize = fmt.Sprint("step ", w.step), 7
		}
		if m != nil {
			n.Fence = m.fence + pick(w, 0, 0, 0, int64(-1))
			if m.state == task.Running && m.owned(n.Fence) {
				m.past = m.past || n.Progress != nil || n.Slow || n.LogSize > 0
				if n.LogSize > 0 {
					m.log = n.Log
				}
				if n.Slow && m.slowFence != m.fence {
					m.slowFence = m.fence
					m.v++
					w.appended++
				}
			}
		}
		updates = append(updates, n)
	}
	return updates
}

// afterMaintenance replaces the replicas that maintenance removed from the list.
func (w *walk) afterMaintenance() {
	var silent []*mreplica
	for _, id := range slices.Sorted(maps.Keys(w.replicas)) {
		r := w.replicas[id]
		if !r.silent {
			continue
		}
		silent = append(silent, r)
		l := w.sequence(id, 1)
		x := task.Exchange{Replica: id, Sequence: 1, Call: int64(len(l.sent)) + 1, Lease: long, Grace: walkGrace, Claims: []task.Claim{{Queue: "p", N: 9}}}
		if got, err := w.store.Exchange(w.ctx, x); !errors.Is(err, task.ErrNotJoined) || len(got.Claimed) > 0 {
			w.failf("the claim of %s, which was silent: %+v, %v", id, got, err)
		}
	}
	w.replace(silent...)
}
