package pool

import (
	"context"
	"iter"
)

// Inspect looks at everything that can be wrong with the store and with the
// pool's entries: the server's version, settings, memory and round-trip time, the
// rights of this user, replicas that went silent, and entries that an accident
// or a foreign hand has broken. It tells each thing it looked at as a Finding,
// sound ones too.
//
// With how.Fix it repairs broken entries, or moves them whole to keys that begin
// with "lts:{POOL}:broken:" where it cannot; docs/operations.md tells of both. The pool may
// be live meanwhile: each entry is judged and repaired in one atomic step, and
// Redis is busy for a few milliseconds at a time. Replicas do the same with their
// upkeep, a little at a time.
//
// An error ends it: the store cannot be reached.
func (p *Pool) Inspect(ctx context.Context, how Inspection) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		for f, err := range p.store.Inspect(ctx, how) {
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}
