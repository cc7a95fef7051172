package main

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// mono returns the machine's monotonic clock in ns. It is the same for all processes and for Node's
// hrtime.
func mono() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // every supported system has this clock
	}
	return ts.Nano()
}

// tally records the calls of the handlers of one process. Per task it costs one atomic operation
// per counter and no allocation.
type tally struct {
	seen        []atomic.Uint32
	handled     atomic.Int64
	repeats     atomic.Int64
	first, last atomic.Int64

	mu        sync.Mutex
	latencies []int64
}

func newTally(n int) *tally {
	return &tally{seen: make([]atomic.Uint32, (n+31)/32), latencies: make([]int64, 0, 1<<14)}
}

func (t *tally) handle(n int, sent int64) {
	now := mono()
	if n < 0 || n/32 >= len(t.seen) {
		t.repeats.Add(1) // the number was not assigned
		return
	}
	if bit := uint32(1) << (n % 32); t.seen[n/32].Or(bit)&bit != 0 {
		t.repeats.Add(1)
	}
	t.first.CompareAndSwap(0, now)
	t.last.Store(now)
	if sent != 0 {
		if sent == wholeSecond {
			sent = now/1000 - time.Now().UnixMicro()%1e6
		}
		t.mu.Lock()
		t.latencies = append(t.latencies, max(now/1000-sent, 0))
		t.mu.Unlock()
	}
	t.handled.Add(1)
}

func (t *tally) result() reply {
	r := reply{Handled: int(t.handled.Load()), Repeats: int(t.repeats.Load()), FirstNS: t.first.Load(), LastNS: t.last.Load()}
	for i := range t.seen {
		w := t.seen[i].Load()
		r.Seen = append(r.Seen, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Latencies = slices.Clone(t.latencies)
	return r
}

// exact reports whether the workers together ran each of n tasks once.
func exact(n int, results []reply) error {
	handled, repeats, distinct := 0, 0, 0
	var all []byte
	for _, r := range results {
		handled += r.Handled
		repeats += r.Repeats
		if len(r.Seen) > len(all) {
			all = append(all, make([]byte, len(r.Seen)-len(all))...)
		}
		for i, b := range r.Seen {
			repeats += bits.OnesCount8(all[i] & b)
			all[i] |= b
		}
	}
	for _, b := range all {
		distinct += bits.OnesCount8(b)
	}
	if handled != n || distinct != n || repeats != 0 {
		return fmt.Errorf("not exactly once: %d tasks enqueued, %d starts, %d different, %d repeated", n, handled, distinct, repeats)
	}
	return nil
}
