package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var consumerRules = []rule{
	{"GroupSharesTheEvents", groupSharesTheEvents},
	{"UnacknowledgedEventsGoToAnother", unacknowledgedEvents},
	{"NewGroupStartsAtTheEnd", newGroupStartsAtTheEnd},
	{"GroupBehindTheTrimIsReported", groupBehindTheTrim},
	{"HeldEventsThatWereTrimmedAreReported", heldEventsAreReported},
	{"EntryIsDeliveredWhole", entryIsDeliveredWhole},
	{"HeldEventsStayWithTheirConsumer", heldEventsStay},
	{"LagIsVisible", lagIsVisible},
	{"LeavingConsumerLosesNothing", leavingConsumer},
}

const idle = time.Hour

func (b *bundle) read(group, consumer string, limit int) []task.Event {
	b.Helper()
	es, trimmed, err := b.Store.ReadSubscription(b.ctx, group, consumer, limit, idle, 0)
	b.ok(err)
	if trimmed {
		b.Errorf("trimmed events are reported to %s", consumer)
	}
	return es
}

func cursors(es []task.Event) []string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = e.Cursor
	}
	return out
}

func groupSharesTheEvents(b *bundle) {
	b.read("g", "a", 1)
	b.read("h", "a", 1)
	for i := range 10 {
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	one, two := b.read("g", "a", 4), b.read("g", "b", 100)
	if len(one) != 4 || len(two) != 6 || one[0].ID != "t0" || two[0].ID != "t4" {
		b.Errorf("shares of %d and %d", len(one), len(two))
	}
	if other := b.read("h", "a", 100); len(other) != 10 {
		b.Errorf("another group got %d", len(other))
	}
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(one)...))
	b.ok(b.Store.AckEvents(b.ctx, "g"))
	if es := b.read("g", "a", 100); len(es) != 0 {
		b.Errorf("%d more", len(es))
	}
}

func unacknowledgedEvents(b *bundle) {
	b.read("g", "dead", 1)
	b.enqueue(task.Spec{ID: "x"})
	b.enqueue(task.Spec{ID: "y"})
	es := b.read("g", "dead", 10)
	b.ok(b.Store.AckEvents(b.ctx, "g", es[0].Cursor))
	b.passes(2 * time.Millisecond)
	es, _, err := b.Store.ReadSubscription(b.ctx, "g", "other", 10, time.Millisecond, 0)
	b.ok(err)
	if len(es) != 1 || es[0].ID != "y" {
		b.Errorf("taken over: %+v", es)
	}
	b.ok(b.Store.AckEvents(b.ctx, "g", es[0].Cursor))
	b.passes(2 * time.Millisecond)
	es, _, err = b.Store.ReadSubscription(b.ctx, "g", "third", 10, time.Millisecond, 0)
	b.ok(err)
	if len(es) != 0 {
		b.Errorf("acknowledged events are delivered again: %+v", es)
	}
}

func newGroupStartsAtTheEnd(b *bundle) {
	b.enqueue(task.Spec{ID: "old"})
	if es := b.read("g", "a", 10); len(es) != 0 {
		b.Errorf("events %+v", es)
	}
	b.enqueue(task.Spec{ID: "new"})
	if es := b.read("g", "b", 10); len(es) != 1 || es[0].ID != "new" {
		b.Errorf("events %+v", es)
	}
}

// exhaust reads until the stream is exhausted and returns how many events it read, and
// how many answers reported trimmed ones.
func (b *bundle) exhaust(group string, idle time.Duration) (read, gone int) {
	b.Helper()
	for {
		es, trimmed, err := b.Store.ReadSubscription(b.ctx, group, "a", 1000, idle, 0)
		b.ok(err)
		b.ok(b.Store.AckEvents(b.ctx, group, cursors(es)...))
		read += len(es)
		if trimmed {
			gone++
		}
		if len(es) == 0 && !trimmed {
			return read, gone
		}
	}
}

func groupBehindTheTrim(b *bundle) {
	b.join(task.Registration{Replica: "r", MaxEvent: 100})
	b.read("g", "a", 1)
	b.flood(2000)
	if _, gone := b.exhaust("g", time.Hour); gone != 1 {
		b.Errorf("the trimmed events are reported %d times, want once", gone)
	}
	b.enqueue(task.Spec{})
	if read, gone := b.exhaust("g", time.Hour); read != 1 || gone != 0 {
		b.Errorf("afterwards: %d read, %d times reported", read, gone)
	}
}

func heldEventsAreReported(b *bundle) {
	b.join(task.Registration{Replica: "r", MaxEvent: 100})
	b.read("g", "dead", 1)
	for _, id := range []string{"x", "y", "z"} {
		b.enqueue(task.Spec{ID: id})
	}
	if es := b.read("g", "dead", 10); len(es) != 3 {
		b.Fatalf("%d events", len(es))
	}
	b.flood(2000)
	b.passes(2 * time.Millisecond)
	if _, gone := b.exhaust("g", time.Millisecond); gone == 0 {
		b.Error("the trimmed events are not reported")
	}
	if lag, err := b.Store.SubscriptionLag(b.ctx, "g"); err != nil || lag.Pending != 0 {
		b.Errorf("%d pending, %v", lag.Pending, err)
	}
}

func lagIsVisible(b *bundle) {
	most := 1_000_000
	lag := func(unread, pending int) {
		b.Helper()
		got, err := b.Store.SubscriptionLag(b.ctx, "g")
		b.ok(err)
		want := task.Lag{Unread: unread, Pending: pending, MaxEvents: most}
		if b.Emulated {
			want.Unread = got.Unread
		}
		if got != want {
			b.Errorf("lag %+v, want %+v", got, want)
		}
	}
	lag(0, 0)
	b.read("g", "a", 1)
	for range 3 {
		b.enqueue(task.Spec{})
	}
	lag(3, 0)
	es := b.read("g", "a", 2)
	lag(1, 2)
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(es)...))
	lag(1, 0)
	most = 20_000
	b.join(task.Registration{Replica: "r", MaxEvent: most})
	lag(1, 0)
}

func leavingConsumer(b *bundle) {
	b.ok(b.Store.LeaveSubscription(b.ctx, "g", "a"))
	b.read("g", "a", 1)
	b.enqueue(task.Spec{ID: "x"})
	b.read("g", "a", 1)
	b.ok(b.Store.LeaveSubscription(b.ctx, "g", "a"))
	b.passes(2 * time.Millisecond)
	es, _, err := b.Store.ReadSubscription(b.ctx, "g", "b", 10, time.Millisecond, 0)
	b.ok(err)
	if !slices.ContainsFunc(es, func(e task.Event) bool { return e.ID == "x" }) {
		b.Errorf("the event that the leaving consumer held is not delivered: %+v", es)
	}
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(es)...))
	b.ok(b.Store.LeaveSubscription(b.ctx, "g", "b"))
}

// takeOver reads what other consumers have held for longer than a millisecond.
func (b *bundle) takeOver(group, consumer string) []task.Event {
	b.Helper()
	b.passes(2 * time.Millisecond)
	es, _, err := b.Store.ReadSubscription(b.ctx, group, consumer, 100, time.Millisecond, 0)
	b.ok(err)
	return es
}

func entryIsDeliveredWhole(b *bundle) {
	b.read("g", "a", 1)
	specs := make([]task.Spec, 60)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i)}
	}
	b.enqueueAll(specs...)
	one := b.read("g", "a", 1)
	two := b.read("g", "b", 1)
	if len(one)+len(two) != 60 || one[0].ID != "t0" || len(two) == 0 || two[len(two)-1].ID != "t59" {
		b.Fatalf("shares of %d and %d", len(one), len(two))
	}
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(one)...))
	again := b.takeOver("g", "c")
	if len(again) != len(two) || again[0].ID != two[0].ID {
		b.Errorf("%d events are taken over, want the %d of the entry that was not acknowledged", len(again), len(two))
	}
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(again)...))
	if es := b.takeOver("g", "d"); len(es) != 0 {
		b.Errorf("%d more events", len(es))
	}
}

func heldEventsStay(b *bundle) {
	b.read("g", "slow", 1)
	b.enqueue(task.Spec{ID: "x"})
	b.enqueue(task.Spec{ID: "y"})
	es := b.read("g", "slow", 10)
	if len(es) != 2 {
		b.Fatalf("%d events", len(es))
	}
	b.passes(patient)
	b.ok(b.Store.HoldEvents(b.ctx, "g", "slow", es[1].Cursor, "1-1"))
	b.ok(b.Store.HoldEvents(b.ctx, "g", "slow"))
	other, _, err := b.Store.ReadSubscription(b.ctx, "g", "other", 10, patient, 0)
	b.ok(err)
	if len(other) != 1 || other[0].ID != "x" {
		b.Errorf("taken over: %+v, want x alone", other)
	}
	if es := b.takeOver("g", "third"); len(es) != 2 {
		b.Errorf("taken over later: %+v", es)
	}
}
