package worker

import (
	"context"
	"sync"
	"time"
)

// inboxWait is how long the replica blocks on the inbox at a time.
const inboxWait = 10 * time.Second

// inboxAgain is the first wait after an outage, which is over when it returns.
const inboxAgain = time.Second

// inboxReader makes tasks of what other programs push into the pool's inbox.
type inboxReader struct {
	r    *Replica
	busy sync.Mutex // held while admitting
}

func (b *inboxReader) run(ctx context.Context) {
	t := retry{outage: b.r.outages, op: "await inbox"}
	defer t.forget()
	for ctx.Err() == nil {
		wait := jitter(inboxWait)
		if t.fails > 0 {
			wait = inboxAgain
		}
		has, err := b.await(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !sleep(ctx, t.failed(err)) {
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
	return b.r.store.AwaitInbox(ctx, wait)
}

// admitBeside empties the inbox in a goroutine of its own, unless that is under way.
func (b *inboxReader) admitBeside(ctx context.Context) {
	if b.busy.TryLock() {
		b.r.wg.Go(func() {
			defer b.busy.Unlock()
			b.admit(ctx)
		})
	}
}

// admit takes batch after batch until the inbox is empty. The caller holds the mutex.
func (b *inboxReader) admit(ctx context.Context) {
	t := retry{outage: b.r.outages, op: "admit inbox"}
	for more := true; more && ctx.Err() == nil; {
		b.r.retryCall(ctx, &t, func(ctx context.Context) (err error) {
			more, err = b.r.store.AdmitInbox(ctx)
			return err
		})
	}
}
