package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// shardWalk makes random calls in a pool of parents.
type shardWalk struct {
	*wreck
	rng    *rand.Rand
	step   int
	last   string
	open   []*task.Task    // attempts of replica "r"
	live   map[string]bool // by parent, as the events say
	cursor string
	made   map[string]int // tasks that follow, by id

	members map[string]bool // replicas besides "r", and whether they drain
}

// TestParentsHoldOnARandomWalk makes random calls. After each call it compares what is stored
// about parents with their children.
func TestParentsHoldOnARandomWalk(t *testing.T) {
	randomly(t, *walkSteps, func(t *testing.T, rdb *redis.Client, steps int) {
		seed := *walkSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		w := &shardWalk{wreck: &wreck{site: newSite(t, rdb), t: t}, rng: rand.New(rand.NewPCG(seed, 2)),
			live: map[string]bool{}, cursor: "0", made: map[string]int{}, members: map[string]bool{}}
		w.joinAgain()
		for w.step = 1; w.step <= steps && !t.Failed(); w.step++ {
			w.act()
			w.check()
		}
		if !t.Failed() {
			w.checkEnd()
		}
		if t.Failed() {
			t.Logf("step %d (%s); repeat with: go test ./redisstore -run ParentsHold -walk.seed=%d", w.step, w.last, seed)
		}
	})
}

func (w *shardWalk) parentID() string { return fmt.Sprint("p", w.rng.IntN(3)) }

// taskID is the id of a parent, or of one of its children.
func (w *shardWalk) taskID() string {
	id := w.parentID()
	if w.rng.IntN(2) == 0 {
		id += "/" + strconv.Itoa(w.rng.IntN(6))
	}
	return id
}

func (w *shardWalk) act() {
	ctx := w.t.Context()
	id := w.taskID()
	switch n := w.rng.IntN(112); {
	case n >= 106:
		w.broadcast()
	case n >= 100:
		w.changeMembers()
	case n < 12:
		s := task.Spec{ID: w.parentID(), Kind: "k", Shards: 1 + w.rng.IntN(6), FailFast: w.rng.IntN(2) == 0, MaxAttempts: 1 + w.rng.IntN(2)}
		if w.rng.IntN(3) == 0 {
			s.Then = &task.Spec{Kind: "next", Queue: "q", ID: fmt.Sprint("then-", w.step)}
		}
		if w.rng.IntN(3) == 0 {
			s.Deadline = 20 * time.Millisecond
		}
		if w.rng.IntN(2) == 0 {
			s.Retain = new(task.Forever)
		}
		w.last = fmt.Sprintf("enqueue %+v", s)
		_, err := w.store.Enqueue(ctx, []task.Spec{s})
		w.must(err)
	case n < 15:
		w.last = "enqueue the plain task " + id
		_, err := w.store.Enqueue(ctx, []task.Spec{{ID: id, Kind: "k"}})
		w.must(err)
	case n < 35:
		w.last = "spread"
		_, err := w.store.Spread(ctx)
		w.must(err)
	case n < 55:
		takers := w.takers()
		replica := takers[w.rng.IntN(len(takers))]
		w.last = "claim for " + replica
		for _, c := range w.exchangeAs(replica, []task.Claim{{Queue: "default", N: 1 + w.rng.IntN(3)}}) {
			w.started(c)
			w.wantMember(c, replica)
			w.open = append(w.open, c)
		}
	case n < 80:
		w.last = "report"
		w.reportSome()
	case n < 85:
		w.last = "stop " + id
		_, err := w.store.Stop(ctx, "why", id)
		w.must(err)
	case n < 92:
		e := task.Edit{AllShards: w.rng.IntN(4) == 0}
		if w.rng.IntN(3) == 0 {
			e.Payload = []byte([]string{"1", "2", "long"}[w.rng.IntN(3)])
		}
		w.last = fmt.Sprintf("retry %s with %q, all: %v", id, e.Payload, e.AllShards)
		_, err := w.store.Retry(ctx, e, id)
		w.must(err)
	case n < 95:
		w.last = "delete " + id
		_, err := w.store.Delete(ctx, id)
		w.must(err)
	default:
		w.last = "maintain"
		_, err := w.store.Maintain(ctx, "keeper")
		w.must(err)
	}
}

// started checks that the parent of a pending child that starts is running.
func (w *shardWalk) started(c *task.Task) {
	if c.Shard.Total == 0 || !w.rdb.SIsMember(w.t.Context(), w.prefix+"pending:"+c.Shard.Parent, strconv.Itoa(c.Shard.Index)).Val() {
		return
	}
	if record := w.rdb.Get(w.t.Context(), w.prefix+"task:"+c.Shard.Parent).Val(); !strings.HasPrefix(record, "r") {
		w.t.Errorf("%s has started, and its parent is %.2q", c.ID, record)
	}
}

func (w *shardWalk) reportSome() {
	var reports []task.Report
	n := min(1+w.rng.IntN(3), len(w.open))
	for i, c := range w.open[:n] {
		if c.Replica != w.open[0].Replica {
			n = i
			break
		}
		r := reportOn(c, task.Succeed)
		if w.rng.IntN(3) == 0 {
			r = reportOn(c, task.Fail)
			r.DelaySet, r.Code, r.InPlace = true, task.CodeError, false
		} else if w.rng.IntN(2) == 0 {
			r.Result = []byte(`"result"`)
		}
		reports = append(reports, r)
	}
	if n > 0 {
		w.exchangeAs(w.open[0].Replica, nil, reports...)
	}
	w.open = w.open[n:]
}

func (w *shardWalk) check() {
	w.checkEvents()
	k := keys{}
	for name, v := range w.dump(w.t) {
		k[strings.TrimPrefix(name, w.prefix)] = v
	}
	for id, pending := range k.all("pending:") {
		for index := range pending {
			record := k["task:"+id+"/"+index]["0"]
			if record == "" || !strings.Contains("spwe", record[:1]) || !strings.Contains(record, " shard=") {
				w.t.Errorf("%s/%s is pending: %.40q", id, index, record)
			}
		}
		_, spreads := k["spreading"][id]
		if record := k["task:"+id]["0"]; !strings.HasPrefix(record, "r") && !spreads && len(pending) > 0 {
			w.t.Errorf("%s has ended, and nothing stops its children %v", id, pending)
		}
	}
	for id, record := range k.all("task:") {
		_, listed := k["parents"][id]
		if running := record["0"][0] == 'r'; running != listed {
			w.t.Errorf("%s is listed: %v, and its record is %.40q", id, listed, record["0"])
		} else if running {
			w.checkParent(k, id)
		}
	}
	w.checkMembers(k)
	for id := range k.all("results:") {
		if record := k["task:"+id]["0"]; !strings.HasPrefix(record, "r") {
			w.t.Errorf("%s does not run and has collected results", id)
		}
	}
	s, err := w.store.Stats(w.t.Context())
	w.must(err)
	ended := int64(0)
	for _, n := range s.Ended {
		ended += n
	}
	if s.Enqueued+s.Retried != int64(s.Scheduled+s.Waiting+s.Running)+ended {
		w.t.Errorf("%d enqueued, %d retried, %d live, %d ended", s.Enqueued, s.Retried, s.Scheduled+s.Waiting+s.Running, ended)
	}
	w.findsNothing()
}

// checkParent checks the counts of a running parent, and that it has a reason to run.
func (w *shardWalk) checkParent(k keys, id string) {
	h := k["more:"+id]
	number := func(field string) int {
		n, _ := strconv.Atoi(h[field])
		return n
	}
	got, err := w.store.Get(w.t.Context(), id)
	w.must(err)
	total, next := got[0].Shards, number("shards_next")
	sum := len(k["pending:"+id])
	for field, letter := range map[string]string{"succeeded": "S", "failed": "F", "stopped": "X", "expired": "E"} {
		n := number("shards_" + field)
		if letters := strings.Count(h["shards_done:0"], letter); n != letters {
			w.t.Errorf("%s has %d %s shards, and %d letters", id, n, field, letters)
		}
		sum += n
	}
	_, spreads := k["spreading"][id]
	switch {
	case next < total && !spreads:
		w.t.Errorf("the cursor of %s is at %d of %d, and nothing moves it", id, next, total)
	case next == total && (sum != total || len(k["pending:"+id]) == 0):
		w.t.Errorf("%s has %d of %d shards, %d of them pending", id, sum, total, len(k["pending:"+id]))
	case got[0].FailFast && number("shards_failed")+number("shards_stopped")+number("shards_expired") > 0:
		w.t.Errorf("%s runs after a shard has failed", id)
	}
}

// checkEvents checks that each generation of a parent ends once, and that what follows is made
// once.
func (w *shardWalk) checkEvents() {
	events, err := w.store.ReadEvents(w.t.Context(), w.cursor, 1000, 0)
	w.must(err)
	for _, e := range events {
		w.cursor = e.Cursor
		if strings.HasPrefix(e.ID, "then-") && e.Version == 1 {
			if w.made[e.ID]++; w.made[e.ID] > 1 {
				w.t.Errorf("%s was made twice", e.ID)
			}
		}
		if strings.Contains(e.ID, "/") || !strings.HasPrefix(e.ID, "p") {
			continue
		}
		if e.State.Terminal() && !w.live[e.ID] {
			w.t.Errorf("second end of one generation: %+v", e)
		}
		w.live[e.ID] = !e.State.Terminal()
	}
}
