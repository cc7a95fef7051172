package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var consumerRules = []rule{
	{"GroupSharesTheEvents", groupSharesTheEvents},
	{"UnacknowledgedEventsGoToAnotherConsumer", unacknowledgedEvents},
	{"NewGroupStartsAtTheEnd", newGroupStartsAtTheEnd},
	{"TrimmedEventsOfAGroupAreReported", groupBehindTheTrim},
	{"HeldEventsThatWereTrimmedAreReported", heldEventsAreReported},
	{"EntryIsDeliveredWhole", entryIsDeliveredWhole},
	{"HeldEventsStayWithTheirConsumer", heldEventsStay},
	{"LagIsVisible", lagIsVisible},
	{"LeavingConsumerLosesNothing", leavingConsumer},
}

const idle = time.Hour

func (fx *fixture) read(group, consumer string, limit int) []task.Event {
	fx.Helper()
	es, trimmed, err := fx.Store.ReadSubscription(fx.ctx, group, consumer, limit, idle, 0)
	fx.noError(err)
	if trimmed {
		fx.Errorf("trimmed events are reported to %s", consumer)
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

func groupSharesTheEvents(fx *fixture) {
	fx.read("g", "a", 1)
	fx.read("h", "a", 1)
	for i := range 10 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	one, two := fx.read("g", "a", 4), fx.read("g", "b", 100)
	if len(one) != 4 || len(two) != 6 || one[0].ID != "t0" || two[0].ID != "t4" {
		fx.Errorf("shares of %d and %d", len(one), len(two))
	}
	if other := fx.read("h", "a", 100); len(other) != 10 {
		fx.Errorf("another group got %d", len(other))
	}
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", cursors(one)...))
	fx.noError(fx.Store.AckEvents(fx.ctx, "g"))
	if es := fx.read("g", "a", 100); len(es) != 0 {
		fx.Errorf("%d more", len(es))
	}
}

func unacknowledgedEvents(fx *fixture) {
	fx.read("g", "dead", 1)
	fx.enqueue(task.Spec{ID: "x"})
	fx.enqueue(task.Spec{ID: "y"})
	es := fx.read("g", "dead", 10)
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", es[0].Cursor))
	fx.waitPast(2 * time.Millisecond)
	es, _, err := fx.Store.ReadSubscription(fx.ctx, "g", "other", 10, time.Millisecond, 0)
	fx.noError(err)
	if len(es) != 1 || es[0].ID != "y" {
		fx.Errorf("taken over: %+v", es)
	}
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", es[0].Cursor))
	fx.waitPast(2 * time.Millisecond)
	es, _, err = fx.Store.ReadSubscription(fx.ctx, "g", "third", 10, time.Millisecond, 0)
	fx.noError(err)
	if len(es) != 0 {
		fx.Errorf("acknowledged events are delivered again: %+v", es)
	}
}

func newGroupStartsAtTheEnd(fx *fixture) {
	fx.enqueue(task.Spec{ID: "old"})
	if es := fx.read("g", "a", 10); len(es) != 0 {
		fx.Errorf("events %+v", es)
	}
	fx.enqueue(task.Spec{ID: "new"})
	if es := fx.read("g", "b", 10); len(es) != 1 || es[0].ID != "new" {
		fx.Errorf("events %+v", es)
	}
}

// readAll reads to the end of the stream. It returns the number of events and the
// number of answers that reported trimmed events.
func (fx *fixture) readAll(group string, idle time.Duration) (read, losses int) {
	fx.Helper()
	for {
		es, trimmed, err := fx.Store.ReadSubscription(fx.ctx, group, "a", 1000, idle, 0)
		fx.noError(err)
		fx.noError(fx.Store.AckEvents(fx.ctx, group, cursors(es)...))
		read += len(es)
		if trimmed {
			losses++
		}
		if len(es) == 0 && !trimmed {
			return read, losses
		}
	}
}

func groupBehindTheTrim(fx *fixture) {
	fx.join(task.Registration{Replica: "r", MaxEvent: 100})
	fx.read("g", "a", 1)
	fx.writeEvents(2000)
	if _, losses := fx.readAll("g", time.Hour); losses != 1 {
		fx.Errorf("the trimmed events are reported %d times, want once", losses)
	}
	fx.enqueue(task.Spec{})
	if read, losses := fx.readAll("g", time.Hour); read != 1 || losses != 0 {
		fx.Errorf("afterwards: %d read, %d times reported", read, losses)
	}
}

func heldEventsAreReported(fx *fixture) {
	fx.join(task.Registration{Replica: "r", MaxEvent: 100})
	fx.read("g", "dead", 1)
	for _, id := range []string{"x", "y", "z"} {
		fx.enqueue(task.Spec{ID: id})
	}
	if es := fx.read("g", "dead", 10); len(es) != 3 {
		fx.Fatalf("%d events", len(es))
	}
	fx.writeEvents(2000)
	fx.waitPast(2 * time.Millisecond)
	if _, losses := fx.readAll("g", time.Millisecond); losses == 0 {
		fx.Error("the trimmed events are not reported")
	}
	if lags, _, err := fx.Store.SubscriptionLags(fx.ctx); err != nil || lags["g"].Pending != 0 {
		fx.Errorf("%d pending, %v", lags["g"].Pending, err)
	}
}

func lagIsVisible(fx *fixture) {
	most := 1_000_000
	lag := func(unread, pending int) {
		fx.Helper()
		lags, kept, err := fx.Store.SubscriptionLags(fx.ctx)
		fx.noError(err)
		got, want := lags["g"], task.Lag{Unread: unread, Pending: pending, MaxEvents: most}
		if fx.Emulated {
			want.Unread = got.Unread
		}
		if got != want || kept != most || len(lags) != 1 {
			fx.Errorf("lags %+v of %d events, want g: %+v", lags, kept, want)
		}
	}
	if lags, kept, err := fx.Store.SubscriptionLags(fx.ctx); err != nil || len(lags) != 0 || kept != most {
		fx.Errorf("lags %+v of %d events, %v, before the first subscription", lags, kept, err)
	}
	fx.read("g", "a", 1)
	lag(0, 0)
	for range 3 {
		fx.enqueue(task.Spec{})
	}
	lag(3, 0)
	es := fx.read("g", "a", 2)
	lag(1, 2)
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", cursors(es)...))
	lag(1, 0)
	most = 20_000
	fx.join(task.Registration{Replica: "r", MaxEvent: most})
	lag(1, 0)
}

func leavingConsumer(fx *fixture) {
	fx.noError(fx.Store.LeaveSubscription(fx.ctx, "g", "a"))
	fx.read("g", "a", 1)
	fx.enqueue(task.Spec{ID: "x"})
	fx.read("g", "a", 1)
	fx.noError(fx.Store.LeaveSubscription(fx.ctx, "g", "a"))
	fx.waitPast(2 * time.Millisecond)
	es, _, err := fx.Store.ReadSubscription(fx.ctx, "g", "b", 10, time.Millisecond, 0)
	fx.noError(err)
	if !slices.ContainsFunc(es, func(e task.Event) bool { return e.ID == "x" }) {
		fx.Errorf("the event that the leaving consumer held is not delivered: %+v", es)
	}
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", cursors(es)...))
	fx.noError(fx.Store.LeaveSubscription(fx.ctx, "g", "b"))
}

// takeOver reads the events that other consumers have held for longer than a
// millisecond.
func (fx *fixture) takeOver(group, consumer string) []task.Event {
	fx.Helper()
	fx.waitPast(2 * time.Millisecond)
	es, _, err := fx.Store.ReadSubscription(fx.ctx, group, consumer, 100, time.Millisecond, 0)
	fx.noError(err)
	return es
}

func entryIsDeliveredWhole(fx *fixture) {
	fx.read("g", "a", 1)
	specs := make([]task.Spec, 60)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i)}
	}
	fx.enqueueAll(specs...)
	one := fx.read("g", "a", 1)
	two := fx.read("g", "b", 1)
	if len(one)+len(two) != 60 || one[0].ID != "t0" || len(two) == 0 || two[len(two)-1].ID != "t59" {
		fx.Fatalf("shares of %d and %d", len(one), len(two))
	}
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", cursors(one)...))
	again := fx.takeOver("g", "c")
	if len(again) != len(two) || again[0].ID != two[0].ID {
		fx.Errorf("%d events are taken over, want the %d of the entry that was not acknowledged", len(again), len(two))
	}
	fx.noError(fx.Store.AckEvents(fx.ctx, "g", cursors(again)...))
	if es := fx.takeOver("g", "d"); len(es) != 0 {
		fx.Errorf("%d more events", len(es))
	}
}

func heldEventsStay(fx *fixture) {
	fx.read("g", "slow", 1)
	fx.enqueue(task.Spec{ID: "x"})
	fx.enqueue(task.Spec{ID: "y"})
	es := fx.read("g", "slow", 10)
	if len(es) != 2 {
		fx.Fatalf("%d events", len(es))
	}
	fx.waitPast(shortLease)
	fx.noError(fx.Store.HoldEvents(fx.ctx, "g", "slow", es[1].Cursor, "1-1"))
	fx.noError(fx.Store.HoldEvents(fx.ctx, "g", "slow"))
	other, _, err := fx.Store.ReadSubscription(fx.ctx, "g", "other", 10, shortLease, 0)
	fx.noError(err)
	if len(other) != 1 || other[0].ID != "x" {
		fx.Errorf("taken over: %+v, want x alone", other)
	}
	if es := fx.takeOver("g", "third"); len(es) != 2 {
		fx.Errorf("taken over later: %+v", es)
	}
}
