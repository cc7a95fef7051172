package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Rejected reads the inbox entries that could not become tasks, newest first. The store
// keeps about the newest 10,000. An error ends the iteration.
func (p *Pool) Rejected(ctx context.Context) iter.Seq2[Reject, error] {
	return p.store.Rejected(ctx)
}

// GetRejected reads a rejected entry. It returns ErrNoReject if there is none: it never
// existed, was put back or dropped, or was too old to be kept.
func (p *Pool) GetRejected(ctx context.Context, id string) (*Reject, error) {
	rejects, err := p.store.GetRejected(ctx, id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("get rejected entry: %w", err)
	case rejects[0] == nil:
		return nil, fmt.Errorf("get rejected entry %s: %w", id, ErrNoReject)
	}
	return rejects[0], nil
}

// PutBack moves a rejected entry to the end of the inbox, with text in place of its own
// text. A nil text leaves the entry as it is. A replica then admits the entry or
// rejects it again, as a new one.
//
// If several callers put the same entry back, one succeeds and the others get
// ErrNoReject. A text that cannot become a task is refused with a FieldError. An entry
// that is not kept as a whole is refused with ErrRejectCut if text is nil. A refused
// entry stays among the rejected ones.
func (p *Pool) PutBack(ctx context.Context, id string, text []byte) error {
	if err := p.store.PutBack(ctx, id, text); err != nil {
		return rejectError("put back", id, err)
	}
	return nil
}

// DropRejected removes rejected entries and returns their number. For every id without
// an entry the error contains an ErrNoReject; it does not affect the rest.
func (p *Pool) DropRejected(ctx context.Context, ids ...string) (int, error) {
	n := 0
	var errs []error
	for batch := range slices.Chunk(unique(ids), changeBatch) {
		dropped, err := p.store.DropRejected(ctx, batch...)
		for i, done := range dropped {
			if done {
				n++
			} else {
				errs = append(errs, rejectError("drop", batch[i], ErrNoReject))
			}
		}
		if err != nil {
			if n > 0 {
				err = fmt.Errorf("after %d entries: %w", n, err)
			}
			return n, errors.Join(append(errs, err)...)
		}
	}
	return n, errors.Join(errs...)
}

// rejectError names the entry in the error of an operation on it.
func rejectError(verb, id string, err error) error {
	if errors.Is(err, ErrNoReject) || errors.Is(err, ErrRejectCut) {
		return fmt.Errorf("%s rejected entry %s: %w", verb, id, err)
	}
	return fmt.Errorf("rejected entry %s: %w", id, err)
}
