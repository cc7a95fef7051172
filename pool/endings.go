package pool

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// endings signals the ends of tasks to the calls that wait for them. One goroutine,
// with one connection, reads the event stream for all of them. It runs while there is a
// waiter and for feedLinger longer, so that a caller that waits for one task after
// another does not start a reader for each.
type endings struct {
	store Store
	log   *slog.Logger

	mu     sync.Mutex
	feed   *feed // nil while no goroutine reads
	closed bool  // end a feed at once when it has no waiters
}

// feedLinger is how long the stream is read after the last waiter has left.
const feedLinger = time.Second

// feed is one run of the reading goroutine. The mutex of endings guards its fields.
type feed struct {
	waiters map[string]map[*waiter]bool // by task id
	ready   chan struct{}               // closed when the position in the stream is known
	cancel  context.CancelFunc
	expiry  *time.Timer // ends the feed unless a waiter joins; nil while one waits
}

// waiter is one call that waits for the end of one task.
type waiter struct {
	of      *endings
	feed    *feed
	id      string
	updated chan struct{} // has an element if there is an update

	// The update, guarded by the mutex of endings.
	event  *Event // the newest end that was read
	reread bool   // ends may have been missed: the caller must read the task again
	err    error  // the feed has ended
}

// join starts to listen for the end of a task. Every end after join has returned
// reaches the waiter, so reading the task next leaves no gap. It fails if the store
// cannot be read or ctx ends.
func (l *endings) join(ctx context.Context, id string) (*waiter, error) {
	w := &waiter{of: l, id: id, updated: make(chan struct{}, 1)}
	l.mu.Lock()
	if l.feed == nil {
		run, cancel := context.WithCancel(context.Background())
		l.feed = &feed{waiters: map[string]map[*waiter]bool{}, ready: make(chan struct{}), cancel: cancel}
		go l.run(run, l.feed)
	}
	w.feed = l.feed
	if w.feed.expiry != nil {
		w.feed.expiry.Stop()
		w.feed.expiry = nil
	}
	if w.feed.waiters[id] == nil {
		w.feed.waiters[id] = map[*waiter]bool{}
	}
	w.feed.waiters[id][w] = true
	l.mu.Unlock()

	select {
	case <-w.feed.ready:
		return w, nil
	case <-w.updated:
		select {
		case <-w.feed.ready:
			w.signal() // the caller takes it later
			return w, nil
		default:
		}
		// A feed that is not ready signals only an error.
		w.leave()
		_, _, err := w.take()
		return nil, err
	case <-ctx.Done():
		w.leave()
		return nil, ctx.Err()
	}
}

// leave removes the waiter. A feed without waiters lingers.
func (w *waiter) leave() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	f := w.feed
	delete(f.waiters[w.id], w)
	if len(f.waiters[w.id]) == 0 {
		delete(f.waiters, w.id)
	}
	if len(f.waiters) == 0 && w.of.feed == f {
		w.of.linger(f)
	}
}

// linger ends the feed after feedLinger unless a waiter joins. The caller holds the
// mutex.
func (l *endings) linger(f *feed) {
	if l.closed {
		l.drop(f)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(feedLinger, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if f.expiry == timer {
			l.drop(f)
		}
	})
	f.expiry = timer
}

// dropUnused ends a feed without waiters and reports whether it did.
func (l *endings) dropUnused(f *feed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(f.waiters) > 0 {
		return false
	}
	l.drop(f)
	return true
}

// close ends a feed that lingers. A feed with waiters goes on until they have left.
func (l *endings) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.feed != nil && l.feed.expiry != nil {
		l.drop(l.feed)
	}
}

// take returns the update and clears it.
func (w *waiter) take() (e *Event, reread bool, err error) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	e, reread = w.event, w.reread
	w.event, w.reread = nil, false
	return e, reread, w.err
}

// drop ends a feed. The next waiter starts a new one. The caller holds the mutex.
func (l *endings) drop(f *feed) {
	f.cancel()
	if l.feed == f {
		l.feed = nil
	}
}

// run reads the stream until ctx ends or reading fails for good.
func (l *endings) run(ctx context.Context, f *feed) {
	at, err := l.store.LastEvent(ctx)
	if err == nil {
		close(f.ready)
		err = l.follow(ctx, f, at)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(f)
	f.updateAll(func(w *waiter) { w.err = err })
}

func (l *endings) follow(ctx context.Context, f *feed, at string) error {
	out := outage{log: l.log, what: "read events"}
	gap := false // events may have been missed
	for ctx.Err() == nil {
		if gap {
			// Continue at the end of the stream, which is up to date at once. The
			// waiters read their tasks again for what they missed.
			last, err := l.store.LastEvent(ctx)
			if err != nil {
				if err := out.pause(ctx, err); err != nil {
					return err
				}
				continue
			}
			at, gap = last, false
			l.mu.Lock()
			f.updateAll(func(w *waiter) { w.reread = true })
			l.mu.Unlock()
		}
		page, err := l.store.ReadEvents(ctx, at, eventPage, eventWait)
		var trimmed *TrimmedError
		switch {
		case errors.As(err, &trimmed):
			gap = true
			continue
		case err != nil && l.dropUnused(f):
			return err // no waiter needs the error
		case err != nil:
			if err := out.pause(ctx, err); err != nil {
				return err
			}
			// A failover may have lost or reordered events.
			gap = true
			continue
		}
		out.recovered()
		if len(page) == 0 {
			continue
		}
		at = page[len(page)-1].Cursor
		l.mu.Lock()
		for _, e := range page {
			if e.State.Terminal() {
				f.signalEnd(e)
			}
		}
		l.mu.Unlock()
	}
	return ctx.Err()
}

// signalEnd gives the end of a task to its waiters.
func (f *feed) signalEnd(e Event) {
	for w := range f.waiters[e.ID] {
		w.event = &e
		w.signal()
	}
}

// updateAll applies update to every waiter and signals it.
func (f *feed) updateAll(update func(*waiter)) {
	for _, ws := range f.waiters {
		for w := range ws {
			update(w)
			w.signal()
		}
	}
}

func (w *waiter) signal() {
	select {
	case w.updated <- struct{}{}:
	default:
	}
}
