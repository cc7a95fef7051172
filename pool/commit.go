package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/ltsworker/ltsworker/task"
)

// The bounds of one call to Store.Enqueue.
const (
	maxBatch      = 500     // specs: keeps one script in the order of a millisecond
	maxBatchBytes = 4 << 20 // of payloads and headers; one spec always fits
	maxCalls      = 2       // in flight at once: one is encoded while the other is executed, more only make smaller batches
)

// committer lets concurrent enqueues share calls (group commit). A call begins at once
// while fewer than maxCalls are in flight, so a lone enqueue is not delayed; enqueues
// that arrive meanwhile are sent together when one returns. Its goroutines live only
// as long as there is something to send.
type committer struct {
	enqueue func(context.Context, []task.Spec) ([]task.Receipt, error)

	mu      sync.Mutex
	pending []*commit // not yet sent, oldest first
	calls   int       // in flight
	idle    []*batch  // kept for the next calls, at most maxCalls
}

// commit is one enqueue on its way.
type commit struct {
	ctx  context.Context
	spec task.Spec
	done chan struct{} // closed when receipt and err are set

	receipt task.Receipt
	err     error

	// shared is the call that it is part of together with others, nil while it is
	// pending and for a call of its own.
	shared *sharedCall
}

// commits are those that are not in use.
var commits = sync.Pool{New: func() any { return new(commit) }}

// sharedCall cancels a call when none of its callers waits for it. The mutex of the
// committer guards it.
type sharedCall struct {
	waiting int
	cancel  context.CancelFunc
}

// batch is what one call enqueues.
type batch struct {
	commits []*commit
	specs   []task.Spec // those of the commits
	ctx     context.Context
	cancel  context.CancelFunc // nil for a context that is not the batch's own
}

// one enqueues spec, together with those of other callers. When ctx ends first it
// returns at once, although the task may still be made.
func (c *committer) one(ctx context.Context, spec task.Spec) (task.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return task.Receipt{}, fmt.Errorf("enqueue: %w", err)
	}
	m := commits.Get().(*commit)
	m.ctx, m.spec = ctx, spec
	m.done = make(chan struct{}) // never used again: it may belong to a bubble of testing/synctest
	c.mu.Lock()
	c.pending = append(c.pending, m)
	free := c.calls < maxCalls
	if free {
		c.calls++
	}
	c.mu.Unlock()
	if free {
		go c.send()
	}

	select {
	case <-m.done:
	case <-ctx.Done():
		c.leave(m)
		return task.Receipt{}, fmt.Errorf("enqueue: %w", ctx.Err())
	}
	r, err := m.receipt, m.err
	*m = commit{}
	commits.Put(m)
	if err != nil && r.ID == "" {
		// A call of its own has the caller's deadline, and may fail at it a moment
		// before the context ends.
		if over := ended(ctx); over != nil {
			err = fmt.Errorf("enqueue: %w", over)
		}
	}
	return r, err
}

// leave is called for a commit whose caller does not wait any more.
func (c *committer) leave(m *commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.shared == nil {
		return // take drops it, or its call has its context
	}
	if m.shared.waiting--; m.shared.waiting == 0 {
		m.shared.cancel()
	}
}

// send makes calls until nothing is pending.
func (c *committer) send() {
	for b := c.take(nil); b != nil; b = c.take(b) {
		receipts, err := c.enqueue(b.ctx, b.specs)
		if b.cancel != nil {
			b.cancel()
		}
		if err == nil && len(receipts) != len(b.specs) {
			err = miscounted(len(receipts), len(b.specs))
		}
		for i, m := range b.commits {
			if i < len(receipts) {
				m.receipt = receipts[i] // also beside an error: then it exists, but not as safely as was asked for
			}
			m.err = err
			close(m.done) // from here on the commit is the caller's
		}
	}
}

// take moves the oldest pending commits into a batch: that of the sender's last call,
// nil at first. With none pending it returns nil, and the sender, which then ends, is
// counted off.
func (c *committer) take(b *batch) *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.idle) - 1; b == nil && last >= 0 {
		b, c.idle = c.idle[last], c.idle[:last]
	} else if b == nil {
		b = &batch{}
	}
	clear(b.commits)
	clear(b.specs)
	*b = batch{commits: b.commits[:0], specs: b.specs[:0]}

	var bytes, n int
	for _, m := range c.pending {
		if m.ctx.Err() == nil {
			size := specBytes(&m.spec)
			if len(b.specs) == maxBatch || len(b.specs) > 0 && bytes+size > maxBatchBytes {
				break
			}
			b.commits, b.specs = append(b.commits, m), append(b.specs, m.spec)
			bytes += size
		}
		n++
	}
	left := copy(c.pending, c.pending[n:])
	clear(c.pending[left:])
	c.pending = c.pending[:left]
	if len(b.specs) == 0 {
		c.calls--
		c.idle = append(c.idle, b)
		return nil
	}
	b.share()
	return b
}

// share sets the context of the batch's call. That of a lone caller is its own; that
// of several has the values of the first (a trace, say), and ends when none of them
// waits any more. The caller holds the mutex.
func (b *batch) share() {
	b.ctx = b.commits[0].ctx
	if len(b.commits) == 1 {
		return
	}
	b.ctx = context.WithoutCancel(b.ctx)
	for _, m := range b.commits {
		if m.ctx.Done() == nil {
			return // its caller waits in any case
		}
	}
	b.ctx, b.cancel = context.WithCancel(b.ctx)
	shared := &sharedCall{waiting: len(b.commits), cancel: b.cancel}
	for _, m := range b.commits {
		m.shared = shared
	}
}
