package redisstore_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

// checkIndexes checks that a live task is in exactly one index, that an ended task is in the index
// of its state, and that indexes have no other members.
func (w *walk) checkIndexes(k keys) {
	where := map[string][]string{}
	add := func(id, index string) { where[id] = append(where[id], index) }
	for queue, v := range k.all("wait:") {
		for id, score := range v {
			add(id, "waiting "+queue)
			n, err := strconv.ParseInt(score, 10, 64)
			if m := w.tasks[id]; err != nil || m != nil && fmt.Sprintf("%016d", n) != m.score {
				w.failf("%s has the position %s, want that of %+v", id, score, m)
			}
		}
	}
	for queue, v := range k.all("group:wait:") {
		for member, score := range v {
			parts := strings.Split(member, " ")
			if len(parts) != 3 || score != "0" {
				w.failf("group:wait:%s has %q with score %s", queue, member, score)
				continue
			}
			add(parts[2], "waiting "+queue)
			if m := w.tasks[parts[2]]; m == nil || m.spec.Group != parts[0] && !m.full || parts[1] != m.score {
				w.failf("%q is blocked for %+v", member, m)
			}
		}
	}
	for queue, v := range k.all("run:") {
		for id := range v {
			add(id, "running "+queue)
		}
	}
	for id := range k["scheduled"] {
		add(id, "scheduled")
	}
	for state, v := range k.all("ended:") {
		for id, score := range v {
			add(id, state)
			m := w.tasks[id]
			if forever := m != nil && m.spec.Retain != nil; forever != (score == "+Inf") {
				w.failf("%s is kept until %s, want forever: %v", id, score, forever)
			}
		}
	}
	for _, id := range w.ids() {
		m := w.tasks[id]
		want := string(m.state)
		if m.state == task.Waiting || m.state == task.Running {
			want += " " + m.spec.Queue
		}
		if m.state == task.Exporting {
			want = m.exportIndex()
		}
		if !slices.Equal(where[id], []string{want}) {
			w.failf("%s is in %v, want in %q alone", id, where[id], want)
		}
		delete(where, id)
	}
	if len(where) > 0 {
		w.failf("indexes hold tasks that are gone: %v", where)
	}
	w.checkKeys(k)
	w.checkUnique(k)
	w.checkExpiring(k)
	w.checkStaged(k)
	w.checkJobs(k)
}

// keyKinds lists the first words of all key names.
var keyKinds = strings.Fields("task more history wait run claims leases scheduled expiring ended group unique events inbox reply queues " +
	"replicas replica stop signals class served ready idle counted held meta stats load call lock outside takeover reported staged full triggers trigger fired timers rate parents pending spreading results broadcast former")

// checkKeys checks that no key of a removed task is left and that every key is documented.
func (w *walk) checkKeys(k keys) {
	for name := range k {
		if kind, _, _ := strings.Cut(name, ":"); !slices.Contains(keyKinds, kind) {
			w.failf("key %s", name)
		}
	}
	for _, kind := range []string{"task:", "more:", "history:"} {
		for id := range k.all(kind) {
			if w.tasks[id] == nil {
				w.failf("key %s%s of a task that is gone", kind, id)
			}
		}
	}
	for _, m := range w.tasks {
		if _, listed := k["queues"][m.spec.Queue]; !listed {
			w.failf("queue %s of %s is not listed", m.spec.Queue, m.id)
		}
	}
}

func (w *walk) checkUnique(k keys) {
	for key, v := range k.all("unique:") {
		m := w.tasks[v["0"]]
		if m == nil || !m.live() || task.UniqueKey(m.spec.Unique) != key {
			w.failf("unique key %s is held by %s: %+v", key, v["0"], m)
		}
	}
	for id, m := range w.tasks {
		if m.spec.Unique != "" && m.live() && k["unique:"+task.UniqueKey(m.spec.Unique)]["0"] != id {
			w.failf("%s does not hold its unique key", id)
		}
	}
}

// checkExpiring checks that every task that can become late is in the index of expiring tasks.
func (w *walk) checkExpiring(k keys) {
	for id := range k["expiring"] {
		if m := w.tasks[id]; m == nil || !m.live() || m.state == task.Exporting || !m.timed || m.spec.TTL+m.spec.Deadline == 0 {
			w.failf("%s is in the index of expiring tasks: %+v", id, m)
		}
	}
	for id, m := range w.tasks {
		ttl, deadline := m.spec.TTL > 0 && m.attempt == 0, m.spec.Deadline > 0
		if _, watched := k["expiring"][id]; m.live() && m.state != task.Running && m.state != task.Exporting && m.timed && (ttl || deadline) && !watched {
			w.failf("%s is not in the index of expiring tasks: %+v", id, m)
		}
	}
}

// checkGroups checks the running members and the heads of groups. The best task of a group with
// room must be in its queue.
func (w *walk) checkGroups(k keys) {
	for _, group := range []string{"g", "h", "g.h"} {
		var want []string
		for id, m := range w.tasks {
			if m.state == task.Running && m.spec.Group == group {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		if d := cmp.Diff(want, slices.Sorted(maps.Keys(k["group:run:"+group])), cmpopts.EquateEmpty()); d != "" {
			w.failf("running of group %s (-want +got):\n%s", group, d)
		}
	}
	for queue, blocked := range k.all("group:wait:") {
		for member := range blocked {
			parts := strings.Split(member, " ")
			if _, listed := k["group:queues:"+parts[0]][queue]; !listed {
				w.failf("%q is blocked in %s, and group:queues:%s does not list the queue", member, queue, parts[0])
			}
			if parts[0][0] == '!' {
				continue
			}
			ahead := false
			for id := range k["wait:"+queue] {
				m := w.tasks[id]
				ahead = ahead || m != nil && m.spec.Group == parts[0] && m.score < parts[1]
			}
			if !ahead && !w.groupFull(parts[0]) {
				w.failf("group %s has room, and no better task of it is in wait:%s than %q", parts[0], queue, member)
			}
		}
	}
	for queue, heads := range k.all("group:head:") {
		for group, score := range heads {
			found := false
			for id := range k["wait:"+queue] {
				m := w.tasks[id]
				found = found || m != nil && m.spec.Group == group && m.score == score
			}
			if !found {
				w.failf("the head of group %s in %s, at %s, is not in wait:%s", group, queue, score, queue)
			}
		}
	}
}

// checkPool checks the keys for the pool's limit, the requests to stop, and the reply lists.
func (w *walk) checkPool(k keys) {
	var counted []string
	stops := map[string][]string{}
	for id, m := range w.tasks {
		if !m.runs() {
			continue
		}
		if w.limits["pool"] > 0 && !m.saving {
			counted = append(counted, id)
		}
		if m.stop && !m.unasked && !m.unowned {
			stops[m.replica] = append(stops[m.replica], fmt.Sprint(m.fence, " ", id))
		}
	}
	slices.Sort(counted)
	if d := cmp.Diff(counted, slices.Sorted(maps.Keys(k["counted"])), cmpopts.EquateEmpty()); d != "" {
		w.failf("counted under a limit of %d (-want +got):\n%s", w.limits["pool"], d)
	}
	for q := range k["held"] {
		if !slices.Contains(walkQueues, q) || w.limits["pool"] <= 0 {
			w.failf("%s is blocked by the limit of the pool, %d", q, w.limits["pool"])
		}
	}
	got := map[string][]string{}
	for r, v := range k.all("stop:") {
		// Requests to cancel attempts that a report has ended stay until the next renewal.
		asked := slices.DeleteFunc(slices.Sorted(maps.Keys(v)), func(s string) bool { return s[0] == '-' })
		if len(asked) > 0 {
			got[r] = asked
		}
	}
	for _, list := range stops {
		slices.Sort(list)
	}
	if d := cmp.Diff(stops, got, cmpopts.EquateEmpty()); d != "" {
		w.failf("stops (-want +got):\n%s", d)
	}
	replies := map[string][]string{}
	for id, list := range k.all("reply:") {
		for i := range len(list) {
			var r struct{ ID, State string }
			if err := json.Unmarshal([]byte(list[strconv.Itoa(i)]), &r); err != nil || r.ID != id {
				w.failf("reply of %s: %q, %v", id, list[strconv.Itoa(i)], err)
			}
			replies[id] = append(replies[id], r.State)
		}
	}
	if d := cmp.Diff(w.replies, replies, cmpopts.EquateEmpty()); d != "" {
		w.failf("replies (-want +got):\n%s", d)
	}
}

// checkWakeUps checks that a queue with claimable tasks is ready in every class that serves it. It
// also checks that no replica is idle that could start such a task, unless another replica of its
// class got a signal for the queue, or it has no free slot for it. gone are replicas that have
// left.
func (w *walk) checkWakeUps(gone ...string) {
	for id, r := range w.replicas {
		if !slices.Contains(gone, id) {
			w.hear(r)
		}
	}
	owed := 0 // answers due from replicas that got a signal for a queue; each answer passes on the pool's slots that it leaves free
	for id, r := range w.replicas {
		if !slices.Contains(gone, id) {
			owed += len(r.signalled)
		}
	}
	for _, q := range append(slices.Clone(walkQueues), walkLine) {
		held, err := w.rdb.SIsMember(w.ctx, w.prefix+"held", q).Result()
		w.must(err)
		m := w.candidate(q)
		claimable := m != nil && w.queueRoom(q) > 0 && !(held && (w.poolRoom() == 0 || owed > 0))
		if waiting := w.unowned(q); len(waiting) > 0 {
			m, claimable = waiting[0], true
		}
		for _, class := range []string{"ab", "c"} {
			var members []string
			for id := range w.replicas {
				if strings.Contains(class, id[:1]) && !slices.Contains(gone, id) {
					members = append(members, id)
				}
			}
			if len(members) > 0 && slices.Contains(w.serves(members[0]), q) {
				w.checkReady(q, members, m, claimable)
			}
		}
	}
}

func (w *walk) checkReady(q string, members []string, m *mtask, claimable bool) {
	class, err := w.rdb.HGet(w.ctx, w.prefix+"replica:"+members[0], "class").Result()
	w.must(err)
	if n := w.rdb.HExists(w.ctx, w.prefix+"class:"+class, "r:"+members[0]).Val(); !n {
		w.failf("%s is not in its class", members[0])
	}
	_, err = w.rdb.ZScore(w.ctx, w.prefix+"ready:"+class, q).Result()
	ready := err == nil
	if !ready {
		for _, r := range members {
			delete(w.replicas[r].busy, q) // the replica gets a signal for q when the queue is ready again
		}
	}
	if !claimable {
		return
	}
	if !ready {
		w.failf("%s can start and %s is not ready for %v; held are %v", m.id, q, members, w.rdb.SMembers(w.ctx, w.prefix+"held").Val())
		return
	}
	idle, err := w.rdb.ZRange(w.ctx, w.prefix+"idle:"+class, 0, -1).Result()
	w.must(err)
	signalled := slices.ContainsFunc(members, func(r string) bool { return w.replicas[r].signalled[q] })
	for _, r := range idle {
		if !slices.Contains(members, r) {
			w.failf("%s is idle in the class of %v", r, members)
		} else if !signalled && !w.replicas[r].busy[q] {
			w.failf("%s can start from %s; %s is idle, and none of %v got a signal", m.id, q, r, members)
		}
	}
}
