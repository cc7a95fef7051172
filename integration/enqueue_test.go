package integration

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// fromMany enqueues the same spec from 50 clients at once and returns the id that
// all of them got.
func (s *site) fromMany(spec pool.Spec) string {
	s.t.Helper()
	const clients = 50
	receipts := make([]pool.Receipt, clients)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range receipts {
		c := s.client()
		wg.Go(func() {
			<-begin
			r, err := c.EnqueueSpec(context.Background(), spec)
			if err != nil {
				s.t.Error(err)
			}
			receipts[i] = r
		})
	}
	close(begin)
	wg.Wait()
	made := 0
	for _, r := range receipts {
		if !r.Duplicate {
			made++
		}
		if r.ID != receipts[0].ID {
			s.t.Errorf("one client got task %s, another %s", r.ID, receipts[0].ID)
		}
	}
	if made != 1 {
		s.t.Errorf("%d clients got the reply that they made the task", made)
	}
	return receipts[0].ID
}

// 50 clients with one id, or one unique key, make one task.
func TestOneIDOrUniqueKeyMakesOneTask(t *testing.T) {
	s := newSite(t)
	c := s.client()
	if id := s.fromMany(pool.Spec{Kind: "pay", ID: "invoice-7"}); id != "invoice-7" {
		t.Errorf("the id is %s", id)
	}
	s.fromMany(pool.Spec{Kind: "pay", Unique: "customer-7"})
	if st := stats(t, c); st.Enqueued != 2 || st.Waiting != 2 {
		t.Errorf("enqueued %d, waiting %d, want 2 of both", st.Enqueued, st.Waiting)
	}
	starts := make(chan string, 4)
	s.replicas(2, slots(2), "pay", func(_ context.Context, tk *task.Task) ([]byte, error) {
		starts <- tk.ID
		return nil, nil
	})
	idle(t, c)
	if len(starts) != 2 {
		t.Errorf("%d starts, want 2", len(starts))
	}
}

// A unique key is free again when its task finishes, is stopped,
// or is deleted, and so is an id when its task is removed.
func TestUniqueKeyIsFreeAfterEveryEnd(t *testing.T) {
	s := newSite(t)
	c := s.client()
	fail := make(chan error, 1)
	s.replicas(1, slots(1), "pay", func(context.Context, *task.Task) ([]byte, error) { return nil, <-fail })
	spec := pool.Spec{Kind: "pay", Unique: "customer-7"}

	taken := func(id string) {
		t.Helper()
		r, err := c.EnqueueSpec(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Duplicate || r.ID != id {
			t.Errorf("the key of the live task %s is not taken: %+v", id, r)
		}
	}
	for _, end := range []struct {
		name  string
		err   error
		state pool.State
	}{
		{"success", nil, pool.Succeeded},
		{"failure", pool.Permanent(context.Canceled), pool.Failed},
	} {
		id := enqueue(t, c, spec)
		taken(id)
		fail <- end.err
		if task := await(t, c, id); task.State != end.state {
			t.Errorf("after %s the task is %s", end.name, task.State)
		}
	}
	delayed := spec
	delayed.Delay = time.Hour
	id := enqueue(t, c, delayed)
	taken(id)
	if n, err := c.Stop(t.Context(), pool.Filter{IDs: []string{id}}, ""); n != 1 || err != nil {
		t.Error(n, err)
	}
	// The stopped task is kept, its key is not. Deleting the task must not free
	// the key of the next task.
	next := enqueue(t, c, delayed)
	if n, err := c.Delete(t.Context(), pool.Filter{IDs: []string{id}}); n != 1 || err != nil {
		t.Error(n, err)
	}
	taken(next)
	if r := enqueueAll(t, c, []pool.Spec{{ID: id, Kind: "pay", Delay: time.Hour}}); r[0].Duplicate {
		t.Error("the id of a deleted task is still taken")
	}
}

// An attempt that lost its lease cannot free the key that a newer task holds.
func TestStaleFinisherCannotFreeANewerHoldersKey(t *testing.T) {
	s := newSite(t)
	c := s.client()
	spec := pool.Spec{Kind: "pay", Unique: "customer-7"}
	old := enqueue(t, c, spec)
	stale := s.seize("ghost", pool.DefaultQueue, 1, 50*time.Millisecond)
	if _, err := c.Stop(t.Context(), pool.Filter{IDs: []string{old}}, "no longer wanted"); err != nil {
		t.Fatal(err)
	}
	st := s.store()
	eventually(t, patience, "the stopped task's lease is reaped", func() bool {
		if _, err := st.Maintain(context.Background(), "reaper"); err != nil {
			t.Fatal(err)
		}
		return get(t, c, old).State == pool.Stopped
	})
	holder := enqueue(t, c, spec)
	for _, op := range []task.Op{task.Succeed, task.Fail, task.Release} {
		v := s.report(task.Report{ID: old, Fence: stale[0].Fence, Op: op, Code: task.CodeError})
		if v == task.Accepted {
			t.Errorf("report %d of the stale attempt was accepted", op)
		}
	}
	r, err := c.EnqueueSpec(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if want := (pool.Receipt{ID: holder, State: pool.Waiting, Duplicate: true}); !cmp.Equal(r, want) {
		t.Error(cmp.Diff(want, r))
	}
}
