package pool

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

func (s *fakeStore) Maintain(_ context.Context, replica string) (Maintenance, error) {
	return s.maintain(replica)
}

func TestMaintainWaitsForTheLock(t *testing.T) {
	for busy, want := range map[int]error{3: nil, 1000: ErrBusy} {
		s := newFakeStore()
		turns := 0
		var names []string
		s.maintain = func(replica string) (Maintenance, error) {
			turns++
			names = append(names, replica)
			return Maintenance{Busy: turns <= busy, Lost: turns}, nil
		}
		faketime.Test(t, func(t *testing.T) {
			up, err := newTestPool(t, s, Config{}).Maintain(context.Background())
			if !errors.Is(err, want) || want == nil && up.Lost != busy+1 {
				t.Errorf("busy %d times: got %+v, %v", busy, up, err)
			}
		})
		if len(slices.Compact(names)) != 1 {
			t.Errorf("it was called %v", names)
		}
	}
}
