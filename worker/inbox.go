package worker

import (
	"context"
	"time"
)

// inboxWait is how long the replica blocks on the inbox at a time.
const inboxWait = 10 * time.Second

// inboxAgain is the first wait after an outage, which is over when it returns.
const inboxAgain = time.Second

// admitInbox makes tasks of what other programs push into the pool's inbox.
func (r *Replica) admitInbox(ctx context.Context) {
	t := retry{outage: r.outages, op: "await inbox"}
	defer t.forget()
	for ctx.Err() == nil {
		wait := jitter(inboxWait)
		if t.fails > 0 {
			wait = inboxAgain
		}
		has, err := r.awaitInbox(ctx, wait)
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
			r.inbox.Lock()
			r.admit(ctx)
			r.inbox.Unlock()
		}
	}
}

func (r *Replica) awaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+r.callTimeout)
	defer cancel()
	return r.store.AwaitInbox(ctx, wait)
}

// admit takes batch after batch until the inbox is empty. The caller holds the
// inbox mutex.
func (r *Replica) admit(ctx context.Context) {
	t := retry{outage: r.outages, op: "admit inbox"}
	for more := true; more && ctx.Err() == nil; {
		r.insist(ctx, &t, func(ctx context.Context) (err error) {
			more, err = r.store.AdmitInbox(ctx)
			return err
		})
	}
}
