package archive

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// get reads the generations of a task, the newest first.
func (s *site) get(db *DB, id string) []Record {
	s.t.Helper()
	records, err := db.Get(s.t.Context(), s.pool, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return records
}

func TestEndedTasksAreInTheArchiveAfterRedisHasForgottenThem(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		t.Parallel()
		s := newSite(t)
		db := open(t, where)
		stop := s.archiver(db, Config{})
		s.enqueue(task.Spec{ID: "long", Kind: "result", Group: "acme", Payload: []byte(`{"a":"é"}`), Headers: map[string]string{"trace": "x", "traceparent": traceParent}})
		s.enqueue(task.Spec{ID: "tried", Kind: "fail", MaxAttempts: 2, Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}})
		s.enqueue(task.Spec{ID: "plain", Kind: "ok"})
		s.await("long", "tried", "plain")
		if _, err := s.store.Retry(t.Context(), task.Edit{}, "tried"); err != nil {
			t.Fatal(err)
		}
		s.await("tried")
		s.caughtUp(db)
		stop()
		s.server.Flush(t)

		long := s.get(db, "long")[0]
		if string(long.Payload) != `{"a":"é"}` || len(long.Result) != 5002 || long.Headers["trace"] != "x" || long.Headers["by"] != "a test" || long.Headers["traceparent"] != traceParent || long.Group != "acme" ||
			long.State != task.Succeeded || !long.Complete || long.EndedAt.IsZero() || len(long.Events) != 3 || len(long.Attempts) != 1 {
			t.Errorf("%+v", long)
		}
		plain := s.get(db, "plain")[0]
		if plain.State != task.Succeeded || plain.Code != task.CodeOK || plain.RecordVersion != 0 || !plain.CreatedKnown || plain.Kind != "ok" {
			t.Errorf("%+v", plain)
		}
		tried := s.get(db, "tried")
		var got []string
		for _, r := range tried {
			got = append(got, fmt.Sprintf("generation %d: %s %s, failures %d", r.Generation, r.State, r.Error, r.Failures))
			for _, a := range r.Attempts {
				got = append(got, fmt.Sprintf("  attempt %d: %s %s %q", a.Attempt, a.Code, a.Error, a.Log))
			}
			if !r.CreatedAt.Equal(tried[0].CreatedAt) {
				t.Error("the generations have different times of creation")
			}
		}
		want := []string{
			"generation 1: failed boom at 4, failures 2",
			`  attempt 3: error boom at 3 "attempt 3\n"`, `  attempt 4: error boom at 4 "attempt 4\n"`,
			"generation 0: failed boom at 2, failures 2",
			`  attempt 1: error boom at 1 "attempt 1\n"`, `  attempt 2: error boom at 2 "attempt 2\n"`,
		}
		// The record is read after the end. If the retry came first, the failures of the
		// generation before are gone.
		if tried[1].RecordVersion == 0 {
			want[3] = "generation 0: failed boom at 2, failures 0"
		}
		if diff := cmp.Diff(want, got); diff != "" && tried[1].RecordVersion > 0 {
			t.Error(diff)
		}
	})
}

func TestAnIDThatIsUsedAgainIsAnotherTask(t *testing.T) {
	s := newSite(t)
	db := open(t, t.TempDir()+"/a.db")
	for range 3 {
		s.enqueue(task.Spec{ID: "nightly", Kind: "ok"})
		s.await("nightly")
	}
	s.archiveAll(db)
	records := s.get(db, "nightly")
	created := map[time.Time]bool{}
	for _, r := range records {
		created[r.CreatedAt] = true
		if r.State != task.Succeeded || r.Generation != 0 || r.Version != 3 || !r.Complete {
			t.Errorf("%+v", r.Task)
		}
	}
	if len(records) != 3 || len(created) != 3 {
		t.Errorf("%d rows with %d times of creation of 3 tasks", len(records), len(created))
	}
}

// Events are trimmed while no archiver runs. Kept tasks are read from Redis. The others,
// which succeeded and are gone, are known only by what was archived before.
func TestATrimmedStreamIsAGapThatIsReconciled(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		t.Parallel()
		s := newSite(t, func(c *pool.Config) { c.MaxEvents = 100 })
		db := open(t, where)
		s.enqueue(task.Spec{ID: "vanishes", Kind: "held"})
		s.enqueue(task.Spec{ID: "kept", Kind: "held", Retain: new(time.Hour)})
		s.running("vanishes", "kept")
		s.archiveAll(db)

		close(s.held)
		s.await("vanishes", "kept")
		var ids []string
		for i := range 1500 {
			ids = append(ids, fmt.Sprint("later", i))
		}
		for page := range slices.Chunk(ids, 500) {
			var specs []task.Spec
			for _, id := range page {
				specs = append(specs, task.Spec{ID: id, Kind: "later", Delay: time.Hour, Payload: []byte(id)})
			}
			if _, err := s.store.Enqueue(t.Context(), specs); err != nil {
				t.Fatal(err)
			}
			if _, err := s.store.Stop(t.Context(), "no", page...); err != nil {
				t.Fatal(err)
			}
		}
		var log lines
		stop := s.archiver(db, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		s.caughtUp(db)
		stop()

		stats, err := db.Stats(t.Context(), s.pool, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if len(stats.Gaps) != 2 || stats.Gaps[0].Reason != GapTrimmed || stats.Gaps[1].Reason != GapStart || stats.Gaps[0].Unknown != 1 ||
			stats.Gaps[0].Archived < 500 || stats.Gaps[0].Next == "" || stats.Live != 0 {
			t.Errorf("%+v, %d live", stats.Gaps, stats.Live)
		}
		if n := log.count("events are missing in the archive"); n != 1 {
			t.Errorf("%d lines about the gap", n)
		}
		if r := s.get(db, "vanishes")[0]; r.State != Unknown || r.EndedAt.IsZero() || r.Complete {
			t.Errorf("%+v", r.Task)
		}
		if r := s.get(db, "kept")[0]; r.State != task.Succeeded || r.Complete || r.EndedAt.IsZero() {
			t.Errorf("%+v", r.Task)
		}
		n := 0
		for after := ""; ; {
			page, err := db.Tasks(t.Context(), Filter{Pool: s.pool, States: []task.State{task.Stopped}}, after, 700)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range page.Tasks {
				if n++; string(one.Payload) != one.ID || !one.CreatedKnown || one.Error != "no" {
					t.Fatalf("%+v", one)
				}
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if n != len(ids) {
			t.Errorf("%d of %d stopped tasks", n, len(ids))
		}
	})
}

// running waits until tasks run.
func (s *site) running(ids ...string) {
	s.t.Helper()
	eventually(s.t, func() error {
		tasks, err := s.store.Get(s.t.Context(), ids...)
		for _, t := range tasks {
			if t == nil || t.State != task.Running {
				err = errors.New("a task does not run yet")
			}
		}
		return err
	})
}

func TestAnArchiveOfAPoolThatIsOlderHasTheKeptTasks(t *testing.T) {
	s := newSite(t)
	s.work(5)
	s.enqueue(task.Spec{ID: "live", Kind: "held", Payload: []byte("1")})
	s.running("live")
	created := s.get1("live").CreatedAt
	// All events are trimmed.
	last, err := s.store.LastEvent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	prefix := "lts:{" + s.pool + "}:"
	if err := errors.Join(s.rdb.XTrimMaxLen(t.Context(), prefix+"events", 0).Err(), s.rdb.HSet(t.Context(), prefix+"meta", "events:trimmed", last).Err()); err != nil {
		t.Fatal(err)
	}
	db := open(t, t.TempDir()+"/a.db")
	stop := s.archiver(db, Config{})
	eventually(t, func() error {
		stats, err := db.Stats(t.Context(), s.pool, time.Time{})
		if err == nil && (len(stats.Gaps) != 1 || stats.Gaps[0].Reconciled.IsZero() || stats.Gaps[0].Archived != 4) {
			err = fmt.Errorf("%+v", stats)
		}
		return err
	})
	close(s.held)
	s.await("live")
	s.caughtUp(db)
	stop()
	r := s.get(db, "live")[0]
	if r.State != task.Succeeded || r.Complete || r.CreatedAt.Before(created) {
		t.Errorf("%+v", r.Task)
	}
}

func (s *site) get1(id string) *task.Task {
	s.t.Helper()
	t, err := s.p.Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

// Redis loses the events that were archived, and all tasks.
func TestARewoundStreamIsAGap(t *testing.T) {
	s := newSite(t)
	db := open(t, t.TempDir()+"/a.db")
	s.work(5)
	s.enqueue(task.Spec{ID: "lost", Kind: "ok", Delay: time.Hour})
	stop := s.archiver(db, Config{})
	s.caughtUp(db)
	stop()
	s.server.Flush(t)
	s.work(5)
	s.archiveAll(db)
	stats, err := db.Stats(t.Context(), s.pool, time.Time{})
	if err != nil || len(stats.Gaps) != 2 || stats.Gaps[0].Reason != GapRewound || stats.Gaps[0].Unknown != 1 || stats.Live != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	if r := s.get(db, "lost")[0]; r.State != Unknown {
		t.Errorf("%+v", r.Task)
	}
}

func TestTwoArchiversOfAPoolMakeEachRowOnce(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		t.Parallel()
		s := newSite(t)
		db := open(t, where)
		first := s.archiver(open(t, where), Config{}, func(a *Archiver) { a.page = 3 })
		second := s.archiver(open(t, where), Config{}, func(a *Archiver) { a.page = 3 })
		s.work(40)
		s.caughtUp(db)
		first()
		s.work(10)
		s.caughtUp(db)
		second()
		whole := open(t, t.TempDir()+"/whole.db")
		s.archiveAll(whole)
		if diff := cmp.Diff(dump(t, whole), dump(t, db)); diff != "" {
			t.Error(diff)
		}
		stats, err := db.Stats(t.Context(), s.pool, time.Time{})
		if err != nil || len(stats.Gaps) != 1 {
			t.Errorf("%+v, %v", stats.Gaps, err)
		}
	})
}

func TestAnOutageOfRedisIsWaitedForAndLoggedOnce(t *testing.T) {
	s := newSite(t)
	db := open(t, t.TempDir()+"/a.db")
	var log lines
	s.archiver(db, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.work(5)
	s.caughtUp(db)
	s.server.Stop(t)
	eventually(t, func() error {
		if log.count("calls to Redis fail") == 0 {
			return errors.New("the outage is not logged")
		}
		return nil
	})
	s.server.Restart(t)
	s.work(5)
	s.caughtUp(db)
	eventually(t, func() error { // the line comes after the page was written
		if log.count("Redis works again") == 0 {
			return errors.New("the end of the outage is not logged")
		}
		return nil
	})
	for _, text := range []string{"calls to Redis fail", "Redis works again"} {
		if n := log.count(text); n != 1 {
			t.Errorf("%d lines %q", n, text)
		}
	}
	if n := log.count("events are missing"); n > 0 {
		t.Error("the outage caused a gap")
	}
}

func TestOldTasksAreRemovedWithTheirRows(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		t.Parallel()
		db := open(t, where)
		s := &story{rng: newRand(t), ms: time.Now().Add(-48 * time.Hour).UnixMilli()}
		for i := range 700 {
			s.life(fmt.Sprint("a", i))
		}
		old := s.events
		s.ms, s.events = time.Now().Add(-time.Hour).UnixMilli(), nil
		s.life("young")
		db.feed(t, old, s.events)
		for i := 0; ; i++ {
			n, err := db.removeOld(t.Context(), "p", time.Now().Add(-24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if n > removalPage {
				t.Errorf("%d tasks in one piece", n)
			}
			if n == 0 {
				break
			}
		}
		for _, line := range dump(t, db) {
			if strings.HasPrefix(line, "&") && !strings.Contains(line, "ID:young ") {
				t.Fatal("left: ", line)
			}
		}
		var n int
		if err := db.sql.QueryRow("SELECT COUNT(*) FROM lts_events").Scan(&n); err != nil || n != len(s.events) {
			t.Errorf("%d events left of %d, %v", n, len(s.events), err)
		}
	})
}

// traceParent is the trace header of a producer.
const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// The trace headers of a row are those of the producer, and not those that an attempt has set for the
// task to follow. An event after the record does not remove them.
func TestTraceHeadersOfTheRecordAreKept(t *testing.T) {
	attempt := map[string]string{"traceparent": "of the attempt", "tracestate": "a=b", "by": "a test"}
	producer := map[string]string{"Traceparent": traceParent, "x": "y"}
	row := &Task{Headers: attempt}
	row.fill(&task.Task{Spec: task.Spec{Headers: producer}}, false)
	want := map[string]string{"Traceparent": traceParent, "by": "a test"}
	if diff := cmp.Diff(want, row.Headers); diff != "" {
		t.Error(diff)
	}
	row.RecordVersion = 1
	set(row, &task.Event{Version: 2, State: task.Succeeded, Meta: attempt})
	if diff := cmp.Diff(want, row.Headers); diff != "" {
		t.Error(diff)
	}
	again := &Task{Headers: attempt}
	again.takeOver(row)
	if diff := cmp.Diff(want, again.Headers); diff != "" {
		t.Error(diff)
	}
}
