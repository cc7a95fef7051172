package redisstore_test

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// No replica that takes the task uses the remote of its job.
func TestCleanUpThatIsReleasedForADayLeavesAnOrphan(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.abandonJob("run")
	w.stop("run")
	release := func() {
		got := w.claim(1)
		if len(got) != 1 || got[0].ID != "run" || got[0].CleanUp != task.CodeStopped {
			t.Fatalf("claimed %+v", got)
		}
		r := reportOn(got[0], task.Release)
		r.Code, r.Delay = task.CodeReleased, time.Second
		w.exchange(nil, r)
	}
	decided := func(age time.Duration) { w.do("HSET", "more:run", "cleanup_at", w.now(t).Add(-age).UnixMilli()) }
	for age, want := range map[time.Duration]time.Duration{0: time.Second, 80 * time.Second: 10 * time.Second, 23 * time.Hour: time.Minute} {
		decided(age)
		release()
		if in := w.task("run").DueAt.Sub(w.now(t)); in > want+time.Second || in < want-10*time.Second {
			t.Errorf("after %v the next clean-up follows in %v, want %v", age, in, want)
		}
		w.do("ZADD", "outside", 1, "run")
		w.maintain()
	}
	decided(24 * time.Hour)
	release()
	if got := w.task("run"); got.State != task.Stopped || got.Orphan == "" {
		t.Errorf("after a day: %s, orphan %q", got.State, got.Orphan)
	}
	w.findsNothing()
}
