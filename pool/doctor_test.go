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
	for f, want := range map[Finding]bool{
		{Severity: SeverityError}: true, {Severity: SeverityWarning}: true, {Severity: SeverityError, Fixed: "done"}: false, {Severity: SeverityNote}: false, {Severity: SeverityOK}: false,
	} {
		if f.Open() != want {
			t.Errorf("%+v is open: %v", f, !want)
		}
	}
}
