package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/ltsworker/ltsworker/task"
)

// The bounds of one call to Store.Enqueue.
const (
	maxBatch      = 500     // specs: one script then runs for about a millisecond
	maxBatchBytes = 4 << 20 // of payloads and headers; one spec always fits
	maxCalls      = 2       // in flight at once: one is encoded while the other is executed; more calls would only make smaller batches
)

// committer lets concurrent enqueues share calls (group commit). While fewer than
// maxCalls are in flight, a call starts at once, so a single enqueue is not delayed.
// Enqueues that arrive meanwhile are sent together when a call returns. Its goroutines
// end when nothing is pending.
type committer struct {
	enqueue func(context.Context, []task.Spec) ([]task.Receipt, error)

	mu      sync.Mutex
	pending []*commit // not yet sent, oldest first
	calls   int       // in flight
	idle    []*batch  // reused by the next calls, at most maxCalls
}

// commit is one pending or running enqueue.
type commit struct {
	ctx  context.Context
	spec task.Spec
	done chan struct{} // closed when receipt and err are set

	receipt task.Receipt
	err     error

	// shared is set while the commit is part of a call with other commits.
	shared *sharedCall
}

// commitPool holds unused commits for reuse.
var commitPool = sync.Pool{New: func() any { return new(commit) }}

// sharedCall cancels a call when none of its callers waits for it any more. The mutex
// of the committer guards it.
type sharedCall struct {
	waiting int
	cancel  context.CancelFunc
}

// batch is the content of one call.
type batch struct {
	commits []*commit
	specs   []task.Spec // one per commit
	ctx     context.Context
	cancel  context.CancelFunc // nil if ctx is the context of the only caller
}

// one enqueues spec, possibly in one call with those of other callers. If ctx ends
// first it returns at once; the task may be made nevertheless.
func (c *committer) one(ctx context.Context, spec task.Spec) (task.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return task.Receipt{}, fmt.Errorf("enqueue: %w", err)
	}
	m := commitPool.Get().(*commit)
	m.ctx, m.spec = ctx, spec
	m.done = make(chan struct{}) // not reused: it may belong to a bubble of testing/synctest
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
		c.withdraw(m)
		return task.Receipt{}, fmt.Errorf("enqueue: %w", ctx.Err())
	}
	r, err := m.receipt, m.err
	*m = commit{}
	commitPool.Put(m)
	if err != nil && r.ID == "" {
		// A call for one commit has the caller's deadline. It may fail with a timeout
		// a moment before the context ends.
		if over := ended(ctx); over != nil {
			err = fmt.Errorf("enqueue: %w", over)
		}
	}
	return r, err
}

// withdraw records that the caller of m no longer waits.
func (c *committer) withdraw(m *commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.shared == nil {
		return // take drops m, or the call uses the context of m
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
			err = receiptCountError(len(receipts), len(b.specs))
		}
		for i, m := range b.commits {
			if i < len(receipts) {
				m.receipt = receipts[i] // with an error, a receipt means: made, but not replicated as requested
			}
			m.err = err
			close(m.done) // from here on the caller owns the commit
		}
	}
}

// take moves the oldest pending commits into a batch and returns it. b is the batch of
// the sender's last call, for reuse; nil at first. If nothing is pending, take returns
// nil, and the sender, which then ends, no longer counts as a call.
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

// share sets the context of the batch's call. A single commit's call uses its context.
// A call with several has the values of the first one's context (such as a trace) and
// is cancelled when none of the callers waits any more. The caller holds the mutex.
func (b *batch) share() {
	b.ctx = b.commits[0].ctx
	if len(b.commits) == 1 {
		return
	}
	b.ctx = context.WithoutCancel(b.ctx)
	for _, m := range b.commits {
		if m.ctx.Done() == nil {
			return // this caller always waits
		}
	}
	b.ctx, b.cancel = context.WithCancel(b.ctx)
	shared := &sharedCall{waiting: len(b.commits), cancel: b.cancel}
	for _, m := range b.commits {
		m.shared = shared
	}
}
