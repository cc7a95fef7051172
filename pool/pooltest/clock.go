package pooltest

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// clock is the pool's clock: the program's, plus what Advance has added.
type clock struct {
	redis *miniredis.Miniredis

	mu     sync.Mutex
	offset time.Duration
}

// tick sets the time that the next command sees.
func (c *clock) sync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redis.SetTime(time.Now().Add(c.offset))
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	c.offset += d
	c.mu.Unlock()
	c.sync()
}

// Now is the time by the pool's clock, by which tasks become due. It is the
// program's clock plus what Advance has added to it, and truncated to milliseconds.
func (p *Pool) Now() time.Time {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	return time.UnixMilli(time.Now().Add(p.clock.offset).UnixMilli())
}

// Advance lets d pass by the pool's clock and does what is due then: tasks that
// waited too long expire, what has been kept long enough is removed, leases of
// pools that no longer run end. Delayed tasks and retries that became due can
// start: a Drain runs them, and a pool that has been started does so by itself.
//
// Inside testing/synctest it is a sleep, so that the timeouts of running handlers
// pass too. A pool that was started lives through all of it, which takes about a
// second of real time per hour, ten with a Config.Lease of a second, and five times
// that with -race; one that is only drained takes none. Elsewhere the
// clock of handlers cannot be moved, and Advance fails the test where one runs.
func (p *Pool) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	if d < 0 {
		t.Fatalf("pooltest: advance by %v: time does not go back", d)
	}
	if inBubble() {
		time.Sleep(d)
		synctest.Wait()
	} else {
		s, err := p.Stats(t.Context())
		if err != nil {
			t.Fatalf("pooltest: advance: %v", err)
		}
		if s.Running > 0 {
			t.Fatalf("pooltest: advance by %v while %d tasks are running: their handlers would lose their leases. Run the test inside testing/synctest", d, s.Running)
		}
		p.clock.add(d)
	}
	p.maintenance(t)
}

// maintenance does everything that is due and not a task's start.
func (p *Pool) maintenance(t testing.TB) {
	t.Helper()
	for {
		u, err := p.store.Maintain(t.Context(), "")
		if err != nil {
			t.Fatalf("pooltest: maintenance: %v", err)
		}
		// A turn is bounded. What it leaves it reports as due at once.
		if u.Next == 0 || u.Next > time.Millisecond {
			return
		}
	}
}

// inBubble reports whether the program's clock is the fake one of testing/synctest.
func inBubble() (yes bool) {
	defer func() { yes = recover() == nil }()
	synctest.Wait() // panics outside
	return true
}
