package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// takers returns the replicas that take a broadcast now: "r" and the members that do not drain.
func (w *shardWalk) takers() []string {
	all := []string{"r"}
	for id, drains := range w.members {
		if !drains {
			all = append(all, id)
		}
	}
	return slices.Sorted(slices.Values(all))
}

// member returns the id of a member, "r" if there is none.
func (w *shardWalk) member() string {
	ids := append(slices.Sorted(maps.Keys(w.members)), "r")
	return ids[w.rng.IntN(len(ids))]
}

// broadcast enqueues a broadcast, and compares the replicas that it is for with the members.
func (w *shardWalk) broadcast() {
	s := task.Spec{ID: w.parentID(), Kind: "k", Broadcast: true, FailFast: w.rng.IntN(3) == 0, MaxAttempts: 1 + w.rng.IntN(2), Retain: new(task.Forever)}
	if w.rng.IntN(3) == 0 {
		s.Group = "g"
	}
	w.last = fmt.Sprintf("enqueue %+v", s)
	got, err := w.store.Enqueue(w.t.Context(), []task.Spec{s})
	w.must(err)
	if got[0].Err == nil && !got[0].Duplicate {
		w.wantMembers(s.ID)
	}
}

func (w *shardWalk) wantMembers(id string) {
	got, err := w.store.Get(w.t.Context(), id)
	w.must(err)
	if d := cmp.Diff(w.takers(), got[0].ShardParams); d != "" {
		w.t.Errorf("replicas of %s (-want +got):\n%s", id, d)
	}
}

// changeMembers lets a replica join, leave, drain, or fall silent.
func (w *shardWalk) changeMembers() {
	ctx := w.t.Context()
	id := w.member()
	switch n := w.rng.IntN(6); {
	case id == "r" || n < 2:
		id = fmt.Sprint("m", w.step)
		w.last = id + " joins"
		_, err := w.store.Join(ctx, task.Registration{Replica: id, Lease: time.Hour, Queues: wreckQueues, Kinds: map[string]task.Policy{"k": {}}})
		w.must(err)
		w.members[id] = false
	case n == 2:
		w.last = id + " drains"
		_, err := w.store.Drain(ctx, id)
		w.must(err)
		w.members[id] = true
	case n == 3:
		w.last = id + " falls silent"
		_, err := w.store.Renew(ctx, task.Renewal{Replica: id, Lease: time.Millisecond, Held: heldBy(w.openOf(id)...)})
		if !errors.Is(err, task.ErrDrain) {
			w.must(err)
		}
		time.Sleep(3 * time.Millisecond) // its lease of 1 ms has ended then
		delete(w.members, id)
	default:
		w.last = id + " leaves"
		w.must(w.store.Leave(ctx, id))
		delete(w.members, id)
	}
}

// openOf returns the open attempts of a replica.
func (w *shardWalk) openOf(replica string) []*task.Task {
	return slices.DeleteFunc(slices.Clone(w.open), func(c *task.Task) bool { return c.Replica != replica })
}

// exchangeAs is exchange for another replica than "r".
func (w *shardWalk) exchangeAs(replica string, claims []task.Claim, reports ...task.Report) []*task.Task {
	w.calls++
	got, err := w.store.Exchange(w.t.Context(), task.Exchange{Replica: replica, Sequence: 1, Call: w.calls, Lease: time.Hour,
		Grace: time.Second, Reports: reports, Claims: claims})
	if !errors.Is(err, task.ErrNotJoined) { // the reports of a replica that has gone count nevertheless
		w.must(err)
	}
	return tasksOf(got)
}

// wantMember checks that a child of a broadcast starts on its replica.
func (w *shardWalk) wantMember(c *task.Task, replica string) {
	record := w.rdb.Get(w.t.Context(), w.prefix+"task:"+c.ID).Val()
	if member := memberOf(record); member != "" && member != replica {
		w.t.Errorf("%s has started on %s: %.120q", c.ID, replica, record)
	}
}

// memberOf returns the replica of a child of a broadcast from its record, "" for other tasks.
func memberOf(record string) string {
	header, _, _ := strings.Cut(record, "\n")
	for _, word := range strings.Fields(header) {
		if member, ok := strings.CutPrefix(word, "member="); ok {
			return member
		}
	}
	return ""
}

// checkMembers checks that the children of broadcasts are listed for their replicas, and that
// those which wait for a replica that has gone are about to end.
func (w *shardWalk) checkMembers(k keys) {
	listed := k.all("broadcast:")
	n := 0
	for id, record := range k.all("task:") {
		member := memberOf(record["0"])
		if member == "" || !strings.Contains("spw", record["0"][:1]) {
			continue
		}
		n++
		if _, ok := listed[member][id]; !ok {
			w.t.Errorf("%s is not listed for %s: %.120q", id, member, record["0"])
		}
		_, on := k["replicas"][member]
		_, runs := k["run:default"][id]
		_, ends := k["spreading"]["replica "+member]
		if !on && !ends && !runs && record["0"][0] != 's' {
			w.t.Errorf("%s waits for %s, which has gone", id, member)
		}
	}
	for member, children := range listed {
		if n -= len(children); n < 0 {
			w.t.Errorf("%s has the children %v, and some of them are not alive", member, children)
		}
	}
}

// checkEnd lets all members go, and checks that nothing waits for them.
func (w *shardWalk) checkEnd() {
	for id := range w.members {
		w.must(w.store.Leave(w.t.Context(), id))
	}
	clear(w.members)
	w.last = "all members have left"
	for range 3 { // a failed child waits again, and is lost then
		for _, c := range w.open {
			if c.Replica != "r" {
				r := reportOn(c, task.Fail)
				r.DelaySet, r.Code = true, task.CodeError
				w.exchangeAs(c.Replica, nil, r)
			}
		}
		w.spread()
		_, err := w.store.Maintain(w.t.Context(), "keeper")
		w.must(err)
	}
	k := keys{}
	for name, v := range w.dump(w.t) {
		k[strings.TrimPrefix(name, w.prefix)] = v
	}
	for member, children := range k.all("broadcast:") {
		if member != "r" {
			w.t.Errorf("%v are still alive for %s, which has left", children, member)
		}
	}
}
