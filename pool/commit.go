package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/ltsworker/ltsworker/worker"
)

// The bounds of one call to Store.Enqueue.
const (
	maxBatch      = 500     // specs: keeps one script in the order of a millisecond
	maxBatchBytes = 4 << 20 // of payloads and headers; one spec always fits
	maxCalls      = 2       // in flight at once: one is encoded while the other is executed, more only make smaller batches
)

// committer lets concurrent enqueues share calls (group commit). A call begins
// at once while fewer than maxCalls are in flight, so a lone enqueue is not
// delayed; enqueues that arrive meanwhile leave together when one returns. Its
// goroutines live only as long as there is something to send.
type committer struct {
	enqueue func(context.Context, []worker.Spec) ([]worker.Receipt, error)

	mu      sync.Mutex
	pending []*commit // not yet sent, oldest first
	calls   int       // in flight
}

// commit is one enqueue on its way.
type commit struct {
	ctx  context.Context
	spec worker.Spec
	done chan struct{} // closed when receipt and err are set

	receipt worker.Receipt
	err     error

	// call is the one it is part of, nil while it is pending.
	call *call
}

// call is one call to the store. It is cancelled when nobody waits for it.
type call struct {
	waiting int
	cancel  context.CancelFunc
}

// one enqueues spec, together with those of other callers. When ctx ends first
// it returns at once, although the task may still be made.
func (c *committer) one(ctx context.Context, spec worker.Spec) (worker.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return worker.Receipt{}, fmt.Errorf("enqueue: %w", err)
	}
	m := &commit{ctx: ctx, spec: spec, done: make(chan struct{})}
	c.mu.Lock()
	c.pending = append(c.pending, m)
	if c.calls < maxCalls {
		c.calls++
		go c.send()
	}
	c.mu.Unlock()

	select {
	case <-m.done:
		return m.receipt, m.err
	case <-ctx.Done():
		c.leave(m)
		return worker.Receipt{}, fmt.Errorf("enqueue: %w", ctx.Err())
	}
}

// leave is called for a commit that nobody waits for any more.
func (c *committer) leave(m *commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.call == nil {
		return // take drops it
	}
	if m.call.waiting--; m.call.waiting == 0 {
		m.call.cancel()
	}
}

// send makes calls until nothing is pending.
func (c *committer) send() {
	for {
		batch, ctx, cancel := c.take()
		if len(batch) == 0 {
			return
		}
		specs := make([]worker.Spec, len(batch))
		for i, m := range batch {
			specs[i] = m.spec
		}
		receipts, err := c.enqueue(ctx, specs)
		cancel()
		if err == nil && len(receipts) != len(specs) {
			err = miscounted(len(receipts), len(specs))
		}
		for i, m := range batch {
			if i < len(receipts) {
				m.receipt = receipts[i] // also beside an error: then it exists, but not as safely as was asked for
			}
			m.err = err
			close(m.done)
		}
	}
}

// take removes the next batch from the pending commits. An empty one says that
// the sender is to end, and has already been counted off.
func (c *committer) take() ([]*commit, context.Context, context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch []*commit
	var bytes, n int
	for _, m := range c.pending {
		if m.ctx.Err() == nil {
			size := specBytes(m.spec)
			if len(batch) == maxBatch || len(batch) > 0 && bytes+size > maxBatchBytes {
				break
			}
			batch = append(batch, m)
			bytes += size
		}
		n++
	}
	clear(c.pending[:n])
	c.pending = c.pending[n:]
	if len(c.pending) == 0 {
		c.pending = nil
	}
	if len(batch) == 0 {
		c.calls--
		return nil, nil, nil
	}
	// The first caller lends its values (a trace, say), not its end.
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	shared := &call{waiting: len(batch), cancel: cancel}
	for _, m := range batch {
		m.call = shared
	}
	return batch, ctx, cancel
}
