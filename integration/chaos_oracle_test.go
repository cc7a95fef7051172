package integration

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// chronicle reads the event stream from its beginning and keeps what the rules
// need.
type chronicle struct {
	tales  map[string]*tale
	claims map[attempt]*claimed
	order  []*claimed // in the order of the stream
	events int
	wrong  []string
}

// tale is one task as far as its events have been read.
type tale struct {
	version, attempt int64
	state            pool.State
	code             pool.Code
	ends, retries    int
}

// attempt names one attempt of a task.
type attempt struct {
	task   string
	number int64
}

// claimed is one attempt according to its events.
type claimed struct {
	attempt
	replica string
	at      time.Time
	ended   time.Time // zero while it runs
	code    pool.Code // why it ended
}

func newChronicle() *chronicle {
	return &chronicle{tales: map[string]*tale{}, claims: map[attempt]*claimed{}}
}

// chronicle reads the whole stream of the pool.
func (s *site) chronicle() *chronicle {
	s.t.Helper()
	c := newChronicle()
	for _, e := range s.events() {
		c.add(e)
	}
	return c
}

func (c *chronicle) broken(format string, args ...any) {
	if len(c.wrong) < 20 { // one mistake causes many messages
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

// add takes the next event. The versions of a task grow one by one. Attempts
// grow one by one, at each claim of a task that does not run. An end is
// followed by an operator's retry or by nothing.
func (c *chronicle) add(e pool.Event) {
	c.events++
	t := c.tales[e.ID]
	if t == nil {
		t = &tale{}
		c.tales[e.ID] = t
	}
	if e.Version != t.version+1 {
		c.broken("task %s: version %d (%s %s) follows version %d (%s %s)", e.ID, e.Version, e.State, e.Code, t.version, t.state, t.code)
	}
	if t.state.Terminal() {
		if e.State != pool.Waiting || e.Code != "" {
			c.broken("task %s: %s %s after the end %s", e.ID, e.State, e.Code, t.state)
		}
		t.retries++
	}
	claim := e.State == pool.Running && e.Code == ""
	switch {
	case claim:
		if t.state == pool.Running || e.Attempt != t.attempt+1 {
			c.broken("task %s: attempt %d was claimed while attempt %d was the latest and the task %s", e.ID, e.Attempt, t.attempt, t.state)
		}
		t.attempt = e.Attempt
		n := &claimed{attempt: attempt{e.ID, e.Attempt}, replica: e.Replica, at: e.At}
		c.claims[n.attempt] = n
		c.order = append(c.order, n)
	case t.state == pool.Running && e.State != pool.Running:
		if n := c.claims[attempt{e.ID, t.attempt}]; n != nil {
			n.ended, n.code = e.At, e.Code
		}
	}
	if e.State.Terminal() {
		t.ends++
	}
	t.version, t.state, t.code = e.Version, e.State, e.Code
}

// retries counts the generations that an operator began.
func (c *chronicle) retries() int {
	n := 0
	for _, t := range c.tales {
		n += t.retries
	}
	return n
}

// check reports what is wrong with the lives of tasks that must all have ended.
func (c *chronicle) check(t testing.TB, tasks int) {
	t.Helper()
	for _, w := range c.wrong {
		t.Error(w)
	}
	if len(c.tales) != tasks {
		t.Errorf("the stream has %d tasks, want %d", len(c.tales), tasks)
	}
	for id, tl := range c.tales {
		if tl.ends != tl.retries+1 {
			t.Errorf("task %s has %d ends in %d generations, it is %s", id, tl.ends, tl.retries+1, tl.state)
		}
	}
}

// endFrozen sets the end of a frozen process's handler to the end of its lease.
// From then on the handler is exempt from every limit.
func (f *fleet) endFrozen(c *chronicle, all []run) (exempt int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range all {
		n := c.claims[attempt{r.Task, r.Attempt}]
		// The stream counts in milliseconds.
		if n == nil || n.ended.IsZero() || r.to != 0 && r.to <= n.ended.Add(time.Millisecond).UnixNano() {
			continue
		}
		for _, fr := range f.freezes[r.PID] {
			ran := (fr.to.IsZero() || r.At < fr.to.UnixNano()) && (r.to == 0 || r.to > fr.from.UnixNano())
			if ran && fr.from.Before(n.ended) {
				all[i].to = n.ended.UnixNano()
				exempt++
				break
			}
		}
	}
	return exempt
}

// checkRuns compares the records of the handlers with the events. Each
// handler's attempt was claimed by the replica it ran in, and entered once.
// Never more than limit ran at once, nor more than groupLimit of a group (0 is
// none). Fences grow with the claims. checkRuns returns the handlers and the
// most that ran at once.
func (f *fleet) checkRuns(c *chronicle, limit, groupLimit int) (all []run, top int) {
	f.t.Helper()
	records := f.recorded() // without the mutex: it may end the test
	f.mu.Lock()
	all = runs(records, f.deaths)
	f.mu.Unlock()
	exempt := f.endFrozen(c, all)

	fences := map[attempt]int64{}
	groups := map[string][]run{}
	for _, r := range all {
		at := attempt{r.Task, r.Attempt}
		n := c.claims[at]
		if n == nil || n.replica != r.Replica {
			f.t.Errorf("replica %s ran attempt %d of task %s, which it had not claimed: %+v", r.Replica, r.Attempt, r.Task, n)
		}
		if fences[at] != 0 {
			f.t.Errorf("attempt %d of task %s was entered twice", r.Attempt, r.Task)
		}
		fences[at] = r.Fence
		if r.Group != "" {
			groups[r.Group] = append(groups[r.Group], r)
		}
	}
	var order fenceOrder
	for _, n := range c.order {
		fence := fences[n.attempt]
		if fence == 0 {
			continue // its replica died before the handler began
		}
		if last := order.next(n.replica, n.at, fence); fence <= last {
			f.t.Errorf("attempt %d of task %s has fence %d, after an earlier fence %d", n.number, n.task, fence, last)
		}
	}
	for _, l := range levels(all) {
		top = max(top, l.n)
	}
	if limit > 0 && top > limit {
		f.t.Errorf("%d handlers ran at once, the limit is %d", top, limit)
	}
	for g, rs := range groups {
		for _, l := range levels(rs) {
			if groupLimit > 0 && l.n > groupLimit {
				f.t.Errorf("%d handlers of group %s ran at once, its limit is %d", l.n, g, groupLimit)
				break
			}
		}
	}
	f.t.Logf("%d tasks, %d events, %d claims, %d handlers, %d at once (%d of frozen processes counted to the end of their leases)",
		len(c.tales), c.events, len(c.order), len(all), top, exempt)
	return all, top
}

// fenceOrder follows the fences of claims in the order of the stream. The tasks
// of a claim share its fence. The claims of one step may come in any order.
type fenceOrder struct {
	replica   string
	at        time.Time
	last, top int64 // the highest fence of all earlier steps, and with this step
}

// next takes the fence of the next attempt and returns the highest fence of the
// earlier steps.
func (o *fenceOrder) next(replica string, at time.Time, fence int64) (last int64) {
	if replica != o.replica || !at.Equal(o.at) {
		o.replica, o.at, o.last = replica, at, o.top
	}
	o.top = max(o.top, fence)
	return o.last
}

// merged joins intervals that touch.
func merged(all []interval) []interval {
	slices.SortFunc(all, func(a, b interval) int { return a.from.Compare(b.from) })
	var out []interval
	for _, iv := range all {
		if n := len(out); n > 0 && !iv.from.After(out[n-1].to) {
			out[n-1].to = slices.MaxFunc([]time.Time{out[n-1].to, iv.to}, time.Time.Compare)
			continue
		}
		out = append(out, iv)
	}
	return out
}

// within returns how long a course was at each level, inside a window and
// outside all excluded intervals.
func within(course []level, window interval, excluded []interval) (at map[int]time.Duration, sum time.Duration) {
	at = map[int]time.Duration{}
	from := window.from
	count := func(a, b time.Time) {
		if !a.Before(b) {
			return
		}
		lo, hi := a.UnixNano(), b.UnixNano()
		i, _ := slices.BinarySearchFunc(course, lo, func(l level, t int64) int { return cmp.Compare(l.at, t) })
		n := 0
		if i > 0 {
			n = course[i-1].n
		}
		for ; i < len(course) && course[i].at < hi; i++ {
			at[n] += time.Duration(course[i].at - lo)
			lo, n = course[i].at, course[i].n
		}
		at[n] += time.Duration(hi - lo)
		sum += b.Sub(a)
	}
	for _, x := range merged(excluded) {
		if x.from.After(window.to) {
			break
		}
		count(from, x.from)
		if x.to.After(from) {
			from = x.to
		}
	}
	count(from, window.to)
	return at, sum
}
