package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// Many groups with limit 1 each. Never two tasks of one group run at once, and
// each group starts its tasks in order.
func TestGroupLimitHoldsForEveryGroup(t *testing.T) {
	groups, each := volume(250, 1000), 4
	s := newSite(t)
	c := s.client()
	running := make([]gauge, groups)
	order := make([][]int, groups) // by group; only the group limit guards it, so the race detector reports a violation
	cfg := slots(25)
	cfg.Groups.DefaultLimit = 1
	s.replicas(4, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		n := number(tk.Payload)
		running[n%groups].enter()
		defer running[n%groups].exit()
		order[n%groups] = append(order[n%groups], n/groups)
		time.Sleep(rand.N(time.Millisecond)) // the work
		return nil, nil
	})
	specs := make([]pool.Spec, groups*each)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Group: fmt.Sprint("g", i%groups), Payload: strconv.AppendInt(nil, int64(i), 10)}
	}
	enqueueAll(t, c, specs)
	idle(t, c)
	for i := range running {
		if _, top, starts := running[i].read(); top != 1 || starts != each {
			t.Errorf("group %d: at most %d handlers at once and %d in all; want 1 and %d", i, top, starts, each)
		}
		if !slices.IsSorted(order[i]) {
			t.Errorf("group %d started in the order %v", i, order[i])
		}
	}
	s.onlyKeys(idleKeys...)
}

// A group that the config exempts uses all slots, while the default limit holds for the
// other groups. Its blocked tasks start as soon as it is exempt. Without the exemption
// none starts until fewer run than the default.
func TestExemptGroupRunsBeyondTheDefault(t *testing.T) {
	const workers = 8
	s := newSite(t)
	c := s.client()
	var big, small gauge
	release := make(chan struct{})
	cfg := slots(workers)
	cfg.Groups = pool.Groups{DefaultLimit: 1, Limits: map[string]int{"big": pool.NoLimit}}
	s.replicas(1, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		running := map[string]*gauge{"big": &big, "small": &small}[tk.Group]
		running.enter()
		defer running.exit()
		if tk.Group == "big" {
			<-release
		}
		return nil, nil
	})
	runs := func(n, ofStarts int) {
		t.Helper()
		eventually(t, patience, fmt.Sprintf("%d of %d tasks of the group run", n, ofStarts), func() bool {
			now, _, starts := big.read()
			return now == n && starts == ofStarts
		})
	}
	limit := func(scope pool.Scope, name string, n int) {
		t.Helper()
		if err := c.SetLimit(t.Context(), scope, name, n); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * workers {
		enqueue(t, c, pool.Spec{Kind: "step", Group: "big"})
	}
	runs(workers, workers)
	limit(pool.GroupsScope, "", 2) // does not apply to it
	send(t, release, struct{}{}, "a handler waits for its end")
	runs(workers, workers+1)
	limit(pool.GroupScope, "big", 0) // now it does
	for range workers - 2 {
		send(t, release, struct{}{}, "a handler waits for its end")
	}
	runs(2, workers+1)
	enqueueAll(t, c, slices.Repeat([]pool.Spec{{Kind: "step", Group: "small"}}, 20))
	eventually(t, patience, "the other group's tasks end", func() bool {
		_, _, starts := small.read()
		return starts == 20
	})
	runs(2, workers+1)
	limit(pool.GroupScope, "big", pool.NoLimit)
	runs(workers, 2*workers-1)
	close(release)
	idle(t, c)
	if _, top, _ := small.read(); top > 2 {
		t.Errorf("%d tasks of the other group ran at once under a limit of 2", top)
	}
}

// Tasks of other groups behind a saturated group start as if it did not exist.
func TestSaturatedGroupDelaysNoOther(t *testing.T) {
	s := newSite(t)
	c := s.client()
	started, release := make(chan string, 2000), make(chan struct{})
	cfg := slots(2)
	cfg.Groups.Limits = map[string]int{"big": 1}
	s.replicas(1, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.Group
		if tk.Group == "big" {
			<-release
		}
		return nil, nil
	})
	specs := make([]pool.Spec, 1000, 1100)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Group: "big", Priority: 9}
	}
	for i := range 100 {
		specs = append(specs, pool.Spec{Kind: "step", Group: fmt.Sprint("small", i%10)})
	}
	enqueueAll(t, c, specs)
	if g := receive(t, started, patience, "the first start"); g != "big" {
		t.Errorf("the first start is of group %s", g)
	}
	// The saturated group holds one of the two slots throughout.
	for range 100 {
		if g := receive(t, started, prompt, "the other groups' starts"); g == "big" {
			t.Fatal("two tasks of a group with limit 1 run at once")
		}
	}
	send(t, release, struct{}{}, "a handler waits for its end")
	if g := receive(t, started, prompt, "the saturated group's next start"); g != "big" {
		t.Errorf("group %s started", g)
	}
	if _, err := c.Stop(t.Context(), pool.Filter{Groups: []string{"big"}}, "the test is over"); err != nil {
		t.Error(err)
	}
	close(release)
	idle(t, c)
}

// Very many blocked groups do not slow a claim. Claims of a pool with blocked
// groups and of a pool without alternate, so that a busy machine slows both.
func TestBlockedGroupsDoNotSlowAClaim(t *testing.T) {
	groups := volume(2000, 10_000)
	free, blocked := newClaimer(t), newClaimer(t)
	specs := make([]pool.Spec, 2*groups)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Group: fmt.Sprint("g", i%groups)}
	}
	enqueueAll(t, blocked.c, specs)
	seized := 0
	for seized < groups {
		n := len(blocked.claim(task.MaxClaim))
		if n == 0 {
			t.Fatalf("%d of %d groups could be claimed from", seized, groups)
		}
		seized += n
	}
	if got := blocked.claim(10); len(got) > 0 {
		t.Fatalf("claimed %d tasks of blocked groups", len(got))
	}

	var without, with []time.Duration
	for _, c := range []*claimer{free, blocked} {
		enqueueAll(t, c.c, make1000("step"))
	}
	for range 100 {
		without = append(without, free.time(10))
		with = append(with, blocked.time(10))
	}
	w, wo := percentile(with, 50), percentile(without, 50)
	t.Logf("claim of 10: %v without blocked groups, %v with %d of them", wo, w, groups)
	if w > 3*wo+time.Millisecond {
		t.Errorf("a claim took %v without blocked groups and %v with %d of them", wo, w, groups)
	}
}

// claimer claims from its own pool, in which the limit of every group is 1.
type claimer struct {
	*site
	c    *pool.Pool
	st   *redisstore.Store
	call int64
}

func newClaimer(t *testing.T) *claimer {
	t.Helper()
	s := newSite(t)
	c := &claimer{site: s, c: s.client(), st: s.store()}
	if err := c.c.SetLimit(t.Context(), pool.GroupsScope, "", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.st.Join(t.Context(), task.Registration{Replica: "bench", Lease: time.Hour}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *claimer) claim(n int) []*task.Task {
	c.t.Helper()
	c.call++
	got, err := c.st.Exchange(context.Background(), task.Exchange{
		Replica: "bench", Sequence: 1, Call: c.call, Lease: time.Hour, Grace: time.Second, Claims: []task.Claim{{Queue: pool.DefaultQueue, N: n}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return tasksOf(got)
}

// time claims n tasks without a group and returns how long that took.
func (c *claimer) time(n int) time.Duration {
	c.t.Helper()
	begin := time.Now()
	tasks := c.claim(n)
	took := time.Since(begin)
	if len(tasks) != n {
		c.t.Fatalf("claimed %d of %d tasks", len(tasks), n)
	}
	for _, task := range tasks {
		if task.Group != "" {
			c.t.Fatalf("task %s of the blocked group %s was claimed", task.ID, task.Group)
		}
	}
	return took
}
