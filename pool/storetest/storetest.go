// Package storetest is the conformance suite of pool.Store: every store has to
// pass it, in the same words.
//
//	func TestStore(t *testing.T) { storetest.Run(t, newHarness) }
package storetest

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Harness is one empty pool and the ways into it that a test needs beside the
// store itself: what other programs write, and what must not be left behind.
type Harness struct {
	Store pool.Store
	// Peer is another client of the same pool, such as another process has.
	Peer pool.Store
	// Now reads the store's clock.
	Now func(t testing.TB) time.Time
	// SetClock sets the store's clock to d after the real time of this call. It may
	// stop there. Nil if the store does not allow that.
	SetClock func(t testing.TB, d time.Duration)
	// Push appends entries to the inbox.
	Push func(t testing.TB, entries ...string)
	// Rejects reads why inbox entries were rejected, oldest first.
	Rejects func(t testing.TB) []string
	// Signals removes the elements of the replica's doorbell and returns them:
	// "q:QUEUE", "stop", "drain", "due" or "ring".
	Signals func(t testing.TB, replica string) []string
	// Replies reads the reply list of an id, oldest first, and when it expires from
	// now on.
	Replies func(t testing.TB, id string) (replies []string, expires time.Duration)
	// Traces lists everything in the store that mentions the id, without the
	// event stream and the replies.
	Traces func(t testing.TB, id string) []string
	// SetSequence sets the sequence that orders tasks of the same priority.
	SetSequence func(t testing.TB, n int64)
	// Full runs the rules about large volumes with all of it, not with a part.
	Full bool
	// Emulated says that the store runs on an emulation of its server: large
	// volumes are smaller, and the lag of consumer groups is not compared.
	Emulated bool
}

type rule struct {
	name string
	test func(*bundle)
}

// voluminous are the rules that only a large volume can test, and that take an
// emulation a minute.
var voluminous = map[string]bool{"RetentionByCountIsExact": true}

// Run runs the suite. Each test gets a pool of its own from newHarness.
func Run(t *testing.T, newHarness func(t testing.TB) Harness) {
	first := newHarness(t)
	for _, rules := range [][]rule{
		enqueueRules, uniqueRules, orderRules, scheduleRules, claimRules, batchRules, callRules, reportRules, retryPolicyRules,
		leaseRules, recountRules, limitRules, groupRules, wakeRules, idleRules, signalRules, stopRules, personRules,
		retentionRules, inboxRules, replyRules, eventRules, consumerRules, stepRules, settingRules, statsRules, listRules,
	} {
		for _, r := range rules {
			if first.Emulated && voluminous[r.name] {
				continue // not run, rather than run with too small a volume
			}
			r.run(t, newHarness)
		}
	}
	if first.SetClock != nil {
		RunClock(t, newHarness)
	}
}

// RunClock runs only the rules of jumps of the store's clock, which Run runs as well if
// the harness has SetClock.
func RunClock(t *testing.T, newHarness func(t testing.TB) Harness) {
	for _, r := range clockRules {
		r.run(t, newHarness)
	}
}

func (r rule) run(t *testing.T, newHarness func(t testing.TB) Harness) {
	t.Run(r.name, func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, newHarness)
		r.test(b)
		b.addsUp()
		b.sound()
	})
}
