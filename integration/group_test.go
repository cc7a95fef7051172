package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// 1,000 groups with limit 1 each: never two of one group at once,
// and each in its own order.
func TestGroupLimitHoldsForEveryGroup(t *testing.T) {
	const groups, each = 1000, 4
	s := newSite(t)
	c := s.client()
	var running [groups]gauge
	order := make([][]int, groups) // by group, guarded by the limit itself: the race detector tells
	cfg := slots(25)
	cfg.Groups.DefaultLimit = 1
	s.replicas(4, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		n := int(binary.BigEndian.Uint32(tk.Payload))
		running[n%groups].enter()
		defer running[n%groups].exit()
		order[n%groups] = append(order[n%groups], n/groups)
		time.Sleep(rand.N(time.Millisecond)) // the work
		return nil, nil
	})
	specs := make([]pool.Spec, groups*each)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Group: fmt.Sprint("g", i%groups), Payload: binary.BigEndian.AppendUint32(nil, uint32(i))}
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

// Tasks behind a saturated group start as if it were not there.
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
	// The saturated group holds one of the two slots all the time.
	for range 100 {
		if g := receive(t, started, prompt, "the other groups' starts"); g == "big" {
			t.Fatal("two tasks of a group with limit 1 run at once")
		}
	}
	release <- struct{}{}
	if g := receive(t, started, prompt, "the saturated group's next start"); g != "big" {
		t.Errorf("group %s started", g)
	}
	if _, err := c.Stop(t.Context(), pool.Filter{Groups: []string{"big"}}, "the test is over"); err != nil {
		t.Error(err)
	}
	close(release)
	idle(t, c)
}

// 10,000 blocked groups do not slow a claim. The two times come
// from one run on one machine, so their ratio is stable where they are not.
func TestBlockedGroupsDoNotSlowAClaim(t *testing.T) {
	const groups = 10_000
	s := newSite(t)
	c := s.client()
	if err := c.SetLimit(t.Context(), pool.GroupsScope, "", 1); err != nil {
		t.Fatal(err)
	}
	st := s.store()
	if _, err := st.Join(t.Context(), task.Registration{Replica: "bench", Lease: time.Hour}); err != nil {
		t.Fatal(err)
	}
	call := int64(0)
	claim := func(n int) []*task.Task {
		call++
		got, err := st.Exchange(t.Context(), task.Exchange{
			Replica: "bench", Sequence: 1, Call: call, Lease: time.Hour, Grace: time.Second, Claims: []task.Claim{{Queue: pool.DefaultQueue, N: n}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return tasksOf(got)
	}
	median := func() time.Duration {
		specs := make([]pool.Spec, 1000)
		for i := range specs {
			specs[i].Kind = "step"
		}
		enqueueAll(t, c, specs)
		var took []time.Duration
		for range 100 {
			begin := time.Now()
			tasks := claim(10)
			took = append(took, time.Since(begin))
			if len(tasks) != 10 {
				t.Fatalf("claimed %d of 10 tasks", len(tasks))
			}
			for _, task := range tasks {
				if task.Group != "" {
					t.Fatalf("task %s of the blocked group %s was claimed", task.ID, task.Group)
				}
			}
		}
		return percentile(took, 50)
	}
	without := median()

	specs := make([]pool.Spec, 2*groups)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Group: fmt.Sprint("g", i%groups)}
	}
	enqueueAll(t, c, specs)
	seized := 0
	for seized < groups {
		n := len(claim(task.MaxClaim))
		if n == 0 {
			t.Fatalf("%d of %d groups could be claimed from", seized, groups)
		}
		seized += n
	}
	if got := claim(10); len(got) > 0 {
		t.Fatalf("claimed %d tasks of blocked groups", len(got))
	}
	with := median()
	t.Logf("claim of 10: %v without and %v with %d blocked groups", without, with, groups)
	if with > 3*without+time.Millisecond {
		t.Errorf("a claim took %v without and %v with %d blocked groups", without, with, groups)
	}
}
