package pool

import (
	"context"
	"iter"
)

// Inspect checks the store and the pool's records: the server's version, settings,
// memory and round-trip time, the permissions of this user, replicas that went silent,
// and records that were damaged by an accident or another program. It yields a Finding
// for each check, passed ones too. An error ends the iteration: the store could not be
// reached.
//
// With how.Fix it repairs broken records, or moves those that it cannot repair to keys
// that begin with "lts:{POOL}:broken:"; see docs/operations.md. The pool may be live:
// each record is checked and repaired in one atomic step, and Redis is busy for a few
// milliseconds at a time. Replicas do the same during maintenance, a part of the
// records at a time.
func (p *Pool) Inspect(ctx context.Context, how Inspection) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		for f, err := range p.store.Inspect(ctx, how) {
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}
