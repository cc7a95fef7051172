package worker

import (
	"context"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
)

// inboxWait is how long one call blocks on the inbox.
const inboxWait = 10 * time.Second

// inboxRetryWait is how long the first call after a failed one blocks. The outage
// counts as over when it returns.
const inboxRetryWait = time.Second

// EntryList is a list of entries that other programs push. Await blocks until it has an entry or
// wait has passed, and reports whether it has one. Admit takes a batch, and reports whether more
// entries may be left.
type EntryList struct {
	Await func(ctx context.Context, wait time.Duration) (bool, error)
	Admit func(ctx context.Context) (more bool, err error)
}

// inboxReader takes the entries that other programs push into a list of the pool: tasks
// into the inbox, reports from outside, or triggers.
type inboxReader struct {
	r    *Replica
	name string // of the list, for the log
	list EntryList
	busy sync.Mutex // held while admitting
}

func (b *inboxReader) run(ctx context.Context) {
	t := retry{outage: b.r.outages, op: "await " + b.name}
	defer t.stop()
	for ctx.Err() == nil {
		wait := jitter(inboxWait)
		if t.fails > 0 {
			wait = inboxRetryWait
		}
		has, err := b.await(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if backoff.Sleep(ctx, t.failed(err)) != nil {
				return
			}
			continue
		}
		t.ok()
		if has {
			b.busy.Lock()
			b.admit(ctx)
			b.busy.Unlock()
		}
	}
}

func (b *inboxReader) await(ctx context.Context, wait time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+b.r.callTimeout)
	defer cancel()
	return b.list.Await(ctx, wait)
}

// admitAsync empties the list in a goroutine of its own, unless one already does.
func (b *inboxReader) admitAsync(ctx context.Context) {
	if b.busy.TryLock() {
		b.r.wg.Go(func() {
			defer b.busy.Unlock()
			b.admit(ctx)
		})
	}
}

// admit admits batches until the list is empty. The caller holds the mutex.
func (b *inboxReader) admit(ctx context.Context) {
	t := retry{outage: b.r.outages, op: "admit " + b.name}
	for more := true; more && ctx.Err() == nil; {
		b.r.retryCall(ctx, &t, func(ctx context.Context) (err error) {
			more, err = b.list.Admit(ctx)
			return err
		})
	}
}
