package worker

import (
	"context"
	"sync"
	"time"
)

// lazyContext is the context of an attempt. It creates a context of package context
// only when one is needed: for Done, and for the cause after a cancellation. Most short
// handlers need none.
type lazyContext struct {
	base context.Context // has the values; never cancelled

	mu    sync.Mutex
	cause error           // nil until the context is cancelled
	inner context.Context // created by real
	stop  context.CancelCauseFunc
}

func (c *lazyContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (c *lazyContext) Done() <-chan struct{} { return c.real().Done() }

func (c *lazyContext) Err() error {
	if c.reason() == nil {
		return nil
	}
	return context.Canceled
}

// Value also serves context.Cause and derived contexts. They look up the context of
// package context by a key that only that package has. They do so after Done or, to
// read the cause, after the cancellation.
func (c *lazyContext) Value(key any) any {
	c.mu.Lock()
	known := c.inner != nil || c.cause != nil
	c.mu.Unlock()
	if !known {
		return c.base.Value(key)
	}
	return c.real().Value(key)
}

// real returns the context of package context behind this one.
func (c *lazyContext) real() context.Context {
	c.mu.Lock()
	if c.inner == nil {
		c.inner, c.stop = context.WithCancelCause(c.base)
	}
	inner, stop, cause := c.inner, c.stop, c.cause
	c.mu.Unlock()
	if cause != nil {
		stop(cause) // without the mutex, because it may run code of derived contexts
	}
	return inner
}

// reason returns the cause of the cancellation; nil if there was none.
func (c *lazyContext) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// cancel ends the context. Only the first cause counts.
func (c *lazyContext) cancel(cause error) {
	c.mu.Lock()
	known := c.inner != nil
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	if known {
		c.real() // cancels it
	}
}
