package pool

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// inspectingStore yields a finding and then an error.
type inspectingStore struct {
	*fakeStore
	how task.Inspection
}

var errAway = errors.New("away")

func (s *inspectingStore) Inspect(_ context.Context, how task.Inspection) iter.Seq2[task.Finding, error] {
	s.how = how
	return func(yield func(task.Finding, error) bool) {
		_ = yield(task.Finding{Check: "version"}, nil) && yield(task.Finding{}, errAway)
	}
}

func TestInspectYieldsFindingsBeforeAnError(t *testing.T) {
	s := &inspectingStore{fakeStore: newFakeStore()}
	p := newTestPool(t, s, Config{})
	var found []Finding
	var broke error
	for f, err := range p.Inspect(t.Context(), Inspection{Fix: true}) {
		if broke = err; err == nil {
			found = append(found, f)
		}
	}
	if len(found) != 1 || !errors.Is(broke, errAway) || !s.how.Fix {
		t.Errorf("found %v, error %v, inspection %+v", found, broke, s.how)
	}
	for range p.Inspect(t.Context(), Inspection{}) {
		break // the caller may end the iteration
	}
}

func TestFindingIsOpenUntilItIsFixed(t *testing.T) {
	for _, tt := range []struct {
		f    Finding
		want bool
	}{
		{Finding{Severity: SeverityError}, true}, {Finding{Severity: SeverityWarning}, true}, {Finding{Severity: SeverityError, Fixed: "done"}, false},
		{Finding{Severity: SeverityNote}, false}, {Finding{Severity: SeverityOK}, false},
	} {
		if tt.f.Open() != tt.want {
			t.Errorf("%+v is open: %v", tt.f, !tt.want)
		}
	}
}
