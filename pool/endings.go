package pool

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// endings signals the ends of tasks to the calls that wait for them. One goroutine reads
// the event stream for all of them, as long as there is one and for lingering longer: a
// caller that waits for one task after the other has one reader, and one connection, for
// all of them.
type endings struct {
	store Store
	log   *slog.Logger

	mu     sync.Mutex
	feed   *feed // nil while there is none
	closed bool  // a feed without waiters ends at once
}

// lingering is how long the stream is read on after the last waiter has left.
const lingering = time.Second

// feed is one run of the reading goroutine. Its fields are guarded by the mutex
// of its endings.
type feed struct {
	waiters map[string]map[*waiter]bool // by task id
	ready   chan struct{}               // closed when the position in the stream is known
	cancel  context.CancelFunc
	leaving *time.Timer // ends it if no waiter comes; nil while one waits
}

// waiter is one caller's interest in the end of one task.
type waiter struct {
	of   *endings
	feed *feed
	id   string
	note chan struct{} // has an element when there is updates

	// The updates, guarded by the mutex of endings.
	event  *Event // the newest end seen
	reread bool   // ends may have been missed: read the task again
	err    error  // nothing will come any more
}

// join begins to listen for the end of a task. Every end that happens after it
// has returned reaches the waiter, so that reading the task next leaves no gap.
// It fails if the store cannot be read, or ctx ends.
func (l *endings) join(ctx context.Context, id string) (*waiter, error) {
	w := &waiter{of: l, id: id, note: make(chan struct{}, 1)}
	l.mu.Lock()
	if l.feed == nil {
		run, cancel := context.WithCancel(context.Background())
		l.feed = &feed{waiters: map[string]map[*waiter]bool{}, ready: make(chan struct{}), cancel: cancel}
		go l.run(run, l.feed)
	}
	w.feed = l.feed
	if w.feed.leaving != nil {
		w.feed.leaving.Stop()
		w.feed.leaving = nil
	}
	if w.feed.waiters[id] == nil {
		w.feed.waiters[id] = map[*waiter]bool{}
	}
	w.feed.waiters[id][w] = true
	l.mu.Unlock()

	select {
	case <-w.feed.ready:
		return w, nil
	case <-w.note:
		select {
		case <-w.feed.ready:
			w.signal() // it is for later
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

// leave ends the interest. The last of a feed's waiters leaves it to linger.
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

// linger ends the feed unless a waiter comes soon. The caller holds the mutex.
func (l *endings) linger(f *feed) {
	if l.closed {
		l.drop(f)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(lingering, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if f.leaving == timer {
			l.drop(f)
		}
	})
	f.leaving = timer
}

// dropUnused ends a feed without waiters, and reports whether it did.
func (l *endings) dropUnused(f *feed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(f.waiters) > 0 {
		return false
	}
	l.drop(f)
	return true
}

// close ends a feed that lingers. One with waiters goes on.
func (l *endings) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.feed != nil && l.feed.leaving != nil {
		l.drop(l.feed)
	}
}

// take returns the updates and forgets them.
func (w *waiter) take() (e *Event, reread bool, err error) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	e, reread = w.event, w.reread
	w.event, w.reread = nil, false
	return e, reread, w.err
}

// drop ends a feed. The next waiter begins a new one.
func (l *endings) drop(f *feed) {
	f.cancel()
	if l.feed == f {
		l.feed = nil
	}
}

// run reads the stream until ctx ends or nothing more can be read.
func (l *endings) run(ctx context.Context, f *feed) {
	at, err := l.store.LastEvent(ctx)
	if err == nil {
		close(f.ready)
		err = l.follow(ctx, f, at)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(f)
	f.all(func(w *waiter) { w.err = err })
}

func (l *endings) follow(ctx context.Context, f *feed, at string) error {
	out := outage{log: l.log, what: "read events"}
	gap := false // events may have passed unseen
	for ctx.Err() == nil {
		if gap {
			// Reading on from the end is soonest up to date; the tasks
			// themselves say what passed before it.
			last, err := l.store.LastEvent(ctx)
			if err != nil {
				if err := out.pause(ctx, err); err != nil {
					return err
				}
				continue
			}
			at, gap = last, false
			l.mu.Lock()
			f.all(func(w *waiter) { w.reread = true })
			l.mu.Unlock()
		}
		page, err := l.store.ReadEvents(ctx, at, eventPage, eventWait)
		var trimmed *TrimmedError
		switch {
		case errors.As(err, &trimmed):
			gap = true
			continue
		case err != nil && l.dropUnused(f):
			return err // no waiter is concerned
		case err != nil:
			if err := out.pause(ctx, err); err != nil {
				return err
			}
			// A server that failed over may have lost events, or their order.
			gap = true
			continue
		}
		out.over()
		if len(page) == 0 {
			continue
		}
		at = page[len(page)-1].Cursor
		l.mu.Lock()
		for _, e := range page {
			if e.State.Terminal() {
				f.ended(e)
			}
		}
		l.mu.Unlock()
	}
	return ctx.Err()
}

// ended gives the end of a task to its waiters.
func (f *feed) ended(e Event) {
	for w := range f.waiters[e.ID] {
		w.event = &e
		w.signal()
	}
}

// all gives every waiter the same updates.
func (f *feed) all(updates func(*waiter)) {
	for _, ws := range f.waiters {
		for w := range ws {
			updates(w)
			w.signal()
		}
	}
}

func (w *waiter) signal() {
	select {
	case w.note <- struct{}{}:
	default:
	}
}
