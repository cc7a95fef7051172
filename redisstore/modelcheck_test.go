package redisstore_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// keys is a dump of the pool. It maps each key to its fields, members with scores, or elements.
type keys map[string]map[string]string

// all returns the keys with the prefix, by the rest of their names.
func (k keys) all(prefix string) map[string]map[string]string {
	found := map[string]map[string]string{}
	for name, v := range k {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			found[rest] = v
		}
	}
	return found
}

// check compares the store with the model and every key with the rules.
func (w *walk) check() {
	w.checkEvents()
	k := keys{}
	for name, v := range w.dump(w.t) {
		k[strings.TrimPrefix(name, w.prefix)] = v
	}
	for _, id := range w.ids() {
		w.checkRecord(k, w.tasks[id])
		w.checkMore(k, w.tasks[id])
	}
	w.checkOrder()
	w.checkRunning(k)
	w.checkOutside(k)
	w.checkClaims(k)
	w.checkIndexes(k)
	w.checkGroups(k)
	w.checkPool(k)
	w.checkWakeUps()
	w.checkSums(k)
	w.checkInspection()
}

// words returns the words of a record's header that the spec sets, without times.
func words(s task.Spec) string {
	var all []string
	add := func(name string, v any, given bool) {
		if given {
			all = append(all, fmt.Sprint(" ", name, "=", v))
		}
	}
	add("group", s.Group, s.Group != "")
	add("unique", task.UniqueKey(s.Unique), s.Unique != "")
	add("timeout_ms", s.Timeout.Milliseconds(), s.Timeout > 0 && s.Timeout != task.Forever)
	add("timeout_ms", "none", s.Timeout == task.Forever)
	add("max_attempts", s.MaxAttempts, s.MaxAttempts > 0)
	add("backoff", s.Backoff.String(), s.Backoff != task.Backoff{})
	if s.Retain != nil {
		add("retain_ms", s.Retain.Milliseconds(), *s.Retain != task.Forever)
		add("retain_ms", "forever", *s.Retain == task.Forever)
	}
	add("reply", 1, s.Reply)
	if len(s.Headers) > 0 {
		text, _ := json.Marshal(s.Headers)
		add("headers", strings.ReplaceAll(string(text), " ", `\u0020`), true)
	}
	return strings.Join(all, "")
}

var agedWord = regexp.MustCompile(` aged=\S+`)

// checkRecord checks task:ID byte by byte except for the score. checkOrder checks the order of
// scores.
func (w *walk) checkRecord(k keys, m *mtask) {
	record := k["task:"+m.id]["0"]
	if len(record) < 35 {
		w.failf("the record of %s is %q", m.id, record)
		return
	}
	letter := map[task.State]string{task.Scheduled: "s", task.Exporting: "e", task.Succeeded: "S", task.Failed: "F", task.Stopped: "X", task.Expired: "E"}[m.state]
	if letter == "" {
		letter = "w"
		if m.spec.Delay > 0 && !m.past {
			letter = "p"
		}
	}
	flag := "0"
	if m.past {
		flag = "1"
	}
	if got := record[:3]; got != letter+flag+" " {
		if !(m.past && letter == "w" && got == "p1 ") { // promoted before it got extras
			w.failf("the record of %s (%s, past %v) begins with %q, want %q", m.id, m.state, m.past, got, letter+flag+" ")
		}
	}
	created, err := strconv.ParseInt(record[3:16], 10, 64)
	if err != nil || record[16] != ' ' || record[33] != ' ' {
		w.failf("the record of %s is %q", m.id, record)
		return
	}
	queue := m.spec.Queue
	if queue == task.DefaultQueue {
		queue = "-"
	}
	want := m.spec.Kind + " " + queue + words(m.spec)
	at := func(d time.Duration) int64 { return created + d.Milliseconds() }
	if m.timed {
		if m.spec.Delay > 0 {
			want += fmt.Sprint(" due_at=", at(m.spec.Delay))
		}
		if m.spec.Hold {
			want += " due_at=9999999999999"
		}
		if ttl, deadline := m.spec.TTL, m.spec.Deadline; ttl > 0 && (deadline == 0 || ttl < deadline) {
			want += fmt.Sprint(" expires_at=", at(ttl))
		} else if deadline > 0 {
			want += fmt.Sprint(" expires_at=", at(deadline))
		}
		if m.spec.Deadline > 0 {
			want += fmt.Sprint(" deadline_at=", at(m.spec.Deadline))
		}
	}
	header, payload, _ := strings.Cut(record[34:], "\n")
	word := agedWord.FindString(header)
	if word != m.aged.word() {
		w.failf("the header of %s has %q, want %q: %s", m.id, word, m.aged.word(), header)
	}
	if d := cmp.Diff(want+"\n"+string(m.spec.Payload), strings.Replace(header, word, "", 1)+"\n"+payload); d != "" {
		w.failf("the record of %s (-want +got):\n%s", m.id, d)
	}
	m.checkScore(w, record[17:33])
}

// checkOrder checks that the order by score, and by id for equal scores, is the order in which the
// tasks were enqueued.
func (w *walk) checkOrder() {
	var all []*mtask
	for _, m := range w.tasks {
		if m.seq > 0 {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *mtask) int { return a.seq - b.seq })
	type class struct {
		aged     aged
		priority int8
	}
	last := map[class]*mtask{}
	for _, m := range all {
		c := class{m.aged, m.spec.Priority}
		if l := last[c]; l != nil && (m.score < l.score || m.score == l.score && m.id <= l.id) {
			w.failf("%s at %s is not behind %s at %s", m.id, m.score, l.id, l.score)
		}
		last[c] = m
	}
}

// checkMore checks the extras and the history of a task.
func (w *walk) checkMore(k keys, m *mtask) {
	h, there := k["more:"+m.id]
	if there && !m.past {
		w.failf("%s has the extras %v and no past", m.id, h)
	}
	if n := len(k["history:"+m.id]); n != min(m.history, task.MaxHistory) {
		w.failf("%s has %d entries in its history, want %d", m.id, n, m.history)
	}
	if h["log"] != m.log || m.log == "" && (h["log_fence"] != "" || h["log_size"] != "") || m.log != "" && h["log_fence"] != fmt.Sprint(m.fence) {
		w.failf("%s has the log %q of fence %q, want %q of %d", m.id, h["log"], h["log_fence"], m.log, m.fence)
	}
	written := ""
	if m.checkpointFence > 0 {
		written = fmt.Sprint(m.checkpointFence, m.checkpointN)
	}
	if h["checkpoint"] != m.checkpoint || (h["checkpoint_at"] == "") != (m.checkpoint == "") || h["checkpoint_call"] != written {
		w.failf("%s has the checkpoint %q of %q at %q, want %q of %q", m.id, h["checkpoint"], h["checkpoint_call"], h["checkpoint_at"], m.checkpoint, written)
	}
	slow := ""
	if m.slowFence > 0 {
		slow = fmt.Sprint(m.slowFence)
	}
	if h["slow"] != slow || (h["slow_at"] == "") != (slow == "") {
		w.failf("%s became slow at %q under the fence %q, want that of %q", m.id, h["slow_at"], h["slow"], slow)
	}
	number := func(field string) int {
		n, _ := strconv.Atoi(h[field])
		return n
	}
	for field, want := range map[string]int{"failures": m.failures, "lost": m.lost, "generation": m.generation} {
		if number(field) != want {
			w.failf("%s has %s %q, want %d", m.id, field, h[field], want)
		}
	}
	if m.stop && m.state == task.Running && h["stop"] != "why" {
		w.failf("%s has no reason for its stop: %v", m.id, h)
	}
	if m.state == task.Running {
		return // the run entry has the version and the attempt
	}
	v, attempt := number("v"), int64(number("attempt"))
	if h["v"] == "" {
		if v = 1; k["task:"+m.id]["0"][0] == 'p' {
			v = 2
		}
	}
	if v != m.v || attempt != m.attempt {
		w.failf("%s has version %d and attempt %d, want %d and %d", m.id, v, attempt, m.v, m.attempt)
	}
	if h["code"] != string(m.code) {
		w.failf("%s has the code %q, want %q", m.id, h["code"], m.code)
	}
}

// checkRunning checks the run entries.
func (w *walk) checkRunning(k keys) {
	seen := map[string]bool{}
	for queue, entries := range k.all("run:") {
		for id, entry := range entries {
			m := w.tasks[id]
			f := strings.Fields(entry)
			if m == nil || !m.runs() || m.runQueue() != queue || len(f) < 7 {
				w.failf("run:%s has %s: %q, of %+v", queue, id, entry, m)
				continue
			}
			seen[id] = true
			flag := "0"
			s := m.spec
			if m.past || s.Unique != "" || s.Retain != nil || s.Reply || len(s.Headers) > 0 || m.timed && (s.TTL > 0 || s.Deadline > 0) {
				flag = "1"
			}
			switch {
			case m.unowned:
				flag = "4"
			case m.outside:
				flag = "3"
			case m.marked:
				flag = "2"
			}
			want := fmt.Sprintf("%d %d %d %s %s %s %s", m.fence, m.attempt, m.v, f[3], flag, m.spec.Kind, m.replica)
			if s.Group != "" && !m.saving {
				want += " " + s.Group
			}
			if strings.TrimRight(entry, " ") != want || len(entry) < 66 {
				w.failf("run:%s has %s: %q, want %q, padded to 66", queue, id, entry, want)
			}
		}
	}
	for id, m := range w.tasks {
		if m.runs() && !seen[id] {
			w.failf("%s runs without a run entry", id)
		}
	}
}

// checkClaims checks the claims and their leases.
func (w *walk) checkClaims(k keys) {
	now := w.now(w.t).UnixMilli()
	for fence, c := range w.claims {
		name := strconv.FormatInt(fence, 10)
		f := strings.Fields(k["claims"][name])
		if len(f) == 0 && len(c.open) == 0 && c.lingers {
			delete(w.claims, fence)
			continue
		}
		if len(f) < 6 {
			w.failf("claim %d, of which %v are open, is %q", fence, c.open, f)
			continue
		}
		n, _ := strconv.Atoi(f[0])
		cut := map[bool]string{true: "1", false: "0"}[c.cut]
		if n != len(f)-6 || f[1] != c.replica || f[2] != c.queue || f[4] != strconv.FormatInt(c.lease.Milliseconds(), 10) || f[5] != cut {
			w.failf("claim %d is %q, want %s, %s, a lease of %v and cut %s", fence, f, c.replica, c.queue, c.lease, cut)
		}
		for id := range c.open {
			if !slices.Contains(f[6:], id) {
				w.failf("claim %d is %q, without %s", fence, f, id)
			}
		}
		ends, err := strconv.ParseInt(k["leases"][name], 10, 64)
		if lasts := ends - now; err != nil || c.short && lasts > 2 || !c.short && (lasts < 0 || lasts > long.Milliseconds()) {
			w.failf("the lease of claim %d ends in %d ms (%v), short: %v", fence, lasts, err, c.short)
		}
	}
	if len(k["claims"]) != len(w.claims) || len(k["leases"]) != len(w.claims) {
		w.failf("claims %v, leases %v, want %d", k["claims"], k["leases"], len(w.claims))
	}
}
