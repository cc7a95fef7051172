package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// size is the number of tasks and groups of a pool.
type size struct{ waiting, scheduled, running, groups int }

// full is the size up to which calls must not become slower.
var full = size{waiting: 1_000_000, scheduled: 100_000, running: 10_000, groups: 10_000}

func (z size) part(n int) size {
	return size{z.waiting / n, z.scheduled / n, z.running / n, z.groups / n}
}

// blockMost is how long one call may block Redis for other clients. On a busy
// machine other programs take the processor from Redis in the middle of a call
// and slow Redis down. So the processor time counts, relative to the yardstick
// at that moment. The slowest of the best quarter of the repeats is judged.
const blockMost, judged = 10 * time.Millisecond, 25

// flatFactor is how much more a call may cost in a pool that is a hundred times
// as full, because its data is no longer in the processor's caches.
const flatFactor = 4

// scaled is a full pool, seen by a replica with very many slots.
type scaled struct {
	*site
	st   *redisstore.Store
	c    *pool.Pool
	call int64
	held []*task.Task
	n    int
}

const scaledReplica, scaledLease = "big", time.Hour

// A full pool is as fast as an almost empty one. The cost of each call for
// Redis does not grow with the waiting, scheduled, running or blocked tasks. No
// call blocks Redis for more than ten milliseconds. make soak uses the full
// sizes, which need a gigabyte; without it they are a twentieth.
func TestScaleCallsStayFlat(t *testing.T) {
	small := measureAt(t, full.part(volume(2000, 100)))
	large := measureAt(t, full.part(volume(20, 1)))
	for _, f := range small {
		at := slices.IndexFunc(large, func(g figure) bool { return g.what == f.what })
		g := large[at]
		t.Logf("%-34s Redis busy: small p50 %8v   large p50 %8v max %8v   round trip large p50 %8v",
			f.what, f.busy(50), g.busy(50), g.busy(100), percentile(g.took, 50).Round(10*time.Microsecond))
		if g.busy(judged) > blockMost {
			t.Errorf("%s blocks Redis for %v, the bound is %v", f.what, g.busy(judged), blockMost)
		}
		if !g.once && g.busy(judged) > flatFactor*f.busy(judged)+2*time.Millisecond {
			t.Errorf("%s blocks Redis for %v in a small pool and for %v in a full one", f.what, f.busy(judged), g.busy(judged))
		}
	}
}

// figure is the cost of one kind of call, per repeat.
type figure struct {
	what  string
	redis []time.Duration // the longest command of the repeat, as measured by Redis
	took  []time.Duration // the whole repeat
	// once is set for a call that has little to do in a small pool. Only
	// blockMost applies to it.
	once bool
}

func (f figure) busy(p int) time.Duration { return percentile(f.redis, p) }

// measureAt fills a pool and measures everything in it.
func measureAt(t *testing.T, z size) []figure {
	s := &scaled{site: siteOn(t, redisserver.Start(t, redisserver.Config("slowlog-log-slower-than", "0"), redisserver.Config("slowlog-max-len", "4096")))}
	s.st, s.c = s.store(), s.client()
	begin := time.Now()
	s.fill(z)
	used, err := s.rdb.InfoMap(t.Context(), "memory").Result()
	s.must(err)
	t.Logf("%+v took %v and %s", z, time.Since(begin).Round(time.Millisecond), used["Memory"]["used_memory_human"])
	ctx := context.Background()
	var all []figure
	repeat := func(what string, n int, prepare, do func()) {
		f := figure{what: what}
		for range n {
			if prepare != nil {
				prepare()
			}
			slow := s.slowness()
			s.must(s.rdb.SlowLogReset(ctx).Err())
			cpu, begin := s.processorTime(), time.Now()
			do()
			f.took = append(f.took, time.Since(begin))
			longest := s.longest(s.processorTime() - cpu)
			slow = max(slow, s.slowness()) // other load changes during the repeat
			f.redis = append(f.redis, time.Duration(float64(longest)/slow))
		}
		all = append(all, f)
	}
	times := volume(5, 11)
	claim := func(n int) { s.held = append(s.held, s.claim(n)...) }
	more := func(n int) func() {
		return func() { s.enqueue(n, pool.Spec{Kind: "step"}) }
	}
	ready := func(n int) func() {
		return func() {
			for more(n)(); len(s.held) < n; {
				claim(200)
			}
		}
	}
	report := func(n int, op task.Op) func() {
		return func() { s.report(n, op) }
	}
	repeat("claim 1", times, more(1), func() { claim(1) })
	repeat("claim 100", times, more(100), func() { claim(100) })
	repeat("claim 200", times, more(200), func() { claim(200) })
	repeat("report 100 and claim 100", times, ready(100), func() { s.exchange(100, 100) })
	repeat("succeed 200", times, ready(200), report(200, task.Succeed))
	repeat("fail 200", times, ready(200), report(200, task.Fail))
	repeat("release 200", times, ready(200), report(200, task.Release))
	repeat("renew 4 claims of 1,000", times, ready(1000), func() { s.renew(1000) })
	repeat("renew 250 claims of one", times, func() {
		more(250)()
		for range 250 {
			claim(1)
		}
	}, func() { s.renew(250) })
	repeat("enqueue 1", times, nil, func() { s.enqueue(1, pool.Spec{Kind: "step"}) })
	repeat("enqueue 1,000", times, nil, func() { s.enqueue(1000, pool.Spec{Kind: "step"}) })
	repeat("enqueue into a full group", times, nil, func() { s.enqueue(1, pool.Spec{Kind: "step", Group: "g-0"}) })
	for _, state := range []pool.State{pool.Waiting, pool.Scheduled, pool.Running, pool.Failed} {
		repeat("page of "+string(state), times, nil, func() { s.page(state, 200) })
	}
	repeat("stats", times, nil, func() { stats(t, s.c) })
	repeat("replicas", times, nil, func() {
		_, err := s.c.Replicas(ctx)
		s.must(err)
	})
	repeat("join", times, nil, func() { s.join("another") })
	repeat("limit of the queue", times, nil, func() { s.must(s.c.SetLimit(ctx, pool.QueueScope, pool.DefaultQueue, 1_000_000)) })
	repeat("limit of a group", times, nil, func() { s.must(s.c.SetLimit(ctx, pool.GroupScope, "g-1", 1)) })
	repeat("limit of all groups", 3, nil, func() { s.must(s.c.SetLimit(ctx, pool.GroupsScope, "", 1)) })
	all[len(all)-1].once = true // a small pool has less than one page of groups
	repeat("pause and resume", times, nil, func() {
		s.must(s.c.Pause(ctx, pool.DefaultQueue))
		s.must(s.c.Resume(ctx, pool.DefaultQueue))
	})
	repeat("stop 100", times, nil, func() { s.stopSome(100) })
	repeat("maintenance with nothing to do", times, s.unlock, s.maintain)
	repeat("maintenance: hundreds are to be removed", times, func() {
		s.stopSome(300)
		s.expire("ended:stopped", 2000)
		s.unlock()
	}, s.maintain)
	repeat("maintenance: leases of thousands end", times, func() { s.unlock(); s.expire("leases", 8) }, s.maintain)
	all[len(all)-1].once = true
	repeat("maintenance: thousands are due", times, func() { s.unlock(); s.expire("scheduled", 2000) }, s.maintain)
	all[len(all)-1].once = true
	t.Logf("%d events", stats(t, s.c).Events)
	repeat("maintenance: all events are too old", 3, func() {
		s.stopSome(300)
		if stats(t, s.c).Events < 20_000 {
			t.Fatal("too few events are left for another turn")
		}
		s.unlock()
		s.age()
	}, s.maintain)
	all[len(all)-1].once = true
	return all
}

func (s *scaled) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// fill makes the pool. The groups come first: one task of each runs, and the
// others are blocked.
func (s *scaled) fill(z size) {
	s.t.Helper()
	ctx := context.Background()
	s.join(scaledReplica)
	s.must(s.c.SetLimit(ctx, pool.GroupsScope, "", 1))
	each := func(n int, spec func(i int) pool.Spec) {
		for i := 0; i < n; {
			specs := make([]pool.Spec, 0, 500)
			for ; i < n && len(specs) < cap(specs); i++ {
				specs = append(specs, spec(i))
			}
			enqueueAll(s.t, s.c, specs)
		}
	}
	each(2*z.groups, func(i int) pool.Spec {
		return pool.Spec{Kind: "step", Group: fmt.Sprint("g-", i%z.groups), Priority: 9}
	})
	each(max(z.running-z.groups, 0), func(int) pool.Spec { return pool.Spec{Kind: "step", Priority: 8} })
	for left := max(z.running, z.groups); left > 0; {
		left -= len(s.claim(min(left, 200)))
	}
	each(z.scheduled, func(int) pool.Spec { return pool.Spec{Kind: "step", Delay: 24 * time.Hour} })
	each(z.waiting, func(int) pool.Spec { return pool.Spec{Kind: "step", Payload: []byte(`{"n":1}`)} })
}

func (s *scaled) join(replica string) {
	s.t.Helper()
	_, err := s.st.Join(context.Background(), task.Registration{
		Replica: replica, Lease: scaledLease, Queues: map[string]task.QueueConfig{pool.DefaultQueue: {Workers: 1000}},
		Kinds: map[string]task.Policy{"step": {}},
	})
	s.must(err)
}

// trip makes an exchange with the reports that claims n tasks.
func (s *scaled) trip(reports []task.Report, n int) []*task.Task {
	s.t.Helper()
	s.call++
	x := task.Exchange{Replica: scaledReplica, Sequence: 1, Call: s.call, Lease: scaledLease, Grace: time.Minute, Reports: reports, Idle: true}
	if n > 0 {
		x.Claims = []task.Claim{{Queue: pool.DefaultQueue, N: n}}
	}
	got, err := s.st.Exchange(context.Background(), x)
	s.must(err)
	for _, v := range got.Verdicts {
		if v != task.Accepted {
			s.t.Fatalf("the verdict on a report is %s", v)
		}
	}
	tasks := tasksOf(got)
	if n > 0 && len(tasks) == 0 {
		s.t.Fatalf("claimed none of %d tasks", n)
	}
	return tasks
}

func (s *scaled) claim(n int) []*task.Task {
	s.t.Helper()
	return s.trip(nil, n)
}

func (s *scaled) reports(n int, op task.Op) []task.Report {
	s.t.Helper()
	rs := make([]task.Report, n)
	for i, t := range s.held[:n] {
		rs[i] = task.Report{ID: t.ID, Queue: pool.DefaultQueue, Fence: t.Fence, Last: true, Op: op, Code: task.CodeReleased}
		switch op {
		case task.Succeed:
			rs[i].Code = task.CodeOK
		case task.Fail:
			rs[i].Code, rs[i].Error = task.CodePermanent, "boom"
		}
	}
	s.held = s.held[n:]
	return rs
}

func (s *scaled) report(n int, op task.Op) {
	s.t.Helper()
	s.trip(s.reports(n, op), 0)
}

func (s *scaled) exchange(reports, n int) {
	s.t.Helper()
	s.held = append(s.held, s.trip(s.reports(reports, task.Succeed), n)...)
}

// renew extends the leases of the last n claimed tasks.
func (s *scaled) renew(n int) {
	s.t.Helper()
	r := task.Renewal{Replica: scaledReplica, Lease: scaledLease, Grace: time.Minute}
	at := map[int64]int{}
	for _, t := range s.held[len(s.held)-n:] {
		i, known := at[t.Fence]
		if !known {
			i = len(r.Held)
			at[t.Fence] = i
			r.Held = append(r.Held, task.HeldClaim{Fence: t.Fence, Left: task.Forever})
		}
		r.Held[i].Held++
	}
	_, err := s.st.Renew(context.Background(), r)
	s.must(err)
}

func (s *scaled) enqueue(n int, spec pool.Spec) {
	s.t.Helper()
	specs := make([]pool.Spec, n)
	for i := range specs {
		specs[i] = spec
	}
	enqueueAll(s.t, s.c, specs)
}

// page reads the first tasks of a state, as ls does.
func (s *scaled) page(state pool.State, n int) {
	s.t.Helper()
	for _, err := range s.c.Tasks(context.Background(), pool.Filter{States: []pool.State{state}}) {
		s.must(err)
		if n--; n == 0 {
			return
		}
	}
}

// stopSome makes tasks and stops them, so that ended tasks exist.
func (s *scaled) stopSome(n int) {
	s.t.Helper()
	ids := make([]string, n)
	specs := make([]pool.Spec, n)
	for i := range specs {
		s.n++
		ids[i] = fmt.Sprint("stop-", s.n)
		specs[i] = pool.Spec{Kind: "step", ID: ids[i]}
	}
	enqueueAll(s.t, s.c, specs)
	done, err := s.c.Stop(context.Background(), pool.Filter{IDs: ids}, "enough")
	if s.must(err); done != n {
		s.t.Fatalf("%d of %d were stopped", done, n)
	}
}

func (s *scaled) unlock() {
	s.t.Helper()
	s.must(s.rdb.Del(context.Background(), s.key("lock:maintenance")).Err())
}

func (s *scaled) maintain() {
	s.t.Helper()
	_, err := s.st.Maintain(context.Background(), scaledReplica)
	s.must(err)
}

// expire sets the time of up to n entries of an index to the past.
func (s *scaled) expire(index string, n int) {
	s.t.Helper()
	ctx := context.Background()
	ids, err := s.rdb.ZRange(ctx, s.key(index), 0, int64(n)-1).Result()
	s.must(err)
	p := s.rdb.Pipeline()
	for _, id := range ids {
		p.ZAddArgs(ctx, s.key(index), redis.ZAddArgs{Members: []redis.Z{{Score: 1, Member: id}}})
	}
	if len(ids) > 0 {
		_, err = p.Exec(ctx)
		s.must(err)
	}
	if index == "leases" { // this test held some of their tasks
		s.held = nil
	}
}

// age makes all events too old at once, as after a time without replicas.
func (s *scaled) age() {
	s.t.Helper()
	s.must(s.rdb.HSet(context.Background(), s.key("meta"), "events:age", "1").Err())
}
