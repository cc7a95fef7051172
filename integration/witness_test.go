package integration

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// witness records what the handlers of a test observe, independently of Redis.
type witness struct {
	gauge
	mu     sync.Mutex
	starts []sighting
	done   map[string]int // by task: handlers that returned without an error
}

// sighting is one attempt that reached its handler.
type sighting struct {
	attempt
	fence int64
	at    time.Time
}

// handler sleeps for as many milliseconds as the task's payload says.
func (w *witness) handler(ctx context.Context, t *task.Task) ([]byte, error) {
	w.enter()
	defer w.exit()
	w.mu.Lock()
	w.starts = append(w.starts, sighting{attempt{t.ID, t.Attempt}, t.Fence, time.Now()})
	w.mu.Unlock()
	_, err := work(ctx, t)
	if err == nil {
		w.mu.Lock()
		if w.done == nil {
			w.done = map[string]int{}
		}
		w.done[t.ID]++
		w.mu.Unlock()
	}
	return nil, err
}

// count returns how many handlers have begun.
func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.starts)
}

// ran returns how many handlers of a task returned without an error.
func (w *witness) ran(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done[id]
}

// gap returns the longest time between two starts.
func (w *witness) gap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for i := 1; i < len(w.starts); i++ {
		longest = max(longest, w.starts[i].at.Sub(w.starts[i-1].at))
	}
	return longest
}

// after returns how long after a moment the next handler began, 0 if none has
// yet.
func (w *witness) after(moment time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.starts {
		if d := s.at.Sub(moment); d > 0 {
			return d
		}
	}
	return 0
}

// growing checks that the fences of the claims, as the handlers received them,
// grow in the order of the stream.
func (w *witness) growing(t testing.TB, stream []pool.Event) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	fences := map[attempt]int64{}
	for _, s := range w.starts {
		fences[s.attempt] = s.fence
	}
	var order fenceOrder
	for _, e := range stream {
		if fence := fences[attempt{e.ID, e.Attempt}]; isClaim(e) && fence > 0 { // otherwise no handler has its fence
			if last := order.next(e.Replica, e.At, fence); fence <= last {
				t.Errorf("task %s was claimed with fence %d after an earlier claim with fence %d", e.ID, fence, last)
			}
		}
	}
}

// unknown compares the handlers with the claims in the stream. It returns how
// many starts have no claim, how often two handlers of a task had the same
// fence, and how many tasks ran to their end more than once.
func (w *witness) unknown(stream []pool.Event) (claims, fences, again int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := map[attempt]int{}
	for _, e := range stream {
		if isClaim(e) {
			known[attempt{e.ID, e.Attempt}]++
		}
	}
	type start struct {
		task  string
		fence int64
	}
	seen := map[start]bool{}
	for _, s := range w.starts {
		if known[s.attempt]--; known[s.attempt] < 0 {
			claims++
		}
		at := start{s.task, s.fence}
		if seen[at] {
			fences++
		}
		seen[at] = true
	}
	for _, n := range w.done {
		if n > 1 {
			again++
		}
	}
	return claims, fences, again
}

func isClaim(e pool.Event) bool { return e.State == pool.Running && e.Code == "" }

// diary is a log that a test reads.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

func (d *diary) logger() *slog.Logger { return slog.New(slog.NewTextHandler(d, nil)) }
