// Package storetest is the conformance suite of pool.Store. Every store must pass it.
//
//	func TestStore(t *testing.T) { storetest.Run(t, newHarness) }
package storetest

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Harness is an empty pool with the means to write to its store as other programs do
// and to read what the pool.Store interface does not return.
type Harness struct {
	Store pool.Store
	// Peer is another client of the same pool, as in another process.
	Peer pool.Store
	// Now reads the store's clock.
	Now func(t testing.TB) time.Time
	// SetClock sets the store's clock to d after the real time of the call. The clock
	// may stop there. SetClock is nil if the store's clock cannot be set.
	SetClock func(t testing.TB, d time.Duration)
	// Push appends entries to the inbox.
	Push func(t testing.TB, entries ...string)
	// PushReports appends entries to the list of reports from outside.
	PushReports func(t testing.TB, entries ...string)
	// PushTriggers appends entries to the list of triggers that programs set.
	PushTriggers func(t testing.TB, entries ...string)
	// Rejects reads why inbox entries were rejected, oldest first.
	Rejects func(t testing.TB) []string
	// Signals removes the signals of the replica and returns them: "q:QUEUE", "stop",
	// "drain", "due" or "check".
	Signals func(t testing.TB, replica string) []string
	// Replies reads the reply list of an id, oldest first, and the time until it
	// expires.
	Replies func(t testing.TB, id string) (replies []string, expires time.Duration)
	// Traces lists everything in the store that contains the id, except the event
	// stream and the replies.
	Traces func(t testing.TB, id string) []string
	// SetSequence sets the counter that orders tasks of the same priority.
	SetSequence func(t testing.TB, n int64)
	// Takes reports whether the suite runs the rule of this name. Run runs all rules if it
	// is nil.
	Takes func(rule string) bool
	// Full runs the rules about large volumes at their full volume.
	Full bool
	// Emulated is set if the store runs on an emulation of its server. Large volumes
	// are then smaller, and the lag of consumer groups is not compared.
	Emulated bool
}

type rule struct {
	name string
	test func(*fixture)
}

// largeVolume lists the rules that need a large volume. An emulation takes a minute for
// each.
var largeVolume = map[string]bool{"RetentionByCountIsExact": true}

// Run runs the suite. Each test gets a pool of its own from newHarness.
func Run(t *testing.T, newHarness func(t testing.TB) Harness) {
	first := newHarness(t)
	for _, rules := range [][]rule{
		enqueueRules, uniqueRules, orderRules, scheduleRules, claimRules, batchRules, callRules, reportRules, inPlaceRules,
		retryPolicyRules, avoidRules, runNowRules, holdRules, changeRules, leaseRules, recountRules, limitRules, rateRules, onLimitRules, groupRules,
		noLimitRules, wakeRules, idleRules, signalRules, stopRules, logRules, slowRules, checkpointRules, metaRules,
		outsideRules, outsideReportRules, reportListRules, exportRules, jobRules, jobTokenRules, triggerRules, triggerInboxRules,
		labelRules, shardRules, shardEndRules, shardAgainRules, shardStaleRules, broadcastRules, broadcastEndRules, jobGoneRules, thenRules,
		operatorRules, retentionRules, inboxRules, rejectRules, replyRules, eventRules, consumerRules, stepRules, settingRules, statsRules,
		listRules, hostRules,
	} {
		for _, r := range rules {
			if first.Takes != nil && !first.Takes(r.name) {
				continue
			}
			if first.Emulated && largeVolume[r.name] {
				continue // a small volume would prove nothing
			}
			r.run(t, newHarness)
		}
	}
	if first.SetClock != nil {
		RunClock(t, newHarness)
	}
}

// RunClock runs only the rules about jumps of the store's clock. Run includes them if
// the harness has SetClock.
func RunClock(t *testing.T, newHarness func(t testing.TB) Harness) {
	for _, r := range clockRules {
		r.run(t, newHarness)
	}
}

func (r rule) run(t *testing.T, newHarness func(t testing.TB) Harness) {
	t.Run(r.name, func(t *testing.T) {
		t.Parallel()
		fx := newFixture(t, newHarness)
		r.test(fx)
		fx.checkTotals()
		fx.checkInspection()
	})
}
