package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// rejectStore has rejected entries. It fails after some calls.
type rejectStore struct {
	*fakeStore
	entries []string
	calls   int // until it fails; 0 for never
	batches []int
}

var errBoom = errors.New("boom")

func (s *rejectStore) GetRejected(_ context.Context, ids ...string) (out []*task.Reject, err error) {
	for _, id := range ids {
		var r *task.Reject
		if slices.Contains(s.entries, id) {
			r = &task.Reject{ID: id}
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *rejectStore) PutBack(_ context.Context, id string, text []byte) error {
	switch {
	case !slices.Contains(s.entries, id):
		return task.ErrNoReject
	case text == nil:
		return task.ErrRejectCut
	}
	return errBoom
}

func (s *rejectStore) DropRejected(_ context.Context, ids ...string) (dropped []bool, err error) {
	s.batches = append(s.batches, len(ids))
	if s.calls > 0 && len(s.batches) > s.calls {
		return nil, errBoom
	}
	for _, id := range ids {
		dropped = append(dropped, slices.Contains(s.entries, id))
	}
	return dropped, nil
}

func TestRefusalsNameTheRejectedEntry(t *testing.T) {
	p := newTestPool(t, &rejectStore{fakeStore: newFakeStore(), entries: []string{"1-0"}}, Config{})
	if r, err := p.GetRejected(t.Context(), "1-0"); err != nil || r.ID != "1-0" {
		t.Errorf("got %+v, %v", r, err)
	}
	_, none := p.GetRejected(t.Context(), "2-0")
	for _, c := range []struct {
		err, want error
		text      string
	}{
		{none, ErrNoReject, "get rejected entry 2-0: no such rejected entry"},
		{p.PutBack(t.Context(), "2-0", nil), ErrNoReject, "put back rejected entry 2-0: no such rejected entry"},
		{p.PutBack(t.Context(), "1-0", nil), ErrRejectCut, "put back rejected entry 1-0: only the beginning of the entry is kept: give the whole text"},
		{p.PutBack(t.Context(), "1-0", []byte("{}")), errBoom, "rejected entry 1-0: boom"},
	} {
		if !errors.Is(c.err, c.want) || c.err.Error() != c.text {
			t.Errorf("got %v, want %s", c.err, c.text)
		}
	}
}

func TestRejectedEntriesAreDroppedInBatches(t *testing.T) {
	s := &rejectStore{fakeStore: newFakeStore()}
	for i := range 250 {
		s.entries = append(s.entries, fmt.Sprint(i, "-0"))
	}
	p := newTestPool(t, s, Config{})
	n, err := p.DropRejected(t.Context(), append(slices.Clone(s.entries), "0-0", "900-0", "1-0")...) // repeated ids count once
	if n != 250 || !errors.Is(err, ErrNoReject) || !slices.Equal(s.batches, []int{100, 100, 51}) {
		t.Errorf("dropped %d in batches of %v, %v", n, s.batches, err)
	}
	s.batches, s.calls = nil, 1
	n, err = p.DropRejected(t.Context(), append([]string{"900-0"}, s.entries...)...)
	if n != 99 || !errors.Is(err, errBoom) || !errors.Is(err, ErrNoReject) || !strings.Contains(err.Error(), "after 99 entries: boom") {
		t.Errorf("dropped %d, %v", n, err)
	}
	if n, err := p.DropRejected(t.Context()); n != 0 || err != nil {
		t.Errorf("without ids: %d, %v", n, err)
	}
}
