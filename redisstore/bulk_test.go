package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func bulkWrite(id string, rev int64, call string, open bool) redisstore.BulkWrite {
	return redisstore.BulkWrite{ID: id, Revision: rev, Call: call, Data: []byte(`{"call":"` + call + `"}`), Open: open, Keep: time.Hour}
}

// Of two consoles that have read the same record, one writes. A repeated write has one effect.
func TestBulkRecordIsWrittenByTheReaderOfTheNewestOne(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		write := func(w redisstore.BulkWrite, want int64) redisstore.BulkRecord {
			t.Helper()
			rec, ok, err := s.store.WriteBulk(t.Context(), w)
			if err != nil || ok != (want > 0) || ok && rec.Revision != want {
				t.Fatalf("%+v, %v, %v; want revision %d", rec, ok, err, want)
			}
			return rec
		}
		write(bulkWrite("a", 0, "first", true), 1)
		write(bulkWrite("a", 0, "other", true), 0)
		second := bulkWrite("a", 1, "second", true)
		second.Chunks = []string{"x", "y"}
		second.Begins = true
		second.Audit = &task.AuditEntry{User: "ann", Action: "bulk/stop", Target: "state:failed", Count: 200, Reason: "why"}
		rec := write(second, 2)
		if again := write(second, 2); again.Audit != rec.Audit || rec.Audit == "" {
			t.Errorf("audit %q, then %q", rec.Audit, again.Audit)
		}
		write(bulkWrite("a", 1, "late", true), 0)
		log, err := s.store.AuditLog(t.Context(), "", 10, false)
		if err != nil || len(log) != 1 || log[0].ID != rec.Audit || log[0].Count != 200 || log[0].Reason != "why" {
			t.Errorf("audit %+v, %v", log, err)
		}
		chunks, err := s.store.BulkChunks(t.Context(), "a", 0, 10)
		if err != nil || !cmp.Equal(chunks, []string{"x", "y"}) {
			t.Errorf("chunks %q, %v", chunks, err)
		}
		found, now, err := s.store.BulkRecords(t.Context(), "a", "absent")
		if err != nil || now.IsZero() || found[0].Revision != 2 || string(found[0].Data) != `{"call":"second"}` || found[0].Audit != rec.Audit || found[1].Revision != 0 {
			t.Errorf("%+v, %v, %v", found, now, err)
		}
		if findings, err := s.store.WalkKeys(t.Context(), false); err != nil || len(findings) > 0 {
			for _, f := range findings {
				if f.Open() {
					t.Errorf("the doctor finds %+v, %v", f, err)
				}
			}
		}
		write(bulkWrite("a", 2, "end", false), 3)
		open, err := s.store.OpenBulkJobs(t.Context())
		if err != nil || len(open) > 0 || rdb.Exists(t.Context(), s.prefix+"bulklist:a").Val() != 0 {
			t.Errorf("open after the end: %v, %v", open, err)
		}
		if all, err := s.store.BulkJobs(t.Context(), 10); err != nil || !cmp.Equal(all, []string{"a"}) {
			t.Errorf("jobs %v, %v", all, err)
		}
	})
}

// A job that has expired makes room for another one.
func TestOpenBulkJobsAreBounded(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		for i := range 20 {
			if _, ok, err := s.store.WriteBulk(t.Context(), bulkWrite(fmt.Sprint(i), 0, "c", true)); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		if _, _, err := s.store.WriteBulk(t.Context(), bulkWrite("more", 0, "c", true)); !errors.Is(err, redisstore.ErrBulkJobs) {
			t.Errorf("job 21: %v", err)
		}
		rdb.Del(t.Context(), s.prefix+"bulk:7")
		if _, ok, err := s.store.WriteBulk(t.Context(), bulkWrite("more", 0, "c", true)); err != nil || !ok {
			t.Errorf("after one has expired: %v, %v", ok, err)
		}
	})
}

// counted returns tasks as a job counts them.
func (s *site) countedTasks(t *testing.T, ids ...string) (all []redisstore.CountedTask) {
	t.Helper()
	tasks, err := s.store.Get(t.Context(), ids...)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tasks {
		all = append(all, redisstore.CountedTask{ID: x.ID, Version: x.Version, Created: x.CreatedAt.UnixMilli()})
	}
	return all
}

// Each verb changes the tasks that are as they were counted: a has stayed so, b has changed and
// has the state again that it had, c is another task with the same id, d is gone.
func TestCountedCallsLeaveTasksThatHaveChanged(t *testing.T) {
	for _, verb := range []redisstore.BulkVerb{redisstore.BulkStop, redisstore.BulkRetry, redisstore.BulkRun, redisstore.BulkDelete, redisstore.BulkChange} {
		t.Run(string(verb), func(t *testing.T) {
			backends(t, func(t *testing.T, rdb *redis.Client) {
				s := newSite(t, rdb)
				ctx, ids := t.Context(), []string{"a", "b", "c", "d"}
				must := func(_ any, err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				make := func(ids ...string) {
					t.Helper()
					for _, id := range ids {
						spec := task.Spec{ID: id, Kind: "k", Queue: task.DefaultQueue}
						if verb == redisstore.BulkRun {
							spec.Delay = time.Hour
						}
						must(s.store.Enqueue(ctx, []task.Spec{spec}))
					}
				}
				ended := verb == redisstore.BulkRetry || verb == redisstore.BulkDelete
				end := func(ids ...string) {
					t.Helper()
					if ended {
						must(s.store.Stop(ctx, "", ids...))
					}
				}
				make(ids...)
				end(ids...)
				counted := s.countedTasks(t, ids...)
				if !ended {
					must(s.store.Stop(ctx, "", "b", "c", "d"))
				}
				must(s.store.Retry(ctx, task.Edit{}, "b"))
				end("b")
				if verb == redisstore.BulkRun { // scheduled again, by another way
					must(s.store.Stop(ctx, "", "b"))
				}
				must(s.store.Delete(ctx, "c", "d"))
				time.Sleep(2 * time.Millisecond) // a task that is made again has a later time
				make("c")
				end("c")
				before := s.countedTasks(t, "b", "c")

				c := redisstore.CountedCall{Job: "j", Number: 7, Verb: verb, Why: "all", Priority: 9, Tasks: counted}
				got, err := s.store.ChangeCounted(ctx, c)
				if err != nil || len(got) != 4 {
					t.Fatalf("%+v, %v", got, err)
				}
				if !got[0].Done || got[1].Done || got[1].Err != redisstore.ErrChanged || got[2].Done || got[2].Err != redisstore.ErrChanged || got[3].Done || got[3].State != "" {
					t.Errorf("%+v", got)
				}
				if now := s.countedTasks(t, "b", "c"); !cmp.Equal(now, before) {
					t.Errorf("b and c were %+v and are %+v", before, now)
				}
				again, err := s.store.ChangeCounted(ctx, c)
				if err != nil || !cmp.Equal(again, got, cmp.Comparer(func(a, b error) bool { return a == b })) {
					t.Errorf("repeated: %+v, %v, want %+v", again, err, got)
				}
				c.Number = 6
				if _, err := s.store.ChangeCounted(ctx, c); !errors.Is(err, redisstore.ErrStale) {
					t.Errorf("an earlier call: %v", err)
				}
				a, err := s.store.Get(ctx, "a")
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case verb == redisstore.BulkDelete:
					if a[0] != nil {
						t.Errorf("a is %+v", a[0])
					}
				case verb == redisstore.BulkStop && (a[0].State != task.Stopped || a[0].StopWhy != "all"),
					verb == redisstore.BulkRetry && a[0].State != task.Waiting,
					verb == redisstore.BulkRun && a[0].State != task.Waiting,
					verb == redisstore.BulkChange && a[0].Priority != 9:
					t.Errorf("a is %+v", a[0])
				}
			})
		})
	}
}

// A task that is damaged since the count has an error of its own, and the others are changed.
func TestDamagedCountedTaskHasItsOwnError(t *testing.T) {
	for _, verb := range []redisstore.BulkVerb{redisstore.BulkStop, redisstore.BulkRun, redisstore.BulkChange} {
		t.Run(string(verb), func(t *testing.T) {
			backends(t, func(t *testing.T, rdb *redis.Client) {
				s := newSite(t, rdb)
				if _, err := s.store.Enqueue(t.Context(), []task.Spec{{ID: "a", Kind: "k", Delay: time.Hour}, {ID: "b", Kind: "k", Delay: time.Hour}}); err != nil {
					t.Fatal(err)
				}
				c := redisstore.CountedCall{Job: "j", Number: 1, Verb: verb, Why: "why", Priority: 3, Tasks: s.countedTasks(t, "a", "b")}
				rdb.Del(t.Context(), s.prefix+"more:a")
				rdb.Set(t.Context(), s.prefix+"more:a", "x", 0)
				for range 2 { // the second call is a repetition
					got, err := s.store.ChangeCounted(t.Context(), c)
					if err != nil || len(got) != 2 || !errors.Is(got[0].Err, redisstore.ErrDamaged) || got[0].Done || !got[1].Done {
						t.Errorf("%+v, %v", got, err)
					}
				}
			})
		})
	}
}

// The reply of the last call of a job is kept until the job ends, because the job may wait for a console.
func TestReplyOfACountedCallIsKeptWithTheJob(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		if _, _, err := s.store.WriteBulk(t.Context(), bulkWrite("j", 0, "first", true)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.ChangeCounted(t.Context(), redisstore.CountedCall{Job: "j", Number: 1, Verb: redisstore.BulkStop, Tasks: []redisstore.CountedTask{{ID: "a"}}}); err != nil {
			t.Fatal(err)
		}
		if kept := rdb.PTTL(t.Context(), s.prefix+"call:bulk:j").Val(); kept < 29*24*time.Hour {
			t.Errorf("the reply is kept for %v", kept)
		}
		if _, _, err := s.store.WriteBulk(t.Context(), bulkWrite("j", 1, "end", false)); err != nil {
			t.Fatal(err)
		}
		if kept := rdb.PTTL(t.Context(), s.prefix+"call:bulk:j").Val(); kept <= 0 || kept > 10*time.Minute {
			t.Errorf("after the end the reply is kept for %v", kept)
		}
	})
}
