package redisstore_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

func TestRatesLeaveOutWhatIsOld(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		at := func(ago time.Duration) string {
			return s.prefix + "load:" + strconv.FormatInt(s.now(t).Add(-ago).UnixMilli()/5000, 10)
		}
		for ago, n := range map[time.Duration]int{0: 60, 30 * time.Second: 600, 80 * time.Second: 6000} {
			if err := rdb.HSet(ctx, at(ago), "in:a:b", n, "out:a:b", 2*n).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := rdb.Set(ctx, at(15*time.Second), "of another type", 0).Err(); err != nil {
			t.Fatal(err)
		}
		rates, err := s.store.Rates(ctx, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if r := rates["a:b"]; len(rates) != 1 || r.In > 11 || r.In < 10 || r.Out != 2*r.In {
			t.Errorf("got %+v, want 660 in and 1320 out by about a minute", rates)
		}
	})
}

// A queue that waits for a token needs its timer. Without it no replica comes for the queue.
func TestNextClaimRestoresALostTimer(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, lost := range []string{"timers", "meta"} {
			w := newWreck(t, rdb)
			w.exhaust("q")
			w.do("DEL", lost)
			if lost == "meta" {
				w.joinAgain()
				rate := task.PerHour(1).WithBurst(1)
				w.must(w.store.Configure(t.Context(), task.Setting{Scope: task.QueueScope, Name: "q", Rate: &rate}))
			}
			if got := w.claim(2, "q"); len(got) != 0 {
				t.Errorf("without %s %d tasks started with no token", lost, len(got))
			}
			wantTimer("q q")(w)
		}
	})
}

// A group that waits for a token gets its timer again with its next task, as a queue does with the
// next claim.
func TestNextTaskOfAGroupRestoresALostTimer(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		w := newWreck(t, rdb)
		w.exhaustGroup("limited")
		w.do("DEL", "timers")
		w.enqueue(task.Spec{ID: "third", Queue: "q", Group: "limited"})
		w.wantTimer("g limited")
	})
}
