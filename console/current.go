package console

import (
	"context"
	"sync"
	"time"
)

const (
	// fresh is how long a value of a pool is shown to all viewers before it is read again. After
	// an event it is read again at once, but not twice within apart.
	fresh = time.Second
	apart = 250 * time.Millisecond
	// patience is how long one read of a pool may take.
	patience = 5 * time.Second
	// mostCurrent is how many lists, and how many tasks, of a pool are shared at a time.
	mostCurrent = 500
)

// current is a value of a pool that viewers share. It is at most a second old and has all changes
// whose events the hub has read.
type current[T any] struct {
	mu      sync.Mutex
	last    *reading[T] // the newest one without an error; nil before the first
	reading *reading[T] // the one that is under way; nil for none
}

// reading is a read of a value.
type reading[T any] struct {
	done         chan struct{}
	begun, ended time.Time
	value        T
	err          error
}

// get returns the value. Viewers who ask while it is read share that read, or the next one, and
// also its error. The read belongs to all viewers: it does not end with a request, so read must not
// use one.
func (c *current[T]) get(ctx context.Context, h *hub, read func(context.Context) (T, error)) (value T, err error) {
	asked := time.Now()
	for {
		c.mu.Lock()
		if last := c.last; last != nil && time.Since(last.ended) < fresh && h.changed.Load() < last.begun.UnixNano() {
			c.mu.Unlock()
			return last.value, nil
		}
		r := c.reading
		if r == nil {
			r = &reading[T]{done: make(chan struct{})}
			c.reading = r
			go c.run(r, c.last, read)
		}
		c.mu.Unlock()
		select {
		case <-r.done:
		case <-ctx.Done():
			return value, ctx.Err()
		}
		if r.err != nil || r.begun.After(asked) {
			return r.value, r.err
		}
	}
}

func (c *current[T]) run(r, last *reading[T], read func(context.Context) (T, error)) {
	if last != nil {
		time.Sleep(apart - time.Since(last.ended)) // a busy pool is read only so often
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.begun = time.Now()
	r.value, r.err = read(ctx)
	r.ended = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading = nil; r.err == nil {
		c.last = r
	}
	close(r.done)
}

// old reports whether the value would be read again, and is not.
func (c *current[T]) old() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reading == nil && (c.last == nil || time.Since(c.last.ended) > fresh)
}

// currents are values by a key, such as a query.
type currents[T any] struct {
	mu    sync.Mutex
	byKey map[string]*current[T]
}

// get returns the value of a key. While the hub reads events, viewers share the value until an event makes
// it old. Otherwise it is read for each request.
func (c *currents[T]) get(ctx context.Context, h *hub, key string, read func(context.Context) (T, error)) (T, error) {
	if h.followed() {
		return c.share(ctx, h, key, read)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return read(ctx)
}

// share returns the value of a key, which viewers share also while the hub reads no events.
func (c *currents[T]) share(ctx context.Context, h *hub, key string, read func(context.Context) (T, error)) (T, error) {
	if shared := c.of(key); shared != nil {
		return shared.get(ctx, h, read)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return read(ctx)
}

// of returns the value of a key, nil if too many are in use.
func (c *currents[T]) of(key string) *current[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.byKey[key]; found != nil {
		return found
	}
	if len(c.byKey) >= mostCurrent {
		for key, other := range c.byKey {
			if other.old() {
				delete(c.byKey, key)
			}
		}
		if len(c.byKey) >= mostCurrent {
			return nil
		}
	}
	if c.byKey == nil {
		c.byKey = map[string]*current[T]{}
	}
	c.byKey[key] = &current[T]{}
	return c.byKey[key]
}
