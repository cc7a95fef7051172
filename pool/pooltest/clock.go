package pooltest

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// clock is the pool's clock: the program's clock plus the sum of all Advance calls.
type clock struct {
	redis *miniredis.Miniredis

	mu     sync.Mutex
	offset time.Duration
}

// sync sets the time that the next command sees.
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

// Now returns the time of the pool's clock, by which tasks are scheduled: the program's
// clock plus the sum of all Advance calls, truncated to milliseconds.
func (p *Pool) Now() time.Time {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	return time.UnixMilli(time.Now().Add(p.clock.offset).UnixMilli())
}

// Advance moves the pool's clock forward by d and runs maintenance: waiting tasks
// expire, tasks whose retention has passed are removed, and leases of pools that no
// longer run end. Delayed tasks and retries can then start: a Drain runs them; a
// started pool runs them by itself.
//
// Inside testing/synctest Advance sleeps, so that timeouts of running handlers pass,
// too. A started pool runs during all of that time, which takes about a second of real
// time per hour, ten with a Config.Lease of a second, and five times that with -race. A
// pool that is only drained takes no real time.
//
// Outside testing/synctest the clock of handlers cannot be moved: Advance fails the
// test if a task is running.
func (p *Pool) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	if d < 0 {
		t.Fatalf("pooltest: advance by %v: must not be negative", d)
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
			t.Fatalf("pooltest: advance by %v while %d tasks are running: their leases would end. Run the test inside testing/synctest", d, s.Running)
		}
		p.clock.add(d)
	}
	p.maintenance(t)
}

// maintenance runs turns of maintenance until none has more to do.
func (p *Pool) maintenance(t testing.TB) {
	t.Helper()
	for {
		u, err := p.store.Maintain(t.Context(), "")
		if err != nil {
			t.Fatalf("pooltest: maintenance: %v", err)
		}
		// A turn is bounded. If it leaves work, Next is at most 1 ms.
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
