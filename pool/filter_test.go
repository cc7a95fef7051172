package pool

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestChangesRefuseAnEmptyFilter(t *testing.T) {
	p := newTestPool(t, newFakeStore(), Config{})
	_, stop := p.Stop(t.Context(), Filter{}, "")
	_, retry := p.Retry(t.Context(), Filter{})
	_, runNow := p.RunNow(t.Context(), Filter{})
	_, del := p.Delete(t.Context(), Filter{IDs: []string{}})
	for name, err := range map[string]error{"stop": stop, "retry": retry, "run now": runNow, "delete": del} {
		if !errors.Is(err, ErrEmptyFilter) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestInvalidFilterIsRefusedWithoutCallingTheStore(t *testing.T) {
	p := newTestPool(t, newFakeStore(), Config{})
	ctx := t.Context()
	_, err := p.Stop(ctx, Filter{IDs: []string{"a b"}, States: []State{"what", Failed}}, "")
	wantFields(t, err, "ids", "states", "states")
	_, err = p.Delete(ctx, Filter{States: []State{task.Running}})
	wantFields(t, err, "states")
	_, err = p.RunNow(ctx, Filter{States: []State{Waiting}})
	wantFields(t, err, "states")
	_, err = p.Retry(ctx, Filter{Groups: []string{"{"}})
	wantFields(t, err, "groups")
	_, err = p.Stop(ctx, Filter{IDs: []string{"a"}}, strings.Repeat("x", task.MaxErrorLen+1))
	wantFields(t, err, "why")
	_, err = p.Stop(t.Context(), Filter{IDs: []string{"a"}}, "\xff")
	wantFields(t, err, "why")
	for _, err := range p.Tasks(ctx, Filter{Kinds: []string{""}, Queues: []string{"\n"}}) {
		wantFields(t, err, "kinds", "queues")
	}
}

func TestTasksSelectedByIDAreChangedWithoutASearch(t *testing.T) {
	s := newFakeStore()
	var batches []int
	s.changed = func(verb string, ids []string) ([]task.Change, error) {
		if verb != "stop enough" {
			t.Errorf("the store was called to %s", verb)
		}
		batches = append(batches, len(ids))
		changes := make([]task.Change, len(ids))
		for i, id := range ids {
			changes[i] = task.Change{ID: id, Done: true}
		}
		return changes, nil
	}
	p := newTestPool(t, s, Config{})
	ids := make([]string, 250)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	n, err := p.Stop(t.Context(), Filter{IDs: append(ids, "0", "1")}, "enough") // repeated ids count once
	if n != 250 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if diff := cmp.Diff([]int{100, 100, 50}, batches); diff != "" {
		t.Error(diff)
	}
}

func TestRefusalsOfTasksSelectedByIDAreErrors(t *testing.T) {
	s := newFakeStore()
	changes := map[string]task.Change{
		"done":    {ID: "done", Done: true, State: Stopped},
		"gone":    {ID: "gone"},
		"ended":   {ID: "ended", State: Succeeded},
		"stopped": {ID: "stopped", State: Stopped},
		"live":    {ID: "live", State: task.Running},
		"waits":   {ID: "waits", State: Waiting},
		"taken":   {ID: "taken", State: Failed, Err: task.ErrUniqueTaken},
	}
	s.changed = func(_ string, ids []string) (c []task.Change, err error) {
		for _, id := range ids {
			c = append(c, changes[id])
		}
		return c, nil
	}
	p := newTestPool(t, s, Config{})
	ctx := t.Context()
	for _, tt := range []struct {
		do   func(Filter) (int, error)
		ids  []string
		n    int
		want error
	}{
		{func(f Filter) (int, error) { return p.Stop(ctx, f, "") }, []string{"gone", "done"}, 1, ErrNotFound},
		{func(f Filter) (int, error) { return p.Stop(ctx, f, "") }, []string{"done", "ended"}, 1, ErrEnded},
		{func(f Filter) (int, error) { return p.Stop(ctx, f, "") }, []string{"stopped", "live"}, 0, nil},
		{func(f Filter) (int, error) { return p.Retry(ctx, f) }, []string{"live", "done"}, 1, ErrNotEnded},
		{func(f Filter) (int, error) { return p.Retry(ctx, f) }, []string{"taken"}, 0, ErrUniqueTaken},
		{func(f Filter) (int, error) { return p.RunNow(ctx, f) }, []string{"done", "live"}, 1, ErrNotScheduled},
		{func(f Filter) (int, error) { return p.RunNow(ctx, f) }, []string{"ended"}, 0, ErrNotScheduled},
		{func(f Filter) (int, error) { return p.RunNow(ctx, f) }, []string{"waits"}, 0, nil},
		{func(f Filter) (int, error) { return p.RunNow(ctx, f) }, []string{"gone"}, 0, ErrNotFound},
		{func(f Filter) (int, error) { return p.Delete(ctx, f) }, []string{"live"}, 0, ErrNotEnded},
	} {
		n, err := tt.do(Filter{IDs: tt.ids})
		if n != tt.n || !errors.Is(err, tt.want) {
			t.Errorf("%v: got %d, %v, want %d, %v", tt.ids, n, err, tt.n, tt.want)
		}
	}
}

// All tasks that a filter selects are read first, because a change moves the index that
// is being read.
func TestFilterIsReadBeforeAnythingChanges(t *testing.T) {
	s := newFakeStore()
	for i := range 250 {
		s.put(&task.Task{Spec: Spec{ID: fmt.Sprint("k", i), Kind: "k"}, State: Failed})
		s.put(&task.Task{Spec: Spec{ID: fmt.Sprint("live", i), Kind: "k"}, State: task.Running})
		s.put(&task.Task{Spec: Spec{ID: fmt.Sprint("other", i), Kind: "other"}, State: Failed})
	}
	again := s.tasks[0]
	s.tasks = append(s.tasks, again) // listed twice
	s.changed = func(verb string, ids []string) (c []task.Change, err error) {
		for _, id := range ids {
			s.remove(id)
			// Another client has deleted one task meanwhile.
			c = append(c, task.Change{ID: id, Done: id != "k7"})
		}
		return c, nil
	}
	p := newTestPool(t, s, Config{})
	n, err := p.Delete(t.Context(), Filter{Kinds: []string{"k"}})
	if n != 249 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if left := len(s.tasks); left != 500 {
		t.Errorf("%d tasks left, want 500", left)
	}
	got := 0
	for task, err := range p.Tasks(t.Context(), Filter{Kinds: []string{"other"}}) {
		if err != nil || task.Kind != "other" {
			t.Fatal(task, err)
		}
		got++
	}
	if got != 250 {
		t.Errorf("Tasks yields %d, want 250", got)
	}
}

func TestErrorOfAChangeContainsTheNumberOfChangedTasks(t *testing.T) {
	s := newFakeStore()
	boom := errors.New("boom")
	calls := 0
	s.changed = func(_ string, ids []string) (c []task.Change, err error) {
		if calls++; calls == 2 {
			return nil, boom
		}
		for _, id := range ids {
			c = append(c, task.Change{ID: id, Done: true})
		}
		return c, nil
	}
	p := newTestPool(t, s, Config{})
	ids := make([]string, 300)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	if n, err := p.Retry(t.Context(), Filter{IDs: ids}); n != 100 || !errors.Is(err, boom) || calls != 2 {
		t.Errorf("got %d, %v after %d calls", n, err, calls)
	}
}
