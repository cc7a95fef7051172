package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/worker"
)

// checkInspection walks over a pool that nothing has broken: whatever state it is
// in, nothing may be found, and the mending walk may change nothing, which the
// next step's comparison with the model shows.
func (w *walk) checkInspection() {
	found, err := w.store.WalkKeys(w.ctx, w.rng.IntN(2) == 0)
	w.must(err)
	for _, f := range found {
		if f.Severity != worker.SeverityOK {
			w.failf("inspection finds %+v", f)
		}
	}
}

// orders are the answers that a want allows, since much depends on the order in
// which keys are come across: alternatives have a bar between them, a word with a
// question mark may be there up to three times.
func orders(want string) []string {
	var all []string
	for one := range strings.SplitSeq(want, "|") {
		maybe, optional := strings.CutPrefix(one, "?")
		if !optional {
			all = append(all, one)
			continue
		}
		maybe, rest, _ := strings.Cut(maybe, " ")
		for n := range 4 {
			words := append(strings.Fields(strings.Repeat(maybe+" ", n)), strings.Fields(rest)...)
			slices.Sort(words)
			all = append(all, strings.Join(words, " "))
		}
	}
	return all
}

func TestWhatIsBrokenIsFoundAndMended(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, c := range damageCases {
			t.Run(c.name, func(t *testing.T) {
				w := newWreck(t, rdb)
				c.wreck(w)
				before := fmt.Sprint(w.dump(t))
				looked := w.find(false)
				for _, f := range looked {
					if f.Fixed != "" || f.What == "" || f.Do == "" || !strings.HasPrefix(f.Key, w.prefix) || strings.Contains(f.What, "%!") {
						t.Errorf("looking only, found %+v", f)
					}
				}
				if after := fmt.Sprint(w.dump(t)); after != before {
					t.Errorf("looking changed\n%s\nto\n%s", before, after)
				}
				found := w.find(true)
				if got := codes(found); !slices.Contains(orders(c.codes), got) {
					t.Errorf("found %s, want %s\n%+v", got, c.codes, found)
				}
				for _, f := range found {
					if f.Fixed == "" {
						t.Errorf("not mended: %+v", f)
					}
				}
				w.findsNothing()
				if c.after != nil {
					c.after(w)
				}
			})
		}
	})
}

// TestSlowCheckMendsTheSame breaks a pool in every way and lets upkeep find it,
// with a new store each time: the place of the walk is the pool's.
func TestSlowCheckMendsTheSame(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, c := range damageCases {
			t.Run(c.name, func(t *testing.T) {
				w := newWreck(t, rdb)
				c.wreck(w)
				var told []worker.Finding
				for range 3 { // what is mended may bring to light what it hid
					w.must(w.store.ForgetCheck(t.Context()))
					told = append(told, w.slowWalk()...)
				}
				w.findsNothing()
				for _, f := range told {
					if f.Fixed == "" {
						t.Errorf("told, and not mended: %+v", f)
					}
				}
			})
		}
	})
}

// slowWalk takes turns of upkeep until the slow check has come round.
func (w *wreck) slowWalk() (told []worker.Finding) {
	w.t.Helper()
	for range 10_000 {
		w.do("DEL", "lock:maintenance")
		u, err := w.store.Maintain(w.t.Context(), "keeper")
		w.must(err)
		told = append(told, u.Mended...)
		if strings.HasPrefix(w.rdb.HGet(w.t.Context(), w.prefix+"meta", "check").Val(), "after ") {
			return told
		}
	}
	w.t.Fatal("the slow check does not come round")
	return nil
}

func TestSlowCheckRestsAfterAWalk(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.slowWalk()
		w.do("RPUSH", "history:ghost", "x")
		for _, s := range []*redisstore.Store{w.store, w.open(t, rdb)} {
			w.do("DEL", "lock:maintenance")
			if u, err := s.Maintain(t.Context(), "keeper"); err != nil || len(u.Mended) > 0 {
				t.Errorf("mended %+v, %v, less than a minute after the last walk", u.Mended, err)
			}
		}
	})
}

func TestTwoLiveTasksOfOneUniqueKeyAreToldAndLeftAlone(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.do("HSET", "task:wait2", "unique", "u")
		found := w.find(true)
		if len(found) != 1 || found[0].Code != "unique_shared" || !found[0].Open() || w.state("wait2") != worker.Waiting {
			t.Errorf("found %+v", found)
		}
	})
}

func TestAQuarantinedKeyStaysAFindingAndAForeignOneIsANote(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.do("SET", "task:x", "1")
		w.do("SET", "notes", "1")
		w.do("HSET", "load:x", "in:default", "1") // counts have numbers
		w.find(true)
		all, err := w.store.WalkKeys(t.Context(), true)
		w.must(err)
		if got := codes(all); got != " quarantined unknown unknown" {
			t.Errorf("found %s", got)
		}
		for _, f := range all {
			if f.Code != "" && f.Open() != (f.Code == "quarantined") {
				t.Errorf("open: %v: %+v", f.Open(), f)
			}
		}
		if v := w.rdb.Get(t.Context(), w.prefix+"broken:task:x").Val(); v != "1" {
			t.Errorf("the quarantined key holds %q", v)
		}
	})
}

// A replica of a server refuses every script.
func TestInspectionOfAReadOnlyServerEndsWithThatFinding(t *testing.T) {
	master := redisserver.Start(t)
	host, port, _ := strings.Cut(master.Addr(), ":")
	rdb := redisserver.Start(t, redisserver.Config("replicaof", host+" "+port)).Client(t)
	s := newSite(t, rdb)
	var last worker.Finding
	for f, err := range s.store.Inspect(t.Context(), worker.Inspection{Fix: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Open() && f.Severity == worker.SeverityError {
			last = f
		}
	}
	if last.Check != "role" || last.Do == "" {
		t.Errorf("found %+v", last)
	}
}
