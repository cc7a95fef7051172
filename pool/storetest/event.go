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
	{"EventsHaveTheFieldsOfTheirChange", eventsHaveColumns},
	{"ReadersGetAllEventsInOrder", readersGetEverything},
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

func everyChangeIsOneEvent(fx *fixture) {
	fx.enqueue(task.Spec{ID: "x", Delay: time.Millisecond, MaxAttempts: 2})
	fx.waitPast(time.Millisecond)
	next := func() *task.Task { return fx.claim(task.DefaultQueue, 1)[0] }
	fx.accept(release(next(), 0))
	fx.loseLeases(next())
	fx.accept(failIn(next(), time.Millisecond))
	fx.waitPast(time.Millisecond)
	fx.accept(fail(next(), task.CodePanic))
	fx.retry("x")
	t := next()
	fx.stop("x")
	fx.accept(fail(t, task.CodeStopped))
	fx.retry("x")
	fx.stop("x")
	fx.remove("x")
	es := fx.eventsOf("x")
	want := []string{"scheduled", "waiting", "running", "waiting released", "running", "waiting lost", "running", "scheduled error",
		"waiting", "running", "failed panic", "waiting", "running", "stopped stopped", "waiting", "stopped stopped"}
	if d := cmp.Diff(want, states(es)); d != "" {
		fx.Error("events (-want +got):\n", d)
	}
	for i, e := range es {
		if e.Version != int64(i+1) {
			fx.Errorf("event %d has version %d", i+1, e.Version)
		}
	}
}

func eventsHaveColumns(fx *fixture) {
	headers := map[string]string{"trace": "€"}
	fx.enqueue(task.Spec{ID: "x", Kind: "video.cut", Queue: "q", Group: "g", Headers: headers})
	fx.waitPast(2 * time.Millisecond)
	t := fx.claim("q", 1)[0]
	fx.waitPast(2 * time.Millisecond)
	fx.accept(failIn(t, 0))
	t = fx.claim("q", 1)[0]
	r := succeed(t)
	r.Result = []byte("\xff{}")
	fx.accept(r)
	es := fx.eventsOf("x")
	for i, e := range es {
		if e.ID != "x" || e.Kind != "video.cut" || e.Queue != "q" || e.Group != "g" || e.At.IsZero() || e.Cursor == "" {
			fx.Errorf("event %d: %+v", i, e)
		}
	}
	claimed, failed, done := es[1], es[2], es[4]
	if claimed.Attempt != 1 || claimed.Replica != "r" || claimed.Wait < 2*time.Millisecond || claimed.Wait > time.Minute {
		fx.Errorf("claim: %+v", claimed)
	}
	if failed.Attempt != 1 || failed.Code != task.CodeError || failed.Error != "it broke" || failed.Run < 2*time.Millisecond || failed.Replica != "r" {
		fx.Errorf("failure: %+v", failed)
	}
	if d := cmp.Diff(headers, done.Meta); d != "" || string(done.Result) != "\xff{}" || done.Attempt != 2 || done.Replica != "r" || done.Code != task.CodeOK {
		fx.Errorf("end: %+v", done)
	}
}

func readersGetEverything(fx *fixture) {
	start, err := fx.Store.LastEvent(fx.ctx)
	fx.noError(err)
	if start != "0" {
		fx.Errorf("cursor %q in an empty pool", start)
	}
	for i := range 50 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	last, err := fx.Store.LastEvent(fx.ctx)
	fx.noError(err)
	for _, page := range []int{1, 7, 1000} {
		var got []string
		at := start
		for at != last {
			es, err := fx.Store.ReadEvents(fx.ctx, at, page, 0)
			fx.noError(err)
			if len(es) == 0 || len(es) > page { // each entry has one event
				fx.Fatalf("%d events after %s", len(es), at)
			}
			for _, e := range es {
				got = append(got, e.ID)
			}
			at = es[len(es)-1].Cursor
		}
		if len(got) != 50 || got[0] != "t0" || got[49] != "t49" {
			fx.Errorf("pages of %d: %v", page, got)
		}
		if es, err := fx.Store.ReadEvents(fx.ctx, at, page, 0); err != nil || len(es) != 0 {
			fx.Errorf("after the last: %v, %v", es, err)
		}
	}
	recent, err := fx.Store.RecentEvents(fx.ctx, "", 3)
	fx.noError(err)
	older, err := fx.Store.RecentEvents(fx.ctx, recent[2].Cursor, 1)
	fx.noError(err)
	if recent[0].ID != "t49" || recent[2].ID != "t47" || older[0].ID != "t46" {
		fx.Errorf("recent %v, older %v", recent, older)
	}
}

func readerWaits(fx *fixture) {
	got := make(chan []task.Event)
	go func() {
		es, err := fx.Store.ReadEvents(fx.ctx, "0", 10, 20*time.Second)
		if err != nil {
			fx.Error(err)
		}
		got <- es
	}()
	fx.enqueue(task.Spec{ID: "x"})
	if es := <-got; len(es) != 1 || es[0].ID != "x" {
		fx.Errorf("events %+v", es)
	}
}

// slack is how many events a pool keeps beyond its cap: the stream is trimmed in steps
// and in whole entries.
const slack = 1000 + 50

// writeEvents writes n events.
func (fx *fixture) writeEvents(n int) {
	fx.Helper()
	specs := make([]task.Spec, 100)
	for range n / 200 {
		all := make([]string, len(specs))
		for i := range specs {
			specs[i] = task.Spec{Queue: "flood", Retain: ptr(time.Duration(0))}
		}
		for i, r := range fx.enqueueAll(specs...) {
			all[i] = r.ID
		}
		fx.stopAll(all...)
	}
	fx.maintain()
}

func readerBehindTheTrim(fx *fixture) {
	fx.join(task.Registration{Replica: "r", MaxEvent: 100})
	fx.enqueue(task.Spec{ID: "x"})
	first, err := fx.Store.LastEvent(fx.ctx)
	fx.noError(err)
	fx.writeEvents(2000)
	if s := fx.stats(); s.Events > 100+slack {
		fx.Errorf("%d events are kept, with a cap of 100", s.Events)
	}
	_, err = fx.Store.ReadEvents(fx.ctx, first, 10, 0)
	var trimmed *task.TrimmedError
	if !errors.As(err, &trimmed) || trimmed.After != first {
		fx.Fatalf("error %v, want a TrimmedError", err)
	}
	es, err := fx.Store.ReadEvents(fx.ctx, trimmed.Next, 1000, 0)
	fx.noError(err)
	if len(es) == 0 {
		fx.Error("nothing can be read from where the error says to continue")
	}
	if _, err := fx.Store.ReadEvents(fx.ctx, es[len(es)-1].Cursor, 10, 0); err != nil {
		fx.Error("a reader at the end: ", err)
	}
}

func oldEventsAreTrimmed(fx *fixture) {
	fx.join(task.Registration{Replica: "r", EventAge: shortLease})
	fx.enqueue(task.Spec{ID: "a"})
	a, err := fx.Store.LastEvent(fx.ctx)
	fx.noError(err)
	fx.enqueue(task.Spec{ID: "b"})
	last, err := fx.Store.LastEvent(fx.ctx)
	fx.noError(err)
	fx.waitPast(shortLease)
	fx.enqueue(task.Spec{ID: "c"})
	fx.maintain()
	if es := fx.events(); len(es) != 1 || es[0].ID != "c" {
		fx.Errorf("events %+v", es)
	}
	// A reader that has read all trimmed events has missed none.
	if es, err := fx.Store.ReadEvents(fx.ctx, last, 10, 0); err != nil || len(es) != 1 {
		fx.Errorf("after the last trimmed event: %v, %v", es, err)
	}
	var trimmed *task.TrimmedError
	if _, err := fx.Store.ReadEvents(fx.ctx, a, 10, 0); !errors.As(err, &trimmed) {
		fx.Errorf("after the first trimmed event: %v", err)
	}
}

// The stream must stay bounded while no live replica maintains the pool. Each step that
// appends events trims the stream.
func everyStepTrims(fx *fixture) {
	const most = 200
	fx.join(task.Registration{Replica: "gone", MaxEvent: most})
	fx.noError(fx.Store.Leave(fx.ctx, "gone"))
	make100 := func(s task.Spec) {
		specs := make([]task.Spec, 100)
		for i := range specs {
			specs[i] = s
			specs[i].Kind = fmt.Sprint("k", i%3)
		}
		fx.enqueueAll(specs...)
	}
	var running []*task.Task
	end := func(report func(t *task.Task) task.Report) {
		reports := make([]task.Report, len(running))
		for i, t := range running {
			reports[i] = report(t)
		}
		fx.accept(reports...)
	}
	steps := map[string]func(ids []string){
		"enqueue": func(ids []string) {
			specs := make([]task.Spec, len(ids))
			for i, id := range ids {
				specs[i] = task.Spec{ID: id, Kind: fmt.Sprint("k", i%3), Queue: fmt.Sprint("q", i%2)}
			}
			fx.enqueueAll(specs...)
		},
		"stop":   func(ids []string) { fx.stopAll(ids...) },
		"retry":  func(ids []string) { _, err := fx.Store.Retry(fx.ctx, task.Edit{}, ids...); fx.noError(err) },
		"delete": func(ids []string) { _, err := fx.Store.Delete(fx.ctx, ids...); fx.noError(err) },
		"delay": func(ids []string) {
			specs := make([]task.Spec, len(ids))
			for i, id := range ids {
				specs[i] = task.Spec{ID: id, Kind: fmt.Sprint("k", i%3), Delay: time.Hour}
			}
			fx.enqueueAll(specs...)
		},
		"run now": func(ids []string) { _, err := fx.Store.RunNow(fx.ctx, ids...); fx.noError(err) },
		"inbox": func(ids []string) {
			for _, id := range ids {
				fx.Push(fx, fmt.Sprintf(`{"kind":"k","id":"i-%s"}`, id))
			}
			fx.admit()
		},
		"single": func(ids []string) {
			for _, id := range ids {
				fx.enqueue(task.Spec{ID: "s-" + id})
			}
		},
		"schedule": func([]string) { make100(task.Spec{Queue: "later", Delay: time.Millisecond}) },
		"promote": func([]string) {
			fx.waitPast(time.Millisecond)
			fx.send(task.Exchange{})
		},
		"work":  func([]string) { make100(task.Spec{Queue: "work", MaxAttempts: 100}) },
		"claim": func([]string) { running = fx.claim("work", 100) },
		"slow": func([]string) {
			r := task.Renewal{Held: held(running...)}
			for _, t := range running {
				r.Updates = append(r.Updates, task.AttemptUpdate{ID: t.ID, Fence: t.Fence, Slow: true})
			}
			fx.heartbeat(r)
		},
		"fail":    func([]string) { end(func(t *task.Task) task.Report { return failIn(t, 0) }) },
		"release": func([]string) { end(func(t *task.Task) task.Report { return release(t, 0) }) },
		"result": func([]string) {
			end(func(t *task.Task) task.Report {
				r := succeed(t)
				r.Result = []byte("1")
				return r
			})
		},
	}
	order := []string{"enqueue", "stop", "retry", "stop", "delete", "delay", "run now", "stop", "delete", "inbox", "single", "schedule", "promote", "work", "claim", "slow",
		"fail", "claim", "release", "claim", "result"}
	all := make([]string, 100)
	for round := range 8 {
		for i := range all {
			all[i] = fmt.Sprintf("t%d-%d", round, i)
		}
		for _, step := range order {
			steps[step](all)
			kept := fx.stats().Events
			if kept > most+slack {
				fx.Fatalf("%d events are kept after %s, with a cap of %d", kept, step, most)
			}
			if n := len(fx.events()); n != kept {
				fx.Fatalf("after %s %d events can be read, the stats say %d", step, n, kept)
			}
		}
	}
}

// An entry contains the events of up to 50 tasks, which share its cursor. Reading after
// that cursor continues with the next entry.
func entriesAreReadWhole(fx *fixture) {
	const n = 130
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i)}
	}
	fx.enqueueAll(specs...)
	for _, page := range []int{1, 7, 60, 1000} {
		var got []string
		for after := "0"; ; {
			es, err := fx.Store.ReadEvents(fx.ctx, after, page, 0)
			fx.noError(err)
			if len(es) == 0 {
				break
			}
			if len(es) > page+49 {
				fx.Errorf("%d events for a page of %d", len(es), page)
			}
			entry := map[string]int{}
			for _, e := range es {
				if entry[e.Cursor]++; entry[e.Cursor] > 50 {
					fx.Errorf("entry %s has over 50 events", e.Cursor)
				}
				got = append(got, e.ID)
			}
			after = es[len(es)-1].Cursor
		}
		if len(got) != n || got[0] != "t0" || got[n-1] != fmt.Sprint("t", n-1) {
			fx.Errorf("pages of %d: %d events %v", page, len(got), got)
		}
	}
	var recent []string
	for before := ""; ; {
		es, err := fx.Store.RecentEvents(fx.ctx, before, 7)
		fx.noError(err)
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			recent = append(recent, e.ID)
		}
		before = es[len(es)-1].Cursor
	}
	if len(recent) != n || recent[0] != fmt.Sprint("t", n-1) || recent[n-1] != "t0" {
		fx.Errorf("newest first: %d events %v", len(recent), recent)
	}
}

func badCursor(fx *fixture) {
	fx.enqueue(task.Spec{})
	for _, c := range []string{"", "x", "1-2-3", "-", "1-", "99999999999999999999"} {
		_, err := fx.Store.ReadEvents(fx.ctx, c, 1, 0)
		var field *task.FieldError
		if !errors.As(err, &field) {
			fx.Errorf("cursor %q: %v, want a field error", c, err)
		}
	}
}
