package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

var (
	walkSteps = flag.Int("walk.steps", 300, "steps of the model walk per seed")
	walkSeed  = flag.Uint64("walk.seed", 0, "seed of the model walk; 0 takes a new one")
)

// TestStatesHoldOnARandomWalk makes random calls and compares the store after
// every one with a model of the state machine, and its indexes with the rules of
// docs/states.md.
//
// The model knows no clock: what waits for a time waits either for an instant
// that has passed by the next step (short) or for an hour.
func TestStatesHoldOnARandomWalk(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		seed := *walkSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		defer func() {
			if t.Failed() {
				t.Logf("again with: go test ./redisstore -run RandomWalk -walk.seed=%d", seed)
			}
		}()
		w := newWalk(t, rdb, seed)
		for w.step = 1; w.step <= *walkSteps && !t.Failed(); w.step++ {
			w.tick()
			w.act()
			w.check()
		}
	})
}

const (
	short = time.Millisecond
	long  = time.Hour
)

// mtask is a task as the model sees it.
type mtask struct {
	id, queue, group, unique string
	priority                 int
	keep                     bool // stays after its end

	state              worker.State
	code               worker.Code
	replica            string
	attempt, fence     int64
	slowFence          int64 // of the attempt that got slow last
	lostFence          int64 // of the attempt whose lease ended last
	v, failures, lost  int
	generation         int
	maxAttempts        int
	stop               bool
	score              float64 // place in line; 0 before it has one
	shortDue, shortTTL bool
	shortLease         bool

	seenV, ends int // from the events
}

func (m *mtask) live() bool { return !m.state.Terminal() }
func (m *mtask) late() bool { return m.shortTTL && m.attempt == 0 }

type walk struct {
	*site
	t     *testing.T
	ctx   context.Context
	rng   *rand.Rand
	step  int
	last  string // what the step did
	tasks map[string]*mtask
	calls map[string]int64
	sent  recorder

	seq                      float64
	fence                    int64          // the highest so far, over all tasks
	limits                   map[string]int // "pool", "queue:Q", "group:G", "groups"
	paused                   map[string]bool
	silent                   map[string]bool // replicas whose last renewal was a short one
	cursor                   string
	retried, enqueued, ended int
	mark                     time.Time
}

var (
	walkQueues   = []string{"p", "q", "r"}
	walkGroups   = []string{"", "", "g", "h", "g.h"}
	walkReplicas = []string{"a", "b", "c"}
)

func newWalk(t *testing.T, rdb *redis.Client, seed uint64) *walk {
	w := &walk{site: newSite(t, rdb), t: t, ctx: t.Context(), rng: rand.New(rand.NewPCG(seed, 0)), tasks: map[string]*mtask{},
		calls: map[string]int64{}, limits: map[string]int{}, paused: map[string]bool{}, silent: map[string]bool{}, cursor: "0"}
	w.join(t, walkReplicas...)
	rdb.AddHook(&w.sent)
	return w
}

func pick[T any](w *walk, of ...T) T { return of[w.rng.IntN(len(of))] }

func (w *walk) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("step %d (%s): %s", w.step, w.last, fmt.Sprintf(format, args...))
}

func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("step %d (%s): %v", w.step, w.last, err)
	}
}

// tick waits until everything short is due.
func (w *walk) tick() {
	for w.mark = w.now(w.t).Add(2 * short); w.now(w.t).Before(w.mark); {
		w.must(w.ctx.Err())
	}
}

func (w *walk) act() {
	switch n := w.rng.IntN(100); {
	case n < 22:
		w.enqueue(pick(w, 0, 0, short, long))
	case n < 42:
		w.claim(nil, pick(w, walkQueues...))
	case n < 62:
		w.report(w.rng.IntN(2) == 0)
	case n < 67:
		w.renew()
	case n < 72:
		w.stop()
	case n < 77:
		w.retry()
	case n < 80:
		w.remove()
	case n < 86:
		w.configure()
	case n < 92:
		w.maintain()
	case n < 95:
		w.listen()
	default:
		w.replay()
	}
}

func (w *walk) ids() []string { return slices.Sorted(maps.Keys(w.tasks)) }

// some is the id of a task, most likely one that exists.
func (w *walk) some() string {
	if len(w.tasks) == 0 || w.rng.IntN(20) == 0 {
		return "none"
	}
	return pick(w, w.ids()...)
}

func (w *walk) enqueue(delay time.Duration) {
	specs := make([]worker.Spec, 1+w.rng.IntN(4))
	for i := range specs {
		s := worker.Spec{ID: fmt.Sprintf("%d-%d-%d", 9-w.step%10, w.step, i), Kind: "k", Backoff: walkBackoff, Queue: pick(w, walkQueues...), Group: pick(w, walkGroups...),
			Priority: pick[int8](w, 0, 0, 0, 1, -1, 127, -128), Delay: delay, MaxAttempts: 1 + w.rng.IntN(3)}
		if w.rng.IntN(4) == 0 {
			s.Unique = pick(w, "u", "v")
		}
		if w.rng.IntN(10) == 0 {
			s.ID = w.some()
		}
		s.TTL = pick[time.Duration](w, 0, 0, 0, 0, long, short)
		if delay == long && s.TTL == short && w.last == "calm" {
			s.TTL = 0
		}
		retain := pick(w, 0, worker.Forever)
		s.Retain = &retain
		specs[i] = s
	}
	w.last = fmt.Sprintf("enqueue %d after %v", len(specs), delay)
	receipts, err := w.store.Enqueue(w.ctx, specs)
	w.must(err)
	for i, s := range specs {
		w.seq++
		want := worker.Receipt{ID: s.ID, State: worker.Waiting}
		if delay > 0 {
			want.State = worker.Scheduled
		}
		if m := w.tasks[s.ID]; m != nil {
			want = worker.Receipt{ID: m.id, State: m.state, Duplicate: true}
		} else if m := w.holder(s.Unique); m != nil {
			want = worker.Receipt{ID: m.id, State: m.state, Duplicate: true}
		} else {
			m := &mtask{id: s.ID, queue: s.Queue, group: s.Group, unique: s.Unique, priority: int(s.Priority), keep: *s.Retain > 0, state: want.State,
				v: 1, maxAttempts: s.MaxAttempts, shortDue: delay == short, shortTTL: s.TTL == short}
			if delay == 0 {
				m.score = w.place(m.priority, w.seq)
			}
			w.tasks[m.id] = m
			w.enqueued++
		}
		if d := cmp.Diff(want, receipts[i]); d != "" {
			w.failf("receipt %d (-want +got):\n%s", i, d)
		}
	}
}

func (w *walk) place(priority int, seq float64) float64 { return float64(127-priority)*(1<<45) + seq }

func (w *walk) holder(unique string) *mtask {
	for _, m := range w.tasks {
		if unique != "" && m.unique == unique && m.live() {
			return m
		}
	}
	return nil
}

// walkBackoff is longer than any walk: what waits for it is not seen again.
var walkBackoff = worker.Backoff{Fixed: true, Base: time.Hour}

// rest puts a task back that has left running or the schedule's past.
func (m *mtask) rest(delay time.Duration, code worker.Code) {
	m.v++
	m.code, m.state, m.shortDue = code, worker.Waiting, delay == short
	if delay > 0 {
		m.state = worker.Scheduled
	}
}

func (w *walk) end(m *mtask, state worker.State, code worker.Code) {
	m.v++
	m.state, m.code = state, code
	w.ended++
	if !m.keep {
		delete(w.tasks, m.id)
	}
}

// promote moves what is due into line, in the order of the schedule.
func (w *walk) promote() {
	due, err := w.rdb.ZRangeArgs(w.ctx, redis.ZRangeArgs{
		Key: w.prefix + "scheduled", ByScore: true, Start: "-inf", Stop: w.now(w.t).UnixMilli(),
	}).Result()
	w.must(err)
	var want []string
	for _, m := range w.tasks {
		if m.state == worker.Scheduled && m.shortDue {
			want = append(want, m.id)
		}
	}
	if got := slices.Sorted(slices.Values(due)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		w.failf("due are %v, want %v", got, want)
	}
	for _, id := range due {
		m := w.tasks[id]
		if m == nil {
			continue
		}
		w.seq++
		m.v++
		m.state = worker.Waiting
		if m.score == 0 {
			m.score = w.place(m.priority, w.seq)
		}
	}
}

func (w *walk) running(where func(*mtask) bool) int {
	n := 0
	for _, m := range w.tasks {
		if m.state == worker.Running && where(m) {
			n++
		}
	}
	return n
}

func (w *walk) room(queue string) int {
	if w.paused["pool"] || w.paused[queue] {
		return 0
	}
	free := 1 << 30
	if l := w.limits["queue:"+queue]; l > 0 {
		free = l - w.running(func(m *mtask) bool { return m.queue == queue })
	}
	if l := w.limits["pool"]; l > 0 {
		free = min(free, l-w.running(func(*mtask) bool { return true }))
	}
	return max(free, 0)
}

func (w *walk) groupFull(group string) bool {
	l := w.limits["group:"+group]
	if l == 0 {
		l = w.limits["groups"]
	}
	return group != "" && l > 0 && w.running(func(m *mtask) bool { return m.group == group }) >= l
}

// line is what waits in a queue, best first.
func (w *walk) line(queue string) []*mtask {
	var line []*mtask
	for _, m := range w.tasks {
		if m.state == worker.Waiting && m.queue == queue {
			line = append(line, m)
		}
	}
	slices.SortFunc(line, func(a, b *mtask) int {
		if a.score < b.score {
			return -1
		}
		return 1
	})
	return line
}

// claim makes one exchange; the model has taken in the reports already. It
// returns how many tasks it got.
func (w *walk) claim(reports []worker.Report, queue string) int {
	leased := pick(w, short, long, long)
	c := worker.Claim{Replica: pick(w, walkReplicas...), Queue: queue, N: w.rng.IntN(4), Lease: leased, Grace: time.Second}
	w.last += fmt.Sprintf(" claim %d of %s for %s, lease %v", c.N, c.Queue, c.Replica, leased)
	w.calls[c.Replica+c.Queue]++
	c.Call = w.calls[c.Replica+c.Queue]

	w.promote()
	var want []string
	var starts []*mtask
	room := min(c.N, w.room(queue))
	for _, m := range w.line(queue) {
		if len(starts) == room {
			break
		}
		if m.late() || w.groupFull(m.group) {
			continue
		}
		m.attempt++
		m.v++
		m.state, m.replica, m.shortLease = worker.Running, c.Replica, leased == short
		starts, want = append(starts, m), append(want, m.id)
	}
	_, claimed, err := w.store.Exchange(w.ctx, reports, []worker.Claim{c})
	w.must(err)
	var got []string
	for _, t := range claimed[0].Tasks {
		got = append(got, t.ID)
		if t.Fence <= w.fence {
			w.failf("%s has fence %d, and %d was given out before", t.ID, t.Fence, w.fence)
		}
		w.fence = t.Fence
		if m := w.tasks[t.ID]; m != nil {
			if t.Attempt != m.attempt {
				w.failf("%s is at attempt %d, want %d", t.ID, t.Attempt, m.attempt)
			}
			m.fence = t.Fence
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		w.failf("claimed (-want +got):\n%s", d)
	}
	// Those that are too late may be ended by whoever comes across them.
	for _, m := range w.line(queue) {
		if m.late() {
			state, err := w.rdb.HGet(w.ctx, w.prefix+"task:"+m.id, "state").Result()
			if err == redis.Nil || state == string(worker.Expired) {
				w.end(m, worker.Expired, worker.CodeExpired)
			}
		}
	}
	return len(got)
}

// report reports on some task, mostly on a running one with its fence, and may
// claim in the same exchange.
func (w *walk) report(alone bool) {
	var reports []worker.Report
	var want []worker.Verdict
	ids := w.ids()
	w.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	op := worker.Op(w.rng.IntN(3)) // of one kind: kinds are reordered in a batch
	some := ids[:min(len(ids), 12)]
	if !slices.Contains(some, "none") {
		some = append(some, "none")
	}
	for _, id := range some {
		m := w.tasks[id]
		if m != nil && m.state != worker.Running && w.rng.IntN(6) > 0 || w.rng.IntN(3) == 0 {
			continue
		}
		r := worker.Report{ID: id, Fence: 1, Op: op, Code: worker.CodeOK}
		if m != nil {
			r.Fence = m.fence
			if w.rng.IntN(6) == 0 {
				r.Fence += pick(w, -1, int64(1))
			}
		}
		switch op {
		case worker.Fail:
			r.Code = pick(w, worker.CodeError, worker.CodeError, worker.CodePermanent)
			r.Delay, r.DelaySet, r.Error = pick(w, 0, short, long), true, "broke"
		case worker.Release:
			r.Code, r.Delay = worker.CodeReleased, pick(w, 0, short, long)
		}
		if !alone && r.Delay == short {
			r.Delay = 0 // a claim in the same exchange may or may not find it due
		}
		reports = append(reports, r)
		want = append(want, w.verdict(m, &r))
	}
	w.last = fmt.Sprintf("report %d by op %d", len(reports), op)
	if !alone {
		w.claim(reports, pick(w, walkQueues...))
		return
	}
	got, _, err := w.store.Exchange(w.ctx, reports, nil)
	w.must(err)
	if d := cmp.Diff(want, got, cmp.Transformer("len", func(v []worker.Verdict) string { return fmt.Sprint(v) })); d != "" {
		w.failf("verdicts on %+v (-want +got):\n%s", reports, d)
	}
}

// verdict takes a report into the model.
func (w *walk) verdict(m *mtask, r *worker.Report) worker.Verdict {
	switch {
	case m == nil:
		return worker.Gone
	case m.fence != r.Fence || m.attempt == 0: // nobody can hold a task that was never claimed
		return worker.LeaseLost
	case m.state != worker.Running && m.lostFence == m.fence:
		return worker.LeaseLost
	case m.state != worker.Running:
		return worker.Already
	}
	switch {
	case r.Op == worker.Succeed:
		w.end(m, worker.Succeeded, worker.CodeOK)
	case m.stop:
		w.end(m, worker.Stopped, worker.CodeStopped)
	case r.Op == worker.Release:
		m.rest(r.Delay, r.Code)
	case r.Code == worker.CodePermanent:
		m.failures++
		w.end(m, worker.Failed, r.Code)
	default:
		if m.failures++; m.failures >= m.maxAttempts {
			w.end(m, worker.Failed, r.Code)
		} else {
			m.rest(r.Delay, r.Code)
		}
	}
	return worker.Accepted
}

func (w *walk) renew() {
	r := worker.Renewal{Replica: pick(w, walkReplicas...), Lease: pick(w, short, long), Grace: time.Second}
	var want []worker.Verdict
	for _, id := range append(w.ids(), "none") {
		m := w.tasks[id]
		if m != nil && (m.state != worker.Running || m.replica != r.Replica) && w.rng.IntN(8) > 0 {
			continue
		}
		h := worker.Held{ID: id, Fence: 1, Progress: []byte("some")}
		verdict := worker.Gone
		if m != nil {
			h.Fence = m.fence + pick(w, 0, 0, 0, int64(-1))
			h.Slow = w.rng.IntN(4) == 0
			switch {
			case m.fence != h.Fence || m.state != worker.Running:
				verdict = worker.LeaseLost
			default:
				verdict = worker.Kept
				if m.stop {
					verdict = worker.StopRequested
				}
				m.shortLease = r.Lease == short
				if h.Slow && m.slowFence != m.fence {
					m.slowFence = m.fence
					m.v++
				}
			}
		}
		r.Held, want = append(r.Held, h), append(want, verdict)
	}
	w.last = fmt.Sprintf("renew %d of %s for %v", len(r.Held), r.Replica, r.Lease)
	w.silent[r.Replica] = r.Lease == short
	got, err := w.store.Renew(w.ctx, r)
	w.must(err)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		w.failf("verdicts (-want +got):\n%s", d)
	}
}

func (w *walk) changed(m *mtask, id string, got []worker.Change, err error, done bool, state worker.State, why error) {
	w.t.Helper()
	w.must(err)
	if c := got[0]; c.ID != id || c.Done != done || c.State != state || c.Err != why {
		w.failf("%+v answers %+v, want done %v, %q, %v", m, c, done, state, why)
	}
}

func (w *walk) stop() {
	id := w.some()
	w.last = "stop " + id
	m, done, state := w.tasks[id], false, worker.State("")
	if m != nil {
		state, done = m.state, m.live()
		switch {
		case m.state == worker.Running:
			m.stop = true
		case done:
			state = worker.Stopped
			w.end(m, state, worker.CodeStopped)
		}
	}
	cs, err := w.store.Stop(w.ctx, "why", id)
	w.changed(m, id, cs, err, done, state, nil)
}

func (w *walk) retry() {
	id := w.some()
	w.last = "retry " + id
	m, done, state, why := w.tasks[id], false, worker.State(""), error(nil)
	if m != nil {
		state = m.state
		switch {
		case m.live():
		case w.holder(m.unique) != nil:
			why = worker.ErrUniqueTaken
		default:
			w.seq++
			w.retried++
			m.v++
			m.generation++
			m.score = w.place(m.priority, w.seq)
			m.state, m.code, m.failures, m.lost, m.stop, m.shortTTL, m.ends = worker.Waiting, "", 0, 0, false, false, 0
			state, done = worker.Waiting, true
		}
	}
	cs, err := w.store.Retry(w.ctx, id)
	w.changed(m, id, cs, err, done, state, why)
}

func (w *walk) remove() {
	id := w.some()
	w.last = "delete " + id
	m, done, state := w.tasks[id], false, worker.State("")
	if m != nil {
		state = m.state
		if done = !m.live(); done {
			state = ""
			delete(w.tasks, id)
		}
	}
	cs, err := w.store.Delete(w.ctx, id)
	w.changed(m, id, cs, err, done, state, nil)
}

func (w *walk) configure() {
	var s worker.Setting
	n, on := pick(w, 0, 1, 2, 4), w.rng.IntN(3) == 0
	q, g := pick(w, walkQueues...), pick(w, "g", "h", "g.h")
	switch w.rng.IntN(6) {
	case 0:
		s = worker.Setting{Scope: worker.PoolScope, Limit: &n}
		w.limits["pool"] = n
	case 1:
		s = worker.Setting{Scope: worker.QueueScope, Name: q, Limit: &n}
		w.limits["queue:"+q] = n
	case 2:
		s = worker.Setting{Scope: worker.GroupScope, Name: g, Limit: &n}
		w.limits["group:"+g] = n
	case 3:
		s = worker.Setting{Scope: worker.GroupsScope, Limit: &n}
		w.limits["groups"] = n
	case 4:
		s = worker.Setting{Scope: worker.QueueScope, Name: q, Pause: &on}
		w.paused[q] = on
	default:
		s = worker.Setting{Scope: worker.PoolScope, Pause: &on}
		w.paused["pool"] = on
	}
	w.last = fmt.Sprintf("configure %s %s limit %d pause %v", s.Scope, s.Name, n, on)
	w.must(w.store.Configure(w.ctx, s))
}

func (w *walk) maintain() {
	w.last = "maintain"
	lost := 0
	for _, id := range w.ids() {
		if m := w.tasks[id]; m.state == worker.Running && m.shortLease {
			m.lostFence = m.fence
			switch {
			case m.stop:
				w.end(m, worker.Stopped, worker.CodeStopped)
			case m.lost == worker.DefaultMaxLost:
				m.lost++
				lost++
				w.end(m, worker.Failed, worker.CodeLost)
			default:
				m.lost++
				lost++
				// From the second loss on it waits for its backoff.
				m.rest(map[bool]time.Duration{true: walkBackoff.Base}[m.lost > 1], worker.CodeLost)
			}
		}
	}
	w.promote()
	for _, id := range w.ids() {
		if m := w.tasks[id]; (m.state == worker.Waiting || m.state == worker.Scheduled) && m.late() {
			w.end(m, worker.Expired, worker.CodeExpired)
		}
	}
	u, err := w.store.Maintain(w.ctx, "keeper")
	w.must(err)
	if u.Busy || u.Lost != lost {
		w.failf("upkeep %+v, want %d lost", u, lost)
	}
	for _, r := range walkReplicas {
		if !w.silent[r] {
			continue
		}
		_, _, err := w.store.Exchange(w.ctx, nil, []worker.Claim{{Replica: r, Queue: "p", N: 9, Lease: long, Call: w.calls[r+"p"] + 1}})
		if !errors.Is(err, worker.ErrNotJoined) {
			w.failf("claim of %s, which fell silent: %v", r, err)
		}
		w.join(w.t, r)
		w.silent[r] = false
	}
}

// listen takes a marker, as an idle replica does, and claims or passes it on.
func (w *walk) listen() {
	q := pick(w, walkQueues...)
	w.last = "take the marker of " + q
	w.rdb.LPop(w.ctx, w.prefix+"wake:"+q)
	if w.rng.IntN(3) == 0 {
		w.must(w.store.Wake(w.ctx, q))
		return
	}
	// A replica with a free slot asks until the answer is short.
	if w.claim(nil, q); true {
		w.must(w.store.Wake(w.ctx, q))
	}
}

// replay repeats calls as a driver does whose reply was lost, and looks for a
// second effect.
func (w *walk) replay() {
	w.maintain()
	w.last = "calm"
	w.sent.calls = nil
	switch w.rng.IntN(3) {
	case 0:
		w.enqueue(pick(w, 0, long))
	case 1:
		if w.claim(nil, pick(w, walkQueues...)) == 0 {
			return // asking again is a new question
		}
	default:
		w.report(true)
		for _, m := range w.tasks {
			if m.state == worker.Scheduled && m.shortDue {
				return // a repeated report could not be told from the passing of time
			}
		}
	}
	w.last += ", again"
	calls := slices.Clone(w.sent.calls)
	before := w.state()
	for _, args := range calls {
		w.must(w.rdb.Do(w.ctx, args...).Err())
	}
	if d := cmp.Diff(before, w.state()); d != "" {
		w.failf("the repeated call changed (-before +after):\n%s", d)
	}
}

// state is everything but markers and heartbeats.
func (w *walk) state() map[string]map[string]string {
	all := w.dump(w.t)
	maps.DeleteFunc(all, func(k string, _ map[string]string) bool {
		return strings.HasPrefix(k, w.prefix+"wake:") || k == w.prefix+"lock:maintenance"
	})
	all["events"] = map[string]string{"length": fmt.Sprint(w.rdb.XLen(w.ctx, w.prefix+"events").Val())}
	return all
}

// recorder keeps the script calls that are sent.
type recorder struct{ calls [][]any }

func (r *recorder) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.HasPrefix(cmd.Name(), "eval") {
			r.calls = append(r.calls, slices.Clone(cmd.Args()))
		}
		return next(ctx, cmd)
	}
}

func (r *recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if strings.HasPrefix(cmd.Name(), "eval") {
				r.calls = append(r.calls, slices.Clone(cmd.Args()))
			}
		}
		return next(ctx, cmds)
	}
}
