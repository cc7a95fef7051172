package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// checkInspection inspects an undamaged pool. In any state the inspection must find nothing, and
// the repairing inspection must change nothing. The comparison with the model after the next step
// checks the latter.
func (w *walk) checkInspection() {
	found, err := w.store.WalkKeys(w.ctx, w.rng.IntN(2) == 0)
	w.must(err)
	for _, f := range found {
		if f.Severity != task.SeverityOK && f.Check != "tasks" {
			w.failf("inspection finds %+v", f)
		}
	}
}

// wanted reports whether codes match the expectation of a case. The order in which the inspection
// reads keys affects the findings. A word with a question mark may be missing or occur up to three
// times, and "…" matches any further codes.
func wanted(codes, want string) bool {
	left := strings.Fields(codes)
	take := func(code string) bool {
		i := slices.Index(left, code)
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
		return i >= 0
	}
	for _, w := range strings.Fields(want) {
		if w != "…" && w[0] != '?' && !take(w) {
			return false
		}
	}
	for _, w := range strings.Fields(want) {
		if w == "…" {
			return true
		}
		if w[0] == '?' {
			for range 3 {
				take(w[1:])
			}
		}
	}
	return len(left) == 0
}

func whole(n int64) string { return strconv.FormatInt(n, 10) }

// flagOff clears the flag of a run entry, as if the end of its attempt needed nothing else.
func flagOff(entry string) string {
	words := strings.Fields(entry)
	words[4] = "0"
	return fmt.Sprintf("%-66s", strings.Join(words, " "))
}

// otherQueue returns the claim with another queue.
func otherQueue(claim string) string {
	words := strings.Fields(claim)
	words[2] = "q"
	return strings.Join(words, " ")
}

func TestDamageIsFoundAndRepaired(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, c := range damageCases {
			t.Run(c.name, func(t *testing.T) {
				w := newWreck(t, rdb)
				c.wreck(w)
				before := fmt.Sprint(w.dump(t))
				reported := w.find(false)
				for _, f := range reported {
					if f.Fixed != "" || f.What == "" || f.Do == "" || !strings.HasPrefix(f.Key, w.prefix) || strings.Contains(f.What, "%!") {
						t.Errorf("the inspection without repair found %+v", f)
					}
				}
				if after := fmt.Sprint(w.dump(t)); after != before {
					t.Errorf("the inspection without repair changed\n%s\nto\n%s", before, after)
				}
				found := w.find(true)
				if got := codes(found); !wanted(got, c.codes) {
					t.Errorf("found %s, want %s\n%+v", got, c.codes, found)
				}
				for _, f := range found {
					if f.Fixed == "" {
						t.Errorf("not repaired: %+v", f)
					}
				}
				w.findsNothing()
				if c.after != nil {
					c.after(w)
				}
				w.works()
			})
		}
	})
}

// TestSlowCheckRepairsTheSame damages a pool in every way and runs maintenance until it has found
// the damage.
func TestSlowCheckRepairsTheSame(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, c := range damageCases {
			t.Run(c.name, func(t *testing.T) {
				w := newWreck(t, rdb)
				c.wreck(w)
				var reported []task.Finding
				for range 3 { // a repair may reveal other damage
					w.must(w.store.ForgetCheck(t.Context()))
					reported = append(reported, w.slowWalk()...)
				}
				w.findsNothing()
				for _, f := range reported {
					if f.Fixed == "" {
						t.Errorf("reported, and not repaired: %+v", f)
					}
				}
			})
		}
	})
}

// slowWalk runs maintenance until the slow check has completed a round.
func (w *wreck) slowWalk() (reported []task.Finding) {
	w.t.Helper()
	for range 10_000 {
		reported = append(reported, w.maintain().Repaired...)
		if strings.HasPrefix(w.rdb.HGet(w.t.Context(), w.prefix+"meta", "check").Val(), "after ") {
			return reported
		}
	}
	w.t.Fatal("the slow check does not complete a round")
	return nil
}

func TestSlowCheckPausesAfterAWalk(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.slowWalk()
		w.do("RPUSH", "history:ghost", "x")
		for _, s := range []*redisstore.Store{w.store, w.open(t, rdb)} {
			w.do("DEL", "lock:maintenance")
			if u, err := s.Maintain(t.Context(), "keeper"); err != nil || len(u.Repaired) > 0 {
				t.Errorf("repaired %+v, %v, less than a minute after the last walk", u.Repaired, err)
			}
		}
		w.must(w.store.ForgetCheck(t.Context()))
		w.do("HSET", "meta", "check", "after 9000000000000")
		if found := w.slowWalk(); len(found) != 1 {
			t.Errorf("repaired %+v after the clock went back by years, want the usual pause", found)
		}
	})
}

func TestSlowCheckGoesOnFromASpoiledCursor(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		for _, cursor := range []string{" ", "x", "0 nothing 0", "0 wait:default x", "end run:none 0", "after x"} {
			w.must(w.store.ForgetCheck(t.Context()))
			w.do("HSET", "meta", "check", cursor)
			w.slowWalk()
			w.findsNothing()
		}
	})
}

func TestTwoLiveTasksOfOneUniqueKeyAreReportedAndLeftAlone(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.rewrite("wait2", " k - ", " k - unique=u ")
		found := w.find(true)
		if len(found) != 1 || found[0].Code != "unique_shared" || !found[0].Open() || w.state("wait2") != task.Waiting {
			t.Errorf("found %+v", found)
		}
	})
}

func TestAQuarantinedKeyStaysAFindingAndAForeignOneIsANote(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.do("SET", "task:x", "1")
		w.do("SET", "notes", "1")
		w.do("HSET", "load:x", "in:default", "1") // the key of a count ends in a number
		w.find(true)
		all, err := w.store.WalkKeys(t.Context(), true)
		w.must(err)
		if got := codes(all); got != "entries_broken quarantined unknown unknown" {
			t.Errorf("found %s", got)
		}
		for _, f := range all {
			if f.Key != "" && f.Open() != (f.Code == "quarantined") {
				t.Errorf("open: %v: %+v", f.Open(), f)
			}
		}
		if v := w.rdb.Get(t.Context(), w.prefix+"broken:task:x").Val(); v != "1" {
			t.Errorf("the quarantined key holds %q", v)
		}
	})
}

func TestTheExtrasOfAQuarantinedRecordAreKept(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.do("SETRANGE", "task:fail", 0, "z")
		w.find(true)
		for _, name := range []string{"broken:task:fail", "more:fail", "history:fail"} {
			if w.rdb.Exists(t.Context(), w.prefix+name).Val() == 0 {
				t.Errorf("%s is gone", name)
			}
		}
	})
}

func TestATaskThatIsDueInMoreThanTenYearsIsNamed(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.enqueue(task.Spec{ID: "far", RunAt: w.now(t).Add(11 * 365 * 24 * time.Hour)})
		found, err := w.store.WalkKeys(t.Context(), true)
		w.must(err)
		i := slices.IndexFunc(found, func(f task.Finding) bool { return f.Code == "far_due" })
		if i < 0 || found[i].Task != "far" || found[i].Open() {
			t.Errorf("found %+v", found)
		}
	})
}

// Keys of a wrong type stop the scripts of maintenance. Maintenance quarantines these keys and
// continues.
func TestMaintenanceGoesOnPastEveryKeyOfAWrongType(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		for name := range w.dump(t) {
			t.Run(strings.TrimPrefix(name, w.prefix), func(t *testing.T) {
				w := newWreck(t, rdb)
				name := strings.TrimPrefix(name, "lts:{")
				_, name, _ = strings.Cut(name, "}:")
				w.do("DEL", name)
				w.do("XADD", name, "*", "a", 1)
				for range 3 {
					w.must(w.store.ForgetCheck(t.Context()))
					w.slowWalk()
				}
				w.findsNothing()
			})
		}
	})
}

// A read-only replica of Redis refuses every script.
func TestInspectionOfAReadOnlyServerEndsWithThatFinding(t *testing.T) {
	master := redisserver.Start(t)
	host, port, _ := strings.Cut(master.Addr(), ":")
	rdb := redisserver.Start(t, redisserver.Config("replicaof", host+" "+port)).Client(t)
	s := newSite(t, rdb)
	var last task.Finding
	for f, err := range s.store.Inspect(t.Context(), task.Inspection{Fix: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Open() && f.Severity == task.SeverityError {
			last = f
		}
	}
	if last.Check != "role" || last.Do == "" {
		t.Errorf("found %+v", last)
	}
}
