package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/worker"
)

var eventRules = []rule{
	{"EveryChangeOfStateIsOneEvent", everyChangeIsOneEvent},
	{"EventsCarryWhatAReaderNeeds", eventsCarry},
	{"ReadersGetEverythingInOrder", readersGetEverything},
	{"ReaderWaitsForTheFirstEvent", readerWaits},
	{"ReaderBehindTheTrimIsTold", readerBehindTheTrim},
	{"OldEventsAreTrimmed", oldEventsAreTrimmed},
	{"BadCursorIsAnError", badCursor},
}

var consumerRules = []rule{
	{"GroupSharesTheEvents", groupSharesTheEvents},
	{"UnacknowledgedEventsGoToAnother", unacknowledgedEvents},
	{"NewGroupStartsAtTheEnd", newGroupStartsAtTheEnd},
	{"GroupBehindTheTrimIsTold", groupBehindTheTrim},
	{"GroupIsToldOfHeldEventsThatWereTrimmed", groupIsToldOfHeldEvents},
	{"LagIsVisible", lagIsVisible},
	{"LeavingConsumerLosesNothing", leavingConsumer},
}

func states(es []worker.Event) []string {
	var out []string
	for _, e := range es {
		s := string(e.State)
		if e.Code != "" {
			s += " " + string(e.Code)
		}
		out = append(out, s)
	}
	return out
}

func everyChangeIsOneEvent(b *bundle) {
	b.enqueue(worker.Spec{ID: "x", Delay: time.Millisecond, MaxAttempts: 2})
	b.passes(time.Millisecond)
	next := func() *worker.Task { return b.claim(worker.DefaultQueue, 1)[0] }
	b.accept(release(next(), 0))
	b.lose(next())
	b.accept(failIn(next(), time.Millisecond))
	b.passes(time.Millisecond)
	b.accept(fail(next(), worker.CodePanic))
	b.retry("x")
	t := next()
	b.stop("x")
	b.accept(fail(t, worker.CodeStopped))
	b.retry("x")
	b.stop("x")
	b.remove("x")
	es := b.eventsOf("x")
	want := []string{"scheduled", "waiting", "running", "waiting released", "running", "waiting lost", "running", "scheduled error",
		"waiting", "running", "failed panic", "waiting", "running", "stopped stopped", "waiting", "stopped stopped"}
	if d := cmp.Diff(want, states(es)); d != "" {
		b.Error("events (-want +got):\n", d)
	}
	for i, e := range es {
		if e.Version != int64(i+1) {
			b.Errorf("event %d has version %d", i+1, e.Version)
		}
	}
}

func eventsCarry(b *bundle) {
	headers := map[string]string{"trace": "€"}
	b.enqueue(worker.Spec{ID: "x", Kind: "video.cut", Queue: "q", Headers: headers})
	b.passes(2 * time.Millisecond)
	t := b.claim("q", 1)[0]
	b.passes(2 * time.Millisecond)
	b.accept(failIn(t, 0))
	t = b.claim("q", 1)[0]
	r := succeed(t)
	r.Result = []byte("\xff{}")
	b.accept(r)
	es := b.eventsOf("x")
	for i, e := range es {
		if e.ID != "x" || e.Kind != "video.cut" || e.Queue != "q" || e.At.IsZero() || e.Cursor == "" {
			b.Errorf("event %d: %+v", i, e)
		}
	}
	claimed, failed, done := es[1], es[2], es[4]
	if claimed.Attempt != 1 || claimed.Replica != "r" || claimed.Wait < 2*time.Millisecond || claimed.Wait > time.Minute {
		b.Errorf("claim: %+v", claimed)
	}
	if failed.Attempt != 1 || failed.Code != worker.CodeError || failed.Error != "it broke" || failed.Run < 2*time.Millisecond || failed.Replica != "r" {
		b.Errorf("failure: %+v", failed)
	}
	if d := cmp.Diff(headers, done.Meta); d != "" || string(done.Result) != "\xff{}" || done.Attempt != 2 || done.Replica != "r" || done.Code != worker.CodeOK {
		b.Errorf("end: %+v", done)
	}
}

func readersGetEverything(b *bundle) {
	start, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	if start != "0" {
		b.Errorf("cursor %q in an empty pool", start)
	}
	for i := range 50 {
		b.enqueue(worker.Spec{ID: fmt.Sprint("t", i)})
	}
	last, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	for _, page := range []int{1, 7, 1000} {
		var got []string
		at := start
		for at != last {
			es, err := b.Store.ReadEvents(b.ctx, at, page, 0)
			b.ok(err)
			if len(es) == 0 || len(es) > page {
				b.Fatalf("%d events after %s", len(es), at)
			}
			for _, e := range es {
				got = append(got, e.ID)
			}
			at = es[len(es)-1].Cursor
		}
		if len(got) != 50 || got[0] != "t0" || got[49] != "t49" {
			b.Errorf("pages of %d: %v", page, got)
		}
		if es, err := b.Store.ReadEvents(b.ctx, at, page, 0); err != nil || len(es) != 0 {
			b.Errorf("after the last: %v, %v", es, err)
		}
	}
	recent, err := b.Store.RecentEvents(b.ctx, "", 3)
	b.ok(err)
	older, err := b.Store.RecentEvents(b.ctx, recent[2].Cursor, 1)
	b.ok(err)
	if recent[0].ID != "t49" || recent[2].ID != "t47" || older[0].ID != "t46" {
		b.Errorf("recent %v, older %v", recent, older)
	}
}

func readerWaits(b *bundle) {
	got := make(chan []worker.Event)
	go func() {
		es, err := b.Store.ReadEvents(b.ctx, "0", 10, 20*time.Second)
		if err != nil {
			b.Error(err)
		}
		got <- es
	}()
	b.enqueue(worker.Spec{ID: "x"})
	if es := <-got; len(es) != 1 || es[0].ID != "x" {
		b.Errorf("events %+v", es)
	}
}

// flood writes n events that nobody needs.
func (b *bundle) flood(n int) {
	b.Helper()
	specs := make([]worker.Spec, 100)
	for range n / 200 {
		all := make([]string, len(specs))
		for i := range specs {
			specs[i] = worker.Spec{Queue: "flood", Retain: ptr(time.Duration(0))}
		}
		for i, r := range b.enqueueAll(specs...) {
			all[i] = r.ID
		}
		if _, err := b.Store.Stop(b.ctx, "", all...); err != nil {
			b.Fatal(err)
		}
		b.claim("flood", 1)
	}
	b.maintain()
}

func readerBehindTheTrim(b *bundle) {
	b.join(worker.Registration{Replica: "r", MaxEvent: 100})
	b.enqueue(worker.Spec{ID: "x"})
	first, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	b.flood(2000)
	if s := b.stats(); s.Events > 500 {
		b.Errorf("%d events are kept, with a cap of 100", s.Events)
	}
	_, err = b.Store.ReadEvents(b.ctx, first, 10, 0)
	var trimmed *worker.TrimmedError
	if !errors.As(err, &trimmed) || trimmed.After != first {
		b.Fatalf("error %v, want to be told of the trim", err)
	}
	es, err := b.Store.ReadEvents(b.ctx, trimmed.Next, 1000, 0)
	b.ok(err)
	if len(es) == 0 {
		b.Error("nothing can be read where the error says to go on")
	}
	if _, err := b.Store.ReadEvents(b.ctx, es[len(es)-1].Cursor, 10, 0); err != nil {
		b.Error("a reader at the end: ", err)
	}
}

func oldEventsAreTrimmed(b *bundle) {
	b.join(worker.Registration{Replica: "r", EventAge: patient})
	b.enqueue(worker.Spec{ID: "a"})
	a, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	b.enqueue(worker.Spec{ID: "b"})
	last, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	b.passes(patient)
	b.enqueue(worker.Spec{ID: "c"})
	b.maintain()
	if es := b.events(); len(es) != 1 || es[0].ID != "c" {
		b.Errorf("events %+v", es)
	}
	// Who had read everything that is gone has missed nothing.
	if es, err := b.Store.ReadEvents(b.ctx, last, 10, 0); err != nil || len(es) != 1 {
		b.Errorf("after the last that is gone: %v, %v", es, err)
	}
	var trimmed *worker.TrimmedError
	if _, err := b.Store.ReadEvents(b.ctx, a, 10, 0); !errors.As(err, &trimmed) {
		b.Errorf("after the first that is gone: %v", err)
	}
}

func badCursor(b *bundle) {
	b.enqueue(worker.Spec{})
	for _, c := range []string{"", "x", "1-2-3", "-", "1-", "99999999999999999999"} {
		_, err := b.Store.ReadEvents(b.ctx, c, 1, 0)
		var field *worker.FieldError
		if !errors.As(err, &field) {
			b.Errorf("cursor %q: %v, want a field error", c, err)
		}
	}
}

const idle = time.Hour

func (b *bundle) read(group, consumer string, limit int) []worker.Event {
	b.Helper()
	es, trimmed, err := b.Store.ReadSubscription(b.ctx, group, consumer, limit, idle, 0)
	b.ok(err)
	if trimmed {
		b.Errorf("%s was told of trimmed events", consumer)
	}
	return es
}

func cursors(es []worker.Event) []string {
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
		b.enqueue(worker.Spec{ID: fmt.Sprint("t", i)})
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
	b.enqueueAll(worker.Spec{ID: "x"}, worker.Spec{ID: "y"})
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
		b.Errorf("acknowledged ones came again: %+v", es)
	}
}

func newGroupStartsAtTheEnd(b *bundle) {
	b.enqueue(worker.Spec{ID: "old"})
	if es := b.read("g", "a", 10); len(es) != 0 {
		b.Errorf("events %+v", es)
	}
	b.enqueue(worker.Spec{ID: "new"})
	if es := b.read("g", "b", 10); len(es) != 1 || es[0].ID != "new" {
		b.Errorf("events %+v", es)
	}
}

// told reads until the stream is exhausted and returns how many events came, and
// how many answers said that others are gone.
func (b *bundle) told(group string, idle time.Duration) (read, gone int) {
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
	b.join(worker.Registration{Replica: "r", MaxEvent: 100})
	b.read("g", "a", 1)
	b.flood(2000)
	if _, gone := b.told("g", time.Hour); gone != 1 {
		b.Errorf("told %d times of the events that are gone, want once", gone)
	}
	b.enqueue(worker.Spec{})
	if read, gone := b.told("g", time.Hour); read != 1 || gone != 0 {
		b.Errorf("afterwards: %d read, %d times told", read, gone)
	}
}

func groupIsToldOfHeldEvents(b *bundle) {
	b.join(worker.Registration{Replica: "r", MaxEvent: 100})
	b.read("g", "dead", 1)
	b.enqueueAll(worker.Spec{ID: "x"}, worker.Spec{ID: "y"}, worker.Spec{ID: "z"})
	if es := b.read("g", "dead", 10); len(es) != 3 {
		b.Fatalf("%d events", len(es))
	}
	b.flood(2000)
	b.passes(2 * time.Millisecond)
	if _, gone := b.told("g", time.Millisecond); gone == 0 {
		b.Error("nobody was told of the events that are gone")
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
		want := worker.Lag{Unread: unread, Pending: pending, MaxEvents: most}
		if b.Emulated {
			want.Unread = got.Unread
		}
		if got != want {
			b.Errorf("lag %+v, want %+v", got, want)
		}
	}
	lag(0, 0)
	b.read("g", "a", 1)
	b.enqueueAll(worker.Spec{}, worker.Spec{}, worker.Spec{})
	lag(3, 0)
	es := b.read("g", "a", 2)
	lag(1, 2)
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(es)...))
	lag(1, 0)
	most = 20_000
	b.join(worker.Registration{Replica: "r", MaxEvent: most})
	lag(1, 0)
}

func leavingConsumer(b *bundle) {
	b.ok(b.Store.LeaveSubscription(b.ctx, "g", "a"))
	b.read("g", "a", 1)
	b.enqueue(worker.Spec{ID: "x"})
	b.read("g", "a", 1)
	b.ok(b.Store.LeaveSubscription(b.ctx, "g", "a"))
	b.passes(2 * time.Millisecond)
	es, _, err := b.Store.ReadSubscription(b.ctx, "g", "b", 10, time.Millisecond, 0)
	b.ok(err)
	if !slices.ContainsFunc(es, func(e worker.Event) bool { return e.ID == "x" }) {
		b.Errorf("what the leaving consumer held is gone: %+v", es)
	}
	b.ok(b.Store.AckEvents(b.ctx, "g", cursors(es)...))
	b.ok(b.Store.LeaveSubscription(b.ctx, "g", "b"))
}
