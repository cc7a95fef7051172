package archive

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func sprint(v any) string { return strings.ReplaceAll(fmt.Sprintf("%+v", v), "\n", " ") }

var seed = flag.Uint64("seed", rand.Uint64(), "seed of the random events")

// story makes the events of tasks in the order of the stream.
type story struct {
	rng    *rand.Rand
	ms     int64
	seq    int64
	events []task.Event
}

func (s *story) emit(e task.Event) {
	if s.rng.IntN(3) == 0 {
		s.seq++
	} else {
		s.ms, s.seq = s.ms+1+s.rng.Int64N(1000), 0
	}
	e.Cursor, e.At, e.Queue = fmt.Sprintf("%d-%d", s.ms, s.seq), time.UnixMilli(s.ms), "q"
	s.events = append(s.events, e)
}

// life emits the events of a task from its enqueue to the end of its last generation.
func (s *story) life(id string) {
	v, attempt, kind := int64(1), int64(0), fmt.Sprint("k", s.rng.IntN(3))
	emit := func(e task.Event) {
		e.ID, e.Version, e.Kind = id, v, kind
		s.emit(e)
		v++
	}
	first := task.Waiting
	if s.rng.IntN(2) == 0 {
		first = task.Scheduled
	}
	emit(task.Event{State: first, Group: "g"})
	for range 1 + s.rng.IntN(3) {
		for tries := s.rng.IntN(3); tries >= 0; tries-- {
			attempt++
			replica := fmt.Sprint("r", s.rng.IntN(3))
			emit(task.Event{State: task.Running, Attempt: attempt, Replica: replica, Wait: 3 * time.Millisecond})
			if s.rng.IntN(4) == 0 {
				v--
				emit(task.Event{State: task.Running, Code: task.CodeSlow, Attempt: attempt, Replica: replica, Run: time.Millisecond})
			}
			ended := task.Event{Attempt: attempt, Replica: replica, Run: 9 * time.Millisecond}
			switch {
			case tries > 0:
				ended.State, ended.Code, ended.Error = task.Scheduled, task.CodeError, fmt.Sprint("boom ", v)
			case s.rng.IntN(2) == 0:
				ended.State, ended.Code, ended.Error, ended.Orphan = task.Failed, task.CodePermanent, fmt.Sprint("no ", v), "job"
			default:
				ended.State, ended.Code, ended.Result = task.Succeeded, task.CodeOK, fmt.Appendf(nil, "%d", v)
				ended.Meta, ended.Exported = map[string]string{"trace": id}, s.rng.IntN(2) == 0
			}
			emit(ended)
		}
		emit(task.Event{State: task.Waiting, Group: "g"}) // a retry by an operator
	}
	emit(task.Event{State: task.Stopped, Code: task.CodeStopped, Error: "enough"})
}

func randomStory(rng *rand.Rand, ids, lives int) []task.Event {
	s := &story{rng: rng, ms: 1_700_000_000_000}
	for range lives {
		for i := range ids {
			s.life(fmt.Sprint(string(rune('a'+i)), "-task"))
		}
	}
	return s.events
}

func (db *DB) feed(t *testing.T, pages ...[]task.Event) {
	t.Helper()
	for _, page := range pages {
		if err := db.transact(t.Context(), func(tx *tx) error { return tx.apply(t.Context(), "p", page) }); err != nil {
			t.Fatal(err)
		}
	}
}

// The rows are a function of the set of events.
func TestRepeatedAndReorderedEventsMakeTheSameRows(t *testing.T) {

	rng := newRand(t)
	events := randomStory(rng, 2, 2)
	databases(t, func(t *testing.T, where string) {
		db := open(t, where)
		db.feed(t, slices.Collect(slices.Chunk(events, 7))...)
		want := dump(t, db)
		if n := len(events); n < 20 || len(want) < n {
			t.Fatalf("%d rows of %d events", len(want), n)
		}
		for range 2 {
			shuffled := slices.Concat(events, events[:len(events)/2])
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			for _, table := range []string{"lts_tasks", "lts_events", "lts_attempts"} {
				if _, err := db.sql.Exec("DELETE FROM " + table); err != nil {
					t.Fatal(err)
				}
			}
			db.feed(t, slices.Collect(slices.Chunk(shuffled, 1+rng.IntN(9)))...)
			if diff := cmp.Diff(want, dump(t, db)); diff != "" {
				t.Fatal(diff)
			}
		}
		// All of them once more.
		db.feed(t, events)
		if diff := cmp.Diff(want, dump(t, db)); diff != "" {
			t.Error(diff)
		}
	})
}

func newRand(t *testing.T) *rand.Rand {
	t.Logf("-seed=%d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}
