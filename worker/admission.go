package worker

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// The times of Config.Admit.
const (
	// admitFresh is how long an answer is used by claims. It bounds how often Admit is called.
	admitFresh = 100 * time.Millisecond
	// admitPause is the time between two calls that no claim needs.
	admitPause = 500 * time.Millisecond
	// admitTimeout is how long a call may take. After it the call counts as a refusal until it
	// returns.
	admitTimeout = time.Second
	// admitLogPause is the least time between two log lines about refusals.
	admitLogPause = 10 * time.Second
)

// maxRefusal is how many bytes of the reason of a refusal are kept.
const maxRefusal = 256

// admission calls Config.Admit and keeps its answer. While Admit refuses, the replica
// claims from no queue: see Replica.claims. It reports ready queues as busy and leaves
// the idle replicas of the store, so that the store signals others.
type admission struct {
	r    *Replica
	wake chan struct{} // a claim needs a new answer

	// Guarded by the replica's mutex.
	at      time.Time // of the latest answer; zero before the first
	reason  string    // of the refusal; "" if it admits
	refused int64     // refusals since the start

	// Used only by the goroutine.
	loggedAt time.Time // of the latest line about a refusal
	logged   bool      // the current refusal was logged
	since    time.Time // of the current refusal
}

// run asks until ctx is done.
func (a *admission) run(ctx context.Context) {
	if a.r.cfg.Admit == nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-a.wake:
		}
		reason, ok := a.ask(ctx)
		if !ok {
			return
		}
		select {
		case <-a.wake: // the answer is the one that was requested meanwhile
		default:
		}
		a.set(reason)
		// The next call is at least admitFresh away, whatever wakes the goroutine.
		timer.Reset(admitFresh)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(admitPause - admitFresh)
	}
}

// ask calls Admit and returns why it refuses. ok is false if ctx ended before it returned. The
// call has a goroutine of its own, so that one that never returns does not keep Run from
// returning.
func (a *admission) ask(ctx context.Context) (reason string, ok bool) {
	answer := make(chan string, 1)
	callCtx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	go func() { answer <- a.call(callCtx) }()
	late := time.NewTimer(admitTimeout)
	defer late.Stop()
	for {
		select {
		case reason = <-answer:
			return reason, true
		case <-late.C:
			a.set(fmt.Sprintf("Admit has not returned within %v", admitTimeout))
		case <-ctx.Done():
			return "", false
		}
	}
}

// call calls Admit. It returns the reason of a refusal, "" if there is none.
func (a *admission) call(ctx context.Context) (reason string) {
	defer func() {
		if p := recover(); p != nil {
			a.r.log().Error("Admit panicked; that counts as a refusal", "panic", p, "stack", string(debug.Stack()))
			reason = refusalText(fmt.Sprintf("Admit panicked: %v", p))
		}
	}()
	if err := a.r.cfg.Admit(ctx); err != nil {
		return refusalText(err.Error())
	}
	return ""
}

// refusalText returns the text of a refusal as one line that is not empty.
func refusalText(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		text = "no reason given"
	}
	return cutHead(text, maxRefusal)
}

// set keeps an answer. A change stops or starts the claims.
func (a *admission) set(reason string) {
	r, now := a.r, time.Now()
	r.mu.Lock()
	was := a.reason
	a.at, a.reason = now, reason
	if reason != "" {
		a.refused++
	}
	switch {
	case r.phase != serving:
	case reason != "" && was == "":
		r.stopClaims()
	case reason == "" && was != "":
		r.startClaiming()
	case reason == "":
		for _, s := range r.sequences {
			s.wake() // it may have waited for the answer
		}
	}
	r.mu.Unlock()
	if (reason == "") != (was == "") {
		r.keeper.request(false) // which reports the reason
		a.log(reason, now)
	}
}

// log logs the beginning and the end of a refusal. A function that changes its answer often
// logs one refusal per admitLogPause.
func (a *admission) log(reason string, now time.Time) {
	switch {
	case reason == "" && a.logged:
		a.logged = false
		a.r.log().Info("tasks are admitted again", "after", now.Sub(a.since).Round(time.Millisecond))
	case reason != "":
		a.since = now
		if a.logged = now.Sub(a.loggedAt) >= admitLogPause; a.logged {
			a.loggedAt = now
			a.r.log().Warn("no tasks are admitted; the running ones continue", "reason", reason)
		}
	}
}

// All goroutines may call the methods below. The caller holds the replica's mutex.

// current reports whether the latest answer is new enough for a claim. If it is not, a new one
// is requested, after which the sequences are woken.
func (a *admission) current(now time.Time) bool {
	if a.r.cfg.Admit == nil || !a.at.IsZero() && now.Sub(a.at) < admitFresh {
		return true
	}
	wake(a.wake)
	return false
}

// claims reports whether the replica claims tasks: it serves, and Admit does not refuse.
func (r *Replica) claims() bool { return r.phase == serving && r.admission.reason == "" }

// stopClaims reports the queues that the next exchanges would have claimed from as busy, so
// that the store signals other replicas for them.
func (r *Replica) stopClaims() {
	for i, s := range r.sequences {
		for _, q := range s.toClaim {
			q.listed[i] = false
			r.queues.addBusy(q)
		}
		s.toClaim = nil
	}
	r.sequences[0].requireExchange()
}

// Refuses returns why Config.Admit refuses new tasks; "" if it admits them.
func (r *Replica) Refuses() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admission.reason
}
