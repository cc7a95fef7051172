package redisstore_test

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// In the walk no token of a rate returns: the rates are so slow. used counts the starts since the
// key "q QUEUE" or "g GROUP" had all its tokens.

// rateOf returns the rate of a key, the zero Rate for none.
func (w *walk) rateOf(key string) task.Rate {
	r, own := w.rates[key]
	if !own && key[0] == 'g' {
		r = w.rates["groups"]
	}
	return r
}

// tokensOf returns how many tokens a rate has.
func (w *walk) tokensOf(key string) int {
	r := w.rateOf(key)
	if !r.Limits() {
		return 1 << 30
	}
	return r.Burst - min(w.used[key], r.Burst)
}

// useTokens uses a token of the queue and one of the group for a start.
func (w *walk) useTokens(m *mtask) {
	for _, key := range rateKeys(m) {
		if r := w.rateOf(key); r.Limits() {
			w.used[key] = min(w.used[key], r.Burst) + 1
		}
	}
}

// hasTokens reports whether the rates let the task start.
func (w *walk) hasTokens(m *mtask) bool {
	for _, key := range rateKeys(m) {
		if w.tokensOf(key) < 1 {
			return false
		}
	}
	return true
}

func rateKeys(m *mtask) []string {
	keys := []string{"q " + m.spec.Queue}
	if m.spec.Group != "" {
		keys = append(keys, "g "+m.spec.Group)
	}
	return keys
}

// setRate changes a rate. A changed burst gives new tokens.
func (w *walk) setRate() {
	r := pick(w, task.Rate{}, task.NoRate, task.PerHour(1).WithBurst(w.step/4+1+w.rng.IntN(30)))
	s := task.Setting{Scope: task.QueueScope, Name: pick(w, walkQueues...), Rate: &r}
	key := "q " + s.Name
	switch w.rng.IntN(3) {
	case 0:
		s.Scope, s.Name = task.GroupScope, pick(w, "g", "h", "g.h")
		key = "g " + s.Name
	case 1:
		s.Scope, s.Name = task.GroupsScope, ""
		key = "groups"
	}
	w.rates[key] = r
	if r == (task.Rate{}) {
		delete(w.rates, key)
	}
	w.last += fmt.Sprintf("rate of %s: %v", key, r)
	w.must(w.store.Configure(w.ctx, s))
}

// exhaust uses the only token of a queue's rate while a task waits for the next one.
func (w *wreck) exhaust(queue string) {
	w.t.Helper()
	rate := task.PerHour(1).WithBurst(1)
	w.must(w.store.Configure(w.t.Context(), task.Setting{Scope: task.QueueScope, Name: queue, Rate: &rate}))
	w.enqueue(task.Spec{ID: "first", Kind: "k", Queue: queue}, task.Spec{ID: "second", Kind: "k", Queue: queue})
	got := w.claim(2, queue)
	if len(got) != 1 {
		w.t.Fatalf("%d tasks started with one token", len(got))
	}
	w.exchange(nil, reportOn(got[0], task.Succeed))
}

// exhaustGroup uses the only token of a group's rate while a task of queue q waits for the next one.
func (w *wreck) exhaustGroup(group string) {
	w.t.Helper()
	rate := task.PerHour(1).WithBurst(1)
	w.must(w.store.Configure(w.t.Context(), task.Setting{Scope: task.GroupScope, Name: group, Rate: &rate}))
	w.enqueue(task.Spec{ID: "first", Kind: "k", Queue: "q", Group: group, Priority: 1}, task.Spec{ID: "second", Kind: "k", Queue: "q", Group: group, Priority: 1})
	got := w.claim(1, "q")
	if len(got) != 1 || got[0].ID != "first" {
		w.t.Fatalf("%d tasks started, want the first of the group", len(got))
	}
	w.exchange(nil, reportOn(got[0], task.Succeed))
}

// wantTimerOfGroup checks that the timer of the group is due within the hour in which a token
// returns, and removes the rate.
func wantTimerOfGroup(w *wreck) {
	w.wantTimer("g limited")
	w.must(w.store.Configure(w.t.Context(), task.Setting{Scope: task.GroupScope, Name: "limited", Rate: &task.NoRate}))
	w.do("DEL", "group:rate:limited") // it expires in an hour
	for _, t := range w.claim(2, "q") {
		w.exchange(nil, reportOn(t, task.Succeed))
	}
}

// wantTimer checks that a timer is due within an hour.
func (w *wreck) wantTimer(member string) {
	w.t.Helper()
	if at := w.score("timers", member); at <= w.in(0) || at > w.in(time.Hour) {
		w.t.Errorf("the timer is due at %.0f", at)
	}
}

// wantTimer checks that a timer is due within the hour in which a token returns, and removes the
// rate.
func wantTimer(member string) func(w *wreck) {
	return func(w *wreck) {
		w.wantTimer(member)
		w.must(w.store.Configure(w.t.Context(), task.Setting{Scope: task.QueueScope, Name: "q", Rate: &task.NoRate}))
		for _, t := range w.claim(2, "q") {
			w.exchange(nil, reportOn(t, task.Succeed))
		}
	}
}
