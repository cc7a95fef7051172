package redisstore_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

var (
	walkSteps = flag.Int("walk.steps", 300, "steps of the model walk per seed")
	walkSeed  = flag.Uint64("walk.seed", 0, "seed of the model walk; 0 takes a new one")
	full      = flag.Bool("full", false, "the rules of large volumes get all of it, as in make soak")
)

// TestStatesHoldOnARandomWalk makes random calls. After every call it compares the store with a
// model of the state machine, and every key with the model and with the rules of docs/states.md.
//
// The model has no clock. A task or lease with a time waits either for an instant that has passed
// by the next step (short) or for an hour.
func TestStatesHoldOnARandomWalk(t *testing.T) {
	randomly(t, *walkSteps, func(t *testing.T, rdb *redis.Client, steps int) {
		seed := *walkSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		defer func() {
			if t.Failed() {
				t.Logf("repeat with: go test ./redisstore -run RandomWalk -walk.seed=%d", seed)
			}
		}()
		w := newWalk(t, rdb, seed)
		for w.step = 1; w.step <= steps && !t.Failed(); w.step++ {
			w.tick()
			w.act()
			w.readFull()
			w.check()
		}
	})
}

const (
	short = time.Millisecond
	long  = time.Hour
)

// mtask is a task in the model.
type mtask struct {
	spec task.Spec
	id   string

	state             task.State
	code              task.Code
	replica           string
	attempt, fence    int64 // fence of the latest claim
	slowFence         int64 // of the attempt that became slow last
	v, failures, lost int
	generation        int
	history           int
	repeatable        task.Code // of the newest entry of its history, if one with the same code replaces it
	log               string    // that its replica has sent for the running attempt
	meta              task.Meta // of the attempt that ended the task
	checkpoint        string
	checkpointFence   int64         // of the attempt that wrote the last checkpoint; 0 for none
	checkpointN       int64         // number of that checkpoint
	tokens            []string      // of the running attempt; of a task with a job, those of its last attempts, too
	job               string        // that it has open
	marked            bool          // its run entry says that it has a token or a job
	decision          *decision     // how it ends after its clean-up
	unowned           bool          // it waits for a take-over
	handedOver        time.Duration // … after this time
	outside           bool          // the running attempt is outside
	outsideMeta       task.Meta     // … that its replica has sent
	outsideShort      bool          // … until the next step
	stop              bool
	saving            bool      // a replica saves its staged result
	delayed           bool      // its next save waits on the schedule
	staged            bool      // its result is staged
	saves             int       // that have failed
	stagedMeta        task.Meta // for its end
	full              bool      // it is blocked because too many results of its kind are staged
	unasked           bool      // the request to stop was lost with the record of its replica
	past              bool      // extras may exist
	timed             bool      // TTL and deadline apply: no operator retried the task
	reply             bool      // the next end is pushed to its reply list
	dueStep           int       // the step that scheduled it for a short time; 0 for a long time
	seq               int       // orders the tasks of a priority; 0 before it has a position
	aged              aged      // that its header says

	score  string // the score that was first read with this seq
	scored int    // the seq to which score belongs

	seenV, ends int // counted from the events
}

// owned reports whether the attempt that was handed out under the fence is open on its replica.
func (m *mtask) owned(fence int64) bool {
	return m.runs() && m.fence == fence && !m.outside && !m.unowned
}

func (m *mtask) live() bool { return !m.state.Terminal() }
func (m *mtask) late() bool { return m.timed && m.spec.TTL == short && m.attempt == 0 }

// mclaim is an open claim in the model.
type mclaim struct {
	replica, queue string
	all            []string        // ids, in the order of the answer
	open           map[string]bool // ids that still run under the claim
	short          bool            // its lease ends before the next step
	cut            bool            // its lease is cut by the bound of its attempts
	lease          time.Duration   // its length
	bounded        bool            // its attempts have a short bound
	lingers        bool            // it may be kept although no attempt is open: no report set Last
}

type walk struct {
	*site
	t     *testing.T
	ctx   context.Context
	rng   *rand.Rand
	step  int
	last  string // a description of the step
	tasks map[string]*mtask
	sent  recorder

	tokens   []string                      // all that were issued, and one that was not
	reported map[string]task.OutsideReport // the reports that ended attempts, by token

	claims    map[int64]*mclaim
	fence     int64                     // the highest so far, of all claims
	sequences map[string]*sequenceModel // by replica and number
	replicas  map[string]*mreplica      // those on the list
	joined    int                       // replicas that ever joined

	seq                      int
	limits                   map[string]int // "pool", "queue:Q", "group:G", "groups"; 0 for none set
	configured               map[string]int // the limits that replicas configured last
	paused                   map[string]bool
	began                    time.Time                // by the clock of the server
	aging                    map[string]time.Duration // by queue
	rates                    map[string]task.Rate     // by "q QUEUE", "g GROUP" and "groups"
	used                     map[string]int           // tokens; see modelrate_test.go
	replies                  map[string][]string      // states by id
	cursor                   string
	retried, enqueued, ended int
	rejected                 int
	cleanUps                 []*mtask // those that have failed in this call
	appended                 int      // changes that became events
	mark                     time.Time
}

var (
	walkQueues = []string{"p", "q", "r"}
	walkGroups = []string{"", "", "g", "h", "g.h"}
	walkKinds  = []string{"k", "l"}
)

func newWalk(t *testing.T, rdb *redis.Client, seed uint64) *walk {
	w := &walk{site: newSite(t, rdb), t: t, ctx: t.Context(), rng: rand.New(rand.NewPCG(seed, 0)), tasks: map[string]*mtask{},
		claims: map[int64]*mclaim{}, sequences: map[string]*sequenceModel{}, replicas: map[string]*mreplica{}, limits: map[string]int{},
		configured: map[string]int{}, paused: map[string]bool{}, rates: map[string]task.Rate{}, aging: map[string]time.Duration{}, used: map[string]int{}, replies: map[string][]string{}, cursor: "0", tokens: []string{task.NewToken("none")}, reported: map[string]task.OutsideReport{}}
	for _, base := range slices.Sorted(maps.Keys(walkServes)) {
		w.enlist(base)
	}
	w.began = w.now(t)
	rdb.AddHook(&w.sent)
	for range walkQueues { // later most queues are in use, and their aging does not change
		w.setAging()
	}
	return w
}

func pick[T any](w *walk, of ...T) T { return of[w.rng.IntN(len(of))] }

func (w *walk) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("step %d (%s): %s; limits %v, paused %v", w.step, w.last, fmt.Sprintf(format, args...), w.limits, w.paused)
}

func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("step %d (%s): %v", w.step, w.last, err)
	}
}

// tick waits until every short time has passed.
func (w *walk) tick() {
	for w.mark = w.now(w.t).Add(2 * short); w.now(w.t).Before(w.mark); {
		w.must(w.ctx.Err())
	}
}

func (w *walk) act() {
	w.last = ""
	switch n := w.rng.IntN(100); {
	case n < 3:
		w.enqueueOrFail()
	case n < 5:
		w.fire()
	case n < 18:
		w.enqueue(pick(w, 0, 0, short, long))
	case n < 22:
		w.push()
	case n < 25:
		w.issueToken()
	case n < 30:
		w.deliver()
	case n < 53:
		w.exchange(w.someSequence(), w.someReports(), w.someClaims())
	case n < 56:
		w.saveJobs()
	case n < 60:
		w.repeat()
	case n < 62:
		w.reorder()
	case n < 66:
		w.renew()
	case n < 70:
		w.stop()
	case n < 74:
		w.retry()
	case n < 76:
		w.remove()
	case n < 78:
		w.runNow()
	case n < 80:
		w.edit()
	case n < 82:
		w.configure()
	case n < 88:
		w.maintain()
	case n < 90:
		w.leave()
	case n < 94:
		w.answerSignals()
	case n < 97:
		w.checkpoint()
	case n < 98:
		w.stageSome()
	default:
		w.replay()
	}
}

func (w *walk) ids() []string { return slices.Sorted(maps.Keys(w.tasks)) }

// some returns the id of a task, most likely of one that exists.
func (w *walk) some() string {
	if len(w.tasks) == 0 || w.rng.IntN(20) == 0 {
		return "none"
	}
	return pick(w, w.ids()...)
}

// due reports whether the time of a scheduled task has come.
func (w *walk) due(m *mtask) bool {
	return m.state == task.Scheduled && m.dueStep > 0 && m.dueStep < w.step
}

func (w *walk) nextSeq() int {
	w.seq++
	return w.seq
}

// promote moves scheduled tasks whose time has come into their queues, in the order of the
// schedule.
func (w *walk) promote() {
	due, err := w.rdb.ZRangeArgs(w.ctx, redis.ZRangeArgs{
		Key: w.prefix + "scheduled", ByScore: true, Start: "-inf", Stop: w.now(w.t).UnixMilli(),
	}).Result()
	w.must(err)
	for _, id := range due {
		if m := w.tasks[id]; m != nil && m.delayed && m.dueStep > 0 && m.dueStep < w.step {
			m.delayed = false
		}
		if m := w.tasks[id]; m != nil && w.due(m) {
			m.v++
			w.appended++
			m.state = task.Waiting
			w.placeDue(m)
		}
	}
	for id, m := range w.tasks {
		if w.due(m) {
			w.failf("%s is due and not in the schedule, where %v are due", id, due)
		}
	}
}

func (w *walk) running(where func(*mtask) bool) int {
	n := 0
	for _, m := range w.tasks {
		if m.state == task.Running && where(m) {
			n++
		}
	}
	return n
}

// queueRoom returns how many more tasks of the queue may start under its own limit.
func (w *walk) queueRoom(queue string) int {
	if w.paused["pool"] || w.paused[queue] {
		return 0
	}
	tokens := w.tokensOf("q " + queue)
	if l := w.limits["queue:"+queue]; l > 0 {
		return min(max(l-w.inRun(queue), 0), tokens)
	}
	return tokens
}

func (w *walk) poolRoom() int {
	if l := w.limits["pool"]; l > 0 {
		return max(l-w.running(func(*mtask) bool { return true }), 0)
	}
	return 1 << 30
}

func (w *walk) room(queue string) int {
	if queue == walkLine {
		return w.queueRoom(queue) // a save is no running task
	}
	return min(w.queueRoom(queue), w.poolRoom())
}

func (w *walk) groupFull(group string) bool {
	l := w.limits["group:"+group]
	if l == 0 {
		l = w.limits["groups"]
	}
	if group != "" && w.tokensOf("g "+group) < 1 {
		return true
	}
	return group != "" && l > 0 && w.running(func(m *mtask) bool { return m.spec.Group == group }) >= l
}

// waiting returns the tasks that wait in a queue, best first.
func (w *walk) waiting(queue string) []*mtask {
	var all []*mtask
	for _, m := range w.tasks {
		if m.state == task.Waiting && m.spec.Queue == queue || m.toSave() && queue == walkLine {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *mtask) int {
		return int(w.position(a) - w.position(b))
	})
	return all
}

// claimable returns a task of the queue that a claim can hand out now; nil if there is none.
func (w *walk) claimable(queue string) *mtask {
	if waiting := w.unowned(queue); len(waiting) > 0 {
		return waiting[0]
	}
	if w.room(queue) <= 0 {
		return nil
	}
	return w.candidate(queue)
}

// candidate returns a waiting task of the queue that the limits of its group do not block; nil if
// there is none.
func (w *walk) candidate(queue string) *mtask {
	for _, m := range w.waiting(queue) {
		if m.toSave() || !w.groupFull(m.spec.Group) && !m.late() && !w.blockedByKind(m) {
			return m
		}
	}
	return nil
}
