package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/worker"
)

// check compares the store with the model and its indexes with the rules.
func (w *walk) check() {
	w.checkEvents()
	all := w.dump(w.t)
	key := func(parts ...string) map[string]string { return all[w.prefix+strings.Join(parts, "")] }

	for id, m := range w.tasks {
		h := key("task:", id)
		if run := strings.Fields(h["run"]); len(run) == 7 {
			h["fence"] = run[0]
			if h["state"] == "running" {
				h["v"] = run[2]
			}
		}
		number := func(field string, def int) int {
			if h[field] == "" {
				return def
			}
			n, _ := strconv.Atoi(h[field])
			return n
		}
		const form = "%s v%d attempt %d fence %d failures %d lost %d generation %d"
		got := fmt.Sprintf(form, h["state"], number("v", 1), number("attempt", 0), number("fence", 0), number("failures", 0),
			number("lost", 0), number("generation", 0))
		want := fmt.Sprintf(form, m.state, m.v, m.attempt, m.fence, m.failures, m.lost, m.generation)
		if got != want {
			w.failf("task %s is %s, want %s", id, got, want)
		}
	}

	// A live task is in exactly one index, an ended one in the one of its state.
	where := map[string][]string{}
	heads := map[string]bool{}
	for k, v := range all {
		name := strings.TrimPrefix(k, w.prefix)
		kind, rest, _ := strings.Cut(name, ":")
		switch {
		case kind == "wait":
			for id := range v {
				where[id] = append(where[id], "waiting "+rest)
				if m := w.tasks[id]; m != nil && v[id] != strconv.FormatFloat(m.score, 'f', -1, 64) {
					w.failf("%s stands at %s, want %.0f", id, v[id], m.score)
				}
			}
		case kind == "running":
			for id := range v {
				where[id] = append(where[id], "running "+rest)
			}
		case name == "scheduled":
			for id := range v {
				where[id] = append(where[id], "scheduled")
			}
		case kind == "ended":
			for id := range v {
				where[id] = append(where[id], rest)
			}
		case strings.HasPrefix(name, "group:wait:"):
			for member := range v {
				parts := strings.Split(member, " ")
				id := parts[2]
				where[id] = append(where[id], "waiting "+strings.TrimPrefix(name, "group:wait:"))
				m := w.tasks[id]
				if m == nil || m.group != parts[0] || parts[1] != fmt.Sprintf("%016.0f", m.score) {
					w.failf("%q is parked for %+v", member, m)
				}
			}
		case strings.HasPrefix(name, "group:head:"):
			for g := range v {
				heads[strings.TrimPrefix(name, "group:head:")+" "+g] = true
			}
		case strings.HasPrefix(name, "group:run:"):
			g := strings.TrimPrefix(name, "group:run:")
			if n := w.running(func(m *mtask) bool { return m.group == g }); n != len(v) {
				w.failf("%d members run of group %s, want %d", len(v), g, n)
			}
			for id := range v {
				if m := w.tasks[id]; m == nil || m.state != worker.Running || m.group != g {
					w.failf("%s counts as running in group %s: %+v", id, g, m)
				}
			}
		case kind == "task" || kind == "history":
			if w.tasks[rest] == nil {
				w.failf("key %s of a task that is gone", name)
			}
		case kind == "unique":
			if m := w.holder(rest); m == nil || m.id != v["0"] {
				w.failf("unique key %s is held by %s, want %+v", rest, v["0"], m)
			}
		case name == "expiring":
			for id := range v {
				if m := w.tasks[id]; m == nil || !m.live() {
					w.failf("%s is watched for its end: %+v", id, m)
				}
			}
		case kind == "wake":
			if len(v) > 1 {
				w.failf("%d markers of %s", len(v), rest)
			}
		}
	}
	for id, m := range w.tasks {
		want := string(m.state)
		if m.state == worker.Waiting || m.state == worker.Running {
			want += " " + m.queue
		}
		if !slices.Equal(where[id], []string{want}) {
			w.failf("%s is in %v, want in %q alone", id, where[id], want)
		}
		if m.unique != "" && m.live() && key("unique:", m.unique)["0"] != id {
			w.failf("%s does not hold its unique key", id)
		}
		delete(where, id)
	}
	if len(where) > 0 {
		w.failf("indexes hold tasks that are gone: %v", where)
	}
	for _, q := range walkQueues {
		w.checkLine(q, key("wait:", q), key("group:wait:", q), key("group:head:", q), len(key("wake:", q)))
	}
	w.checkSums()
	w.checkInspection()
}

// checkLine checks that what could start stands in the line, and that somebody
// will be woken for it.
func (w *walk) checkLine(q string, line, parked, heads map[string]string, markers int) {
	ahead := func(g, score string) bool {
		for id := range line {
			if m := w.tasks[id]; m != nil && m.group == g && fmt.Sprintf("%016.0f", m.score) < score {
				return true
			}
		}
		return false
	}
	for member := range parked {
		parts := strings.Split(member, " ")
		if g := parts[0]; !w.groupFull(g) && !ahead(g, parts[1]) {
			w.failf("group %s has room, and nothing better of it stands in the line of %s than %q", g, q, member)
		}
	}
	for g, score := range heads {
		found := false
		for id, s := range line {
			found = found || s == score && w.tasks[id] != nil && w.tasks[id].group == g
		}
		if !found {
			w.failf("the head of group %s in %s, at %s, is not in the line", g, q, score)
		}
	}
	claimable := ""
	for _, m := range w.line(q) {
		if !w.groupFull(m.group) && !m.late() {
			claimable = m.id
			break
		}
	}
	if claimable != "" && w.room(q) > 0 && markers == 0 {
		w.failf("%s could start from %s, and there is no marker", claimable, q)
	}
}

// checkSums checks the sum that holds at every instant.
func (w *walk) checkSums() {
	s, err := w.store.Stats(w.ctx)
	w.must(err)
	live, ended := s.Scheduled+s.Waiting+s.Running, 0
	for _, n := range s.Ended {
		ended += int(n)
	}
	if int(s.Enqueued) != w.enqueued || int(s.Retried) != w.retried || ended != w.ended || w.enqueued+w.retried != live+ended {
		w.failf("%d enqueued, %d retried, %d live, %d ended; the model has %d, %d and %d", s.Enqueued, s.Retried, live, ended, w.enqueued, w.retried, w.ended)
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
			m := w.tasks[e.ID]
			if m == nil {
				continue
			}
			if e.Version == 1 {
				m.seenV = 0
			}
			if int(e.Version) != m.seenV+1 {
				w.failf("event %+v follows version %d", e, m.seenV)
			}
			m.seenV = int(e.Version)
			if e.State.Terminal() {
				if m.ends++; m.ends > 1 {
					w.failf("second end of one generation: %+v", e)
				}
			}
		}
	}
	for id, m := range w.tasks {
		if m.seenV != m.v {
			w.failf("the events of %s end at version %d, want %d", id, m.seenV, m.v)
		}
	}
}
