package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// wait is longer than the retention of a result, and shorter than that of a failure.
const wait = 2 * time.Hour

func (s *site) waitForArchive(t *testing.T, wait time.Duration) {
	t.Helper()
	if _, err := s.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour, ArchiveWait: wait}); err != nil {
		t.Fatal(err)
	}
}

// kept returns for how long the index of its state keeps an ended task from its end on, rounded
// to minutes; "gone" if nothing of it is left, but for rates.
func (s *site) kept(t *testing.T, id string) string {
	t.Helper()
	got := s.read(t, id)
	if got == nil {
		if left := s.traces(t, id); len(left) > 0 {
			t.Errorf("%s left %v", id, left)
		}
		return "gone"
	}
	until := s.rdb.ZScore(t.Context(), s.prefix+"ended:"+string(got.State), id)
	if until.Err() != nil {
		return string(got.State)
	}
	text := "forever"
	if ms := until.Val(); ms < 1e15 {
		text = time.UnixMilli(int64(ms)).Sub(got.EndedAt).Round(time.Minute).String()
	}
	if got.Unarchived {
		text += ", waits"
	}
	return text
}

// endings makes tasks that end in all ways. It returns them as they are then, sorted by id.
func (s *site) endings(t *testing.T) []*task.Task {
	t.Helper()
	zero, forever := time.Duration(0), task.Forever
	s.enqueue(t, task.Spec{ID: "plain"}, task.Spec{ID: "plain2"}, task.Spec{ID: "group", Group: "g"}, task.Spec{ID: "unique", Unique: "u"},
		task.Spec{ID: "result"}, task.Spec{ID: "short", Retain: &zero}, task.Spec{ID: "forever", Retain: &forever},
		task.Spec{ID: "failed", MaxAttempts: 1}, task.Spec{ID: "stopped", Delay: time.Hour})
	claimed := s.claimAll(t, 8)
	var reports []task.Report
	for _, c := range claimed {
		r := reportOn(c, task.Succeed)
		switch c.ID {
		case "failed":
			r = reportOn(c, task.Fail)
		case "result", "short":
			r.Result = []byte("1")
		}
		reports = append(reports, r)
	}
	if _, err := s.store.Exchange(t.Context(), reportsOf(1, reports...)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Stop(t.Context(), "", "stopped"); err != nil {
		t.Fatal(err)
	}
	var tasks []*task.Task
	for id := range ending {
		if one := s.read(t, id); one != nil {
			tasks = append(tasks, one)
		}
	}
	slices.SortFunc(tasks, func(a, b *task.Task) int { return strings.Compare(a.ID, b.ID) })
	return tasks
}

// ending maps the ids of endings to how long the task is kept: without an archive, while it waits
// for one, and after the archive has it.
var ending = map[string][3]string{
	"plain":   {"gone", "2h0m0s, waits", "gone"},
	"plain2":  {"gone", "2h0m0s, waits", "gone"},
	"group":   {"gone", "2h0m0s, waits", "gone"},
	"unique":  {"gone", "2h0m0s, waits", "gone"},
	"result":  {"1h0m0s", "2h0m0s, waits", "1h0m0s"},
	"short":   {"gone", "2h0m0s, waits", "gone"},
	"forever": {"forever", "forever, waits", "forever"},
	"failed":  {"168h0m0s", "168h0m0s, waits", "168h0m0s"},
	"stopped": {"168h0m0s", "168h0m0s, waits", "168h0m0s"},
}

func (s *site) wantKept(t *testing.T, when int) {
	t.Helper()
	got, want := map[string]string{}, map[string]string{}
	for id, by := range ending {
		got[id], want[id] = s.kept(t, id), by[when]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEndedTasksAreKeptUntilTheArchiveHasThem(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.waitForArchive(t, wait)
		tasks := s.endings(t)
		s.wantKept(t, 1)
		if r := s.enqueue(t, task.Spec{ID: "next", Unique: "u"}); r[0].Duplicate {
			t.Error("a task that waits for the archive holds its unique key")
		}
		if _, err := s.store.Maintain(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		if n, err := s.store.Archived(t.Context(), tasks...); n != len(ending) || err != nil {
			t.Fatalf("%d tasks waited, %v", n, err)
		}
		s.wantKept(t, 2)
		if n, err := s.store.Archived(t.Context(), tasks...); n != 0 || err != nil {
			t.Errorf("a repeated call: %d tasks waited, %v", n, err)
		}
		s.wantKept(t, 2)
	})
}

func TestTasksWaitForNoArchiveWithoutTheSetting(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		for name, settings := range map[string][]time.Duration{"never set": {0}, "removed": {wait, task.NoWait}} {
			t.Run(name, func(t *testing.T) {
				for _, d := range settings {
					s.waitForArchive(t, d)
				}
				tasks := s.endings(t)
				s.wantKept(t, 0)
				if n, err := s.store.Archived(t.Context(), tasks...); n != 0 || err != nil {
					t.Errorf("%d tasks waited, %v", n, err)
				}
				s.wantKept(t, 0)
				s.clear()
			})
		}
	})
}

func TestATaskThatHasChangedKeepsWaitingForTheArchive(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.waitForArchive(t, wait)
		before := s.endings(t)
		// failed is retried, stopped is retried and ends again, plain is another task with its id.
		if _, err := s.store.Retry(t.Context(), task.Edit{}, "failed", "stopped"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Stop(t.Context(), "", "stopped"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Delete(t.Context(), "plain"); err != nil {
			t.Fatal(err)
		}
		for made := s.now(t); !s.now(t).After(made); { // another millisecond
		}
		s.enqueue(t, task.Spec{ID: "plain"})
		if _, err := s.store.Stop(t.Context(), "", "plain"); err != nil {
			t.Fatal(err)
		}
		plain := s.read(t, "plain")
		for _, b := range before {
			if b.ID == "plain" {
				b.Version = plain.Version
			}
		}
		if _, err := s.store.Archived(t.Context(), before...); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{"failed": s.kept(t, "failed"), "stopped": s.kept(t, "stopped"), "plain": s.kept(t, "plain"), "plain2": s.kept(t, "plain2")}
		want := map[string]string{"failed": "waiting", "stopped": "168h0m0s, waits", "plain": "168h0m0s, waits", "plain2": "gone"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Of the failed tasks the newest 10,000 are kept, and older ones while they wait for the archive.
// Members without a record stand for them.
func TestTheBoundOfKeptTasksSparesThoseThatWaitForTheArchive(t *testing.T) {
	s := newSite(t, miniClient(t))
	s.waitForArchive(t, wait)
	index, now := s.prefix+"ended:failed", float64(s.now(t).UnixMilli())
	var members []redis.Z
	for i := range 10_001 {
		members = append(members, redis.Z{Score: now + float64(60_000+i), Member: fmt.Sprint("old", i)})
	}
	s.rdb.ZAdd(t.Context(), index, members...)
	s.rdb.HSet(t.Context(), s.prefix+"more:old0", "unarchived", "0")
	tasks := s.endings(t)
	if n := s.rdb.ZCard(t.Context(), index).Val(); n != 10_002 {
		t.Errorf("%d failed tasks are kept before the archive has them, want all 10002", n)
	}
	if _, err := s.store.Archived(t.Context(), tasks...); err != nil {
		t.Fatal(err)
	}
	left := s.rdb.ZRange(t.Context(), index, 0, 1).Val()
	if n := s.rdb.ZCard(t.Context(), index).Val(); n != 10_001 || !slices.Equal(left, []string{"old0", "old2"}) {
		t.Errorf("%d failed tasks are kept, the first are %v; want old1 removed", n, left)
	}
}
