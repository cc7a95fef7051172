package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var eventRules = []rule{
	{"EveryChangeOfStateIsOneEvent", everyChangeIsOneEvent},
	{"EventsHaveTheColumnsOfTheirChange", eventsHaveColumns},
	{"ReadersGetEverythingInOrder", readersGetEverything},
	{"ReaderWaitsForTheFirstEvent", readerWaits},
	{"EntriesAreReadWhole", entriesAreReadWhole},
	{"ReaderBehindTheTrimGetsAnError", readerBehindTheTrim},
	{"OldEventsAreTrimmed", oldEventsAreTrimmed},
	{"EveryStepThatAppendsTrims", everyStepTrims},
	{"BadCursorIsAnError", badCursor},
}

func states(es []task.Event) []string {
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
	b.enqueue(task.Spec{ID: "x", Delay: time.Millisecond, MaxAttempts: 2})
	b.passes(time.Millisecond)
	next := func() *task.Task { return b.claim(task.DefaultQueue, 1)[0] }
	b.accept(release(next(), 0))
	b.lose(next())
	b.accept(failIn(next(), time.Millisecond))
	b.passes(time.Millisecond)
	b.accept(fail(next(), task.CodePanic))
	b.retry("x")
	t := next()
	b.stop("x")
	b.accept(fail(t, task.CodeStopped))
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

func eventsHaveColumns(b *bundle) {
	headers := map[string]string{"trace": "€"}
	b.enqueue(task.Spec{ID: "x", Kind: "video.cut", Queue: "q", Group: "g", Headers: headers})
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
		if e.ID != "x" || e.Kind != "video.cut" || e.Queue != "q" || e.Group != "g" || e.At.IsZero() || e.Cursor == "" {
			b.Errorf("event %d: %+v", i, e)
		}
	}
	claimed, failed, done := es[1], es[2], es[4]
	if claimed.Attempt != 1 || claimed.Replica != "r" || claimed.Wait < 2*time.Millisecond || claimed.Wait > time.Minute {
		b.Errorf("claim: %+v", claimed)
	}
	if failed.Attempt != 1 || failed.Code != task.CodeError || failed.Error != "it broke" || failed.Run < 2*time.Millisecond || failed.Replica != "r" {
		b.Errorf("failure: %+v", failed)
	}
	if d := cmp.Diff(headers, done.Meta); d != "" || string(done.Result) != "\xff{}" || done.Attempt != 2 || done.Replica != "r" || done.Code != task.CodeOK {
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
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	last, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	for _, page := range []int{1, 7, 1000} {
		var got []string
		at := start
		for at != last {
			es, err := b.Store.ReadEvents(b.ctx, at, page, 0)
			b.ok(err)
			if len(es) == 0 || len(es) > page { // each entry has one event
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
	got := make(chan []task.Event)
	go func() {
		es, err := b.Store.ReadEvents(b.ctx, "0", 10, 20*time.Second)
		if err != nil {
			b.Error(err)
		}
		got <- es
	}()
	b.enqueue(task.Spec{ID: "x"})
	if es := <-got; len(es) != 1 || es[0].ID != "x" {
		b.Errorf("events %+v", es)
	}
}

// slack is how many events a pool keeps at most beyond its cap: the stream is trimmed in
// steps, and whole entries at a time.
const slack = 1000 + 50

// flood writes n events.
func (b *bundle) flood(n int) {
	b.Helper()
	specs := make([]task.Spec, 100)
	for range n / 200 {
		all := make([]string, len(specs))
		for i := range specs {
			specs[i] = task.Spec{Queue: "flood", Retain: ptr(time.Duration(0))}
		}
		for i, r := range b.enqueueAll(specs...) {
			all[i] = r.ID
		}
		b.stopAll(all...)
	}
	b.maintain()
}

func readerBehindTheTrim(b *bundle) {
	b.join(task.Registration{Replica: "r", MaxEvent: 100})
	b.enqueue(task.Spec{ID: "x"})
	first, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	b.flood(2000)
	if s := b.stats(); s.Events > 100+slack {
		b.Errorf("%d events are kept, with a cap of 100", s.Events)
	}
	_, err = b.Store.ReadEvents(b.ctx, first, 10, 0)
	var trimmed *task.TrimmedError
	if !errors.As(err, &trimmed) || trimmed.After != first {
		b.Fatalf("error %v, want a TrimmedError", err)
	}
	es, err := b.Store.ReadEvents(b.ctx, trimmed.Next, 1000, 0)
	b.ok(err)
	if len(es) == 0 {
		b.Error("nothing can be read from where the error says to continue")
	}
	if _, err := b.Store.ReadEvents(b.ctx, es[len(es)-1].Cursor, 10, 0); err != nil {
		b.Error("a reader at the end: ", err)
	}
}

func oldEventsAreTrimmed(b *bundle) {
	b.join(task.Registration{Replica: "r", EventAge: patient})
	b.enqueue(task.Spec{ID: "a"})
	a, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	b.enqueue(task.Spec{ID: "b"})
	last, err := b.Store.LastEvent(b.ctx)
	b.ok(err)
	b.passes(patient)
	b.enqueue(task.Spec{ID: "c"})
	b.maintain()
	if es := b.events(); len(es) != 1 || es[0].ID != "c" {
		b.Errorf("events %+v", es)
	}
	// A reader that had read all of the trimmed events has missed none.
	if es, err := b.Store.ReadEvents(b.ctx, last, 10, 0); err != nil || len(es) != 1 {
		b.Errorf("after the last that is gone: %v, %v", es, err)
	}
	var trimmed *task.TrimmedError
	if _, err := b.Store.ReadEvents(b.ctx, a, 10, 0); !errors.As(err, &trimmed) {
		b.Errorf("after the first that is gone: %v", err)
	}
}

// The bound of the stream must hold while no replica is alive to maintain the pool.
func everyStepTrims(b *bundle) {
	const most = 200
	b.join(task.Registration{Replica: "gone", MaxEvent: most})
	b.ok(b.Store.Leave(b.ctx, "gone"))
	steps := map[string]func(ids []string){
		"enqueue": func(ids []string) {
			specs := make([]task.Spec, len(ids))
			for i, id := range ids {
				specs[i] = task.Spec{ID: id, Kind: fmt.Sprint("k", i%3), Queue: fmt.Sprint("q", i%2)}
			}
			b.enqueueAll(specs...)
		},
		"stop":  func(ids []string) { b.stopAll(ids...) },
		"retry": func(ids []string) { _, err := b.Store.Retry(b.ctx, ids...); b.ok(err) },
		"inbox": func(ids []string) {
			for _, id := range ids {
				b.Push(b, fmt.Sprintf(`{"kind":"k","id":"i-%s"}`, id))
			}
			b.admit()
		},
		"single": func(ids []string) {
			for _, id := range ids {
				b.enqueue(task.Spec{ID: "s-" + id})
			}
		},
	}
	all := make([]string, 100)
	for round := range 8 {
		for i := range all {
			all[i] = fmt.Sprintf("t%d-%d", round, i)
		}
		for _, step := range []string{"enqueue", "stop", "retry", "inbox", "single"} {
			steps[step](all)
			kept := b.stats().Events
			if kept > most+slack {
				b.Fatalf("%d events are kept after %s, with a cap of %d", kept, step, most)
			}
			if n := len(b.events()); n != kept {
				b.Fatalf("after %s %d events can be read, the stats say %d", step, n, kept)
			}
		}
	}
}

// An entry has the events of up to 50 tasks, which share its cursor. Reading
// after it continues with the next entry.
func entriesAreReadWhole(b *bundle) {
	const n = 130
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i)}
	}
	b.enqueueAll(specs...)
	for _, page := range []int{1, 7, 60, 1000} {
		var got []string
		for after := "0"; ; {
			es, err := b.Store.ReadEvents(b.ctx, after, page, 0)
			b.ok(err)
			if len(es) == 0 {
				break
			}
			if len(es) > page+49 {
				b.Errorf("%d events for a page of %d", len(es), page)
			}
			entry := map[string]int{}
			for _, e := range es {
				if entry[e.Cursor]++; entry[e.Cursor] > 50 {
					b.Errorf("entry %s has over 50 events", e.Cursor)
				}
				got = append(got, e.ID)
			}
			after = es[len(es)-1].Cursor
		}
		if len(got) != n || got[0] != "t0" || got[n-1] != fmt.Sprint("t", n-1) {
			b.Errorf("pages of %d: %d events %v", page, len(got), got)
		}
	}
	var recent []string
	for before := ""; ; {
		es, err := b.Store.RecentEvents(b.ctx, before, 7)
		b.ok(err)
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			recent = append(recent, e.ID)
		}
		before = es[len(es)-1].Cursor
	}
	if len(recent) != n || recent[0] != fmt.Sprint("t", n-1) || recent[n-1] != "t0" {
		b.Errorf("newest first: %d events %v", len(recent), recent)
	}
}

func badCursor(b *bundle) {
	b.enqueue(task.Spec{})
	for _, c := range []string{"", "x", "1-2-3", "-", "1-", "99999999999999999999"} {
		_, err := b.Store.ReadEvents(b.ctx, c, 1, 0)
		var field *task.FieldError
		if !errors.As(err, &field) {
			b.Errorf("cursor %q: %v, want a field error", c, err)
		}
	}
}
