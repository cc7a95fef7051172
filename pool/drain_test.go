package pool

import (
	"context"
	"errors"
	"testing"
)

func (s *fakeStore) Drain(_ context.Context, replicas ...string) ([]bool, error) {
	asked := make([]bool, len(replicas))
	for i, r := range replicas {
		asked[i] = r != "gone"
	}
	return asked, nil
}

func TestDrainReturnsAnErrorForEachUnknownReplica(t *testing.T) {
	p := newTestPool(t, newFakeStore(), Config{})
	if n, err := p.Drain(t.Context(), "a", "b"); n != 2 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Drain(t.Context(), "a", "gone"); n != 1 || !errors.Is(err, ErrNoReplica) || err.Error() != "drain gone: no such replica" {
		t.Errorf("got %d, %v", n, err)
	}
	var field *FieldError
	if _, err := p.Drain(t.Context(), "a{"); !errors.As(err, &field) {
		t.Errorf("got %v", err)
	}
}
