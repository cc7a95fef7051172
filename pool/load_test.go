package pool

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

type loadStore struct {
	Store
	asked []string
}

func (s *loadStore) WaitingSince(_ context.Context, queues ...string) (map[string]time.Time, time.Time, error) {
	s.asked = queues
	now := time.Now()
	return map[string]time.Time{"b": now.Add(-time.Minute)}, now, nil
}

func (*loadStore) Rates(context.Context, time.Duration) (map[string]task.QueueRate, error) {
	return map[string]task.QueueRate{"a": {In: 1, Out: 2}}, nil
}

func TestLoadKeepsTheCountsOfTheQueues(t *testing.T) {
	s := &loadStore{Store: newFakeStore()}
	p := newTestPool(t, s, Config{})
	a, b := QueueInfo{Name: "a", Running: 3}, QueueInfo{Name: "b", Waiting: 7, Limit: 2}
	got, err := p.LoadOf(t.Context(), []QueueInfo{b, a})
	want := []QueueLoad{{QueueInfo: b, OldestWait: time.Minute}, {QueueInfo: a, In: 1, Out: 2}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if !slices.Equal(s.asked, []string{"b"}) {
		t.Errorf("the age of the oldest task is read of %v, want only of queues where tasks wait", s.asked)
	}
}
