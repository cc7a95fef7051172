package redisstore_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// A record that cannot be read, or only in part, does not stop the other tasks of its claim from
// being handed out. No task leaves its queue without a claim.
func TestSpoiledRecordHoldsBackNoTaskOfItsClaim(t *testing.T) {
	digits := strings.Repeat("9", 400)
	for what, spoil := range map[string]func(record string) string{
		"created is no number":    func(r string) string { return r[:5] + "x" + r[6:] },
		"deadline is none":        func(r string) string { return strings.Replace(r, " k -", " k - deadline_at=none", 1) },
		"timeout is forever":      func(r string) string { return strings.Replace(r, " k -", " k - timeout_ms=forever", 1) },
		"garbage":                 func(string) string { return "garbage" },
		"word of another version": func(r string) string { return strings.Replace(r, " k -", " k - run=1 state=2", 1) },
		"backoff has 400 digits":  func(r string) string { return strings.Replace(r, " k -", " k - backoff=fixed:"+digits, 1) },
		"backoff grows over limit": func(r string) string {
			return strings.Replace(r, " k -", " k - backoff=exponential:"+digits+":"+digits, 1)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, redisserver.Shared(t).Client(t))
			s.join(t, "r")
			const tasks = 100
			specs := make([]task.Spec, tasks)
			for i := range specs { // so large that one exchange cannot return all of them
				specs[i] = task.Spec{ID: fmt.Sprint("t", i), Kind: "k", Payload: bytes.Repeat([]byte("1"), 10_000)}
			}
			s.enqueue(t, specs...)
			key := s.prefix + "task:t90"
			if err := s.rdb.Set(t.Context(), key, spoil(s.rdb.Get(t.Context(), key).Val()), 0).Err(); err != nil {
				t.Fatal(err)
			}
			call, failed := int64(0), 0
			for range 5 {
				call++
				got, err := s.store.Exchange(t.Context(), claimOf(call, task.DefaultQueue, tasks))
				if err != nil {
					t.Fatal(err)
				}
				var reports []task.Report
				for _, tk := range tasksOf(got) {
					r := reportOn(tk, task.Fail)
					r.Error, r.DelaySet, r.Delay = "broke", tk.ID != "t90", time.Hour // t90 waits for its own backoff
					reports = append(reports, r)
				}
				failed += len(reports)
				if len(reports) == 0 {
					break
				}
				call++
				x := reportsOf(call, reports...)
				if _, err := s.store.Exchange(t.Context(), x); err != nil {
					t.Fatal(err)
				}
			}
			if failed < tasks-1 {
				t.Errorf("%d of %d tasks were handed out", failed, tasks)
			}
			if n := s.rdb.ZCard(t.Context(), s.prefix+"scheduled").Val(); n < tasks-1 {
				t.Errorf("%d tasks wait for their next attempt", n)
			}
			if _, err := s.store.Stop(t.Context(), "enough", "t90", "t91"); err != nil {
				t.Error(err)
			}
			if got := s.read(t, "t91"); got == nil || got.State != task.Stopped {
				t.Errorf("t91 is %+v", got)
			}
		})
	}
}

// A claim that ends for another reason than an empty queue does not report Short, because there may
// be more tasks. The queue stays ready.
func TestClaimThatLeavesTasksBehindIsNotShort(t *testing.T) {
	for what, spec := range map[string]task.Spec{
		"bytes": {Kind: "k", Payload: bytes.Repeat([]byte("1"), 20_000)},
		"group": {Kind: "k", Group: "g"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, redisserver.Shared(t).Client(t))
			s.join(t, "r")
			s.limitGroup(t, "g", 3)
			specs, n := []task.Spec{spec, spec, spec, spec}, 2 // one head in the queue
			if what == "bytes" {
				specs, n = slices.Repeat([]task.Spec{spec}, 50), 200 // a megabyte
			}
			s.enqueue(t, specs...)
			got, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, n))
			if err != nil {
				t.Fatal(err)
			}
			if len(tasksOf(got)) == len(specs) || got.Short[0] {
				t.Errorf("%d of %d tasks, short: %v", len(tasksOf(got)), len(specs), got.Short)
			}
		})
	}
}

// A task that entries only refer to may have a key of another type. No inbox entry is lost then.
func TestKeysOfATaskThatEntriesMentionLoseNoEntry(t *testing.T) {
	for _, which := range []string{"more", "reply"} {
		t.Run(which, func(t *testing.T) {
			ctx := t.Context()
			s := newSite(t, redisserver.Shared(t).Client(t))
			s.join(t, "r")
			s.enqueue(t, task.Spec{ID: "h", Kind: "k", Unique: "u", Retain: new(time.Hour)})
			second := `{"kind":"k","id":"n2","unique":"u"}`
			if which == "more" {
				record := s.rdb.Get(ctx, s.prefix+"task:h").Val()
				s.rdb.Set(ctx, s.prefix+"task:h", "w1"+record[2:], 0)
				s.rdb.Set(ctx, s.prefix+"more:h", "x", 0)
			} else {
				if _, err := s.store.Stop(ctx, "enough", "h"); err != nil {
					t.Fatal(err)
				}
				s.rdb.Set(ctx, s.prefix+"reply:h", "x", 0)
				second = `{"kind":"k","id":"h","reply":true}`
			}
			s.rdb.RPush(ctx, s.prefix+"inbox", `{"kind":"k","id":"n1"}`, second, `{"kind":"k","id":"n3"}`)
			if _, err := s.store.AdmitInbox(ctx, nil); err != nil {
				t.Fatal(err)
			}
			if s.read(t, "n1") == nil || s.read(t, "n3") == nil {
				t.Error("another entry was lost")
			}
			if n := s.rdb.XLen(ctx, s.prefix+"inbox:rejected").Val(); n != 1 {
				t.Errorf("%d entries were rejected, want 1", n)
			}
		})
	}
}

// A lost attempt whose deadline has passed counts as failed. Nothing else would end its task,
// because the task is no longer in the index of deadlines.
func TestLostAttemptPastItsDeadlineHasFailed(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	id, deadline := "", 200*time.Millisecond
	for call := int64(1); ; call++ {
		id = fmt.Sprint("a", call)
		s.enqueue(t, task.Spec{ID: id, Kind: "k", Deadline: deadline})
		x := claimOf(call, task.DefaultQueue, 1)
		x.Lease, x.Grace = deadline+100*time.Millisecond, time.Minute // the lease ends after the deadline
		got, err := s.store.Exchange(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if len(tasksOf(got)) == 1 {
			break
		}
		deadline *= 2 // on a busy machine it had passed before the claim
	}
	for begin := s.now(t); s.now(t).Sub(begin) <= deadline+110*time.Millisecond; {
		if _, err := s.store.Maintain(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.store.Maintain(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	if got := s.read(t, id); got.State != task.Failed || got.Code != task.CodeDeadline {
		t.Errorf("it is %s, %s", got.State, got.Code)
	}
}

// One exchange removes a bounded number of expired tasks, however many tasks of a group are behind
// its head and in however many queues.
func TestExchangeClearsABoundedNumberAway(t *testing.T) {
	const tasks, most = 2000, 260
	for _, group := range []string{"g", ""} {
		s := newSite(t, redisserver.Shared(t).Client(t))
		s.join(t, "r")
		s.limitGroup(t, "g", 1)
		x := claimOf(1, "q0", 1)
		x.Claims = nil
		for q := range 20 {
			specs := make([]task.Spec, tasks/20)
			for i := range specs {
				specs[i] = task.Spec{Kind: "k", Queue: fmt.Sprint("q", q), Group: group, TTL: 200 * time.Millisecond}
			}
			s.enqueue(t, specs...)
			x.Claims = append(x.Claims, task.Claim{Queue: fmt.Sprint("q", q), N: 5})
		}
		for begin := s.now(t); s.now(t).Sub(begin) <= 210*time.Millisecond; {
		}
		if _, err := s.store.Exchange(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		expired, err := s.rdb.HGet(t.Context(), s.prefix+"stats", "expired").Int()
		if err != nil && err != redis.Nil || expired == 0 || expired > most {
			t.Errorf("group %q: %d tasks expired in one exchange (%v)", group, expired, err)
		}
	}
}

// When one call ends several tasks of a group, it searches for the group's next tasks once, however
// many queues hold them.
func TestReportsOfAGroupOpenItOnce(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	const tasks, queues = 100, 50
	s.limitGroup(t, "g", tasks)
	specs := make([]task.Spec, tasks)
	for i := range specs {
		specs[i] = task.Spec{Kind: "k", Group: "g"}
	}
	s.enqueue(t, specs...)
	got, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, tasks))
	if err != nil {
		t.Fatal(err)
	}
	for q := range queues {
		name := fmt.Sprint("q", q)
		s.enqueue(t, task.Spec{Kind: "k", Group: "g", Queue: name}, task.Spec{Kind: "k", Group: "g", Queue: name})
	}
	var reports []task.Report
	for _, tk := range tasksOf(got) {
		reports = append(reports, reportOn(tk, task.Succeed))
	}
	commands := func() int64 { // includes commands inside scripts
		var n, calls int64
		for _, line := range strings.Split(s.rdb.Info(t.Context(), "commandstats").Val(), "\n") {
			if _, err := fmt.Sscanf(line, "cmdstat_zrangebylex:calls=%d", &calls); err == nil {
				n += calls
			}
		}
		return n
	}
	before := commands()
	if _, err := s.store.Exchange(t.Context(), reportsOf(2, reports...)); err != nil {
		t.Fatal(err)
	}
	if n := commands() - before; n > 4*queues {
		t.Errorf("%d reports searched for the group's next task %d times in %d queues", tasks, n, queues)
	}
}

// An error belongs to the attempt that it ended. A later end or release without an error removes it
// from the task.
func TestAnOldErrorIsNotThatOfALaterEnd(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	s.enqueue(t, task.Spec{ID: "a", Kind: "k", Retain: new(time.Hour)})
	for call, op := range []task.Op{task.Fail, task.Release} {
		got, err := s.store.Exchange(t.Context(), claimOf(int64(2*call+1), task.DefaultQueue, 1))
		if err != nil || len(tasksOf(got)) != 1 {
			t.Fatal(got, err)
		}
		r := reportOn(tasksOf(got)[0], op)
		if op == task.Fail {
			r.Error, r.DelaySet = "broke", true
		}
		if _, err := s.store.Exchange(t.Context(), reportsOf(int64(2*call+2), r)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.read(t, "a"); got.Error != "" || got.Failures != 1 {
		t.Errorf("after a release: error %q, %d failures", got.Error, got.Failures)
	}
}

// A draining replica that reports a busy queue causes a signal to another replica.
func TestBusyQueueOfADrainingReplicaWakesAnother(t *testing.T) {
	ctx := t.Context()
	s := newSite(t, redisserver.Shared(t).Client(t))
	for _, r := range []string{"a", "b"} {
		reg := task.Registration{Replica: r, Lease: time.Hour, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}, Kinds: map[string]task.Policy{"k": {}}}
		if _, err := s.store.Join(ctx, reg); err != nil {
			t.Fatal(err)
		}
		x := task.Exchange{Replica: r, Sequence: 1, Call: 1, Lease: time.Minute, Claims: []task.Claim{{Queue: "q", N: 1}}, Idle: true}
		if _, err := s.store.Exchange(ctx, x); err != nil {
			t.Fatal(err)
		}
		for begin := s.now(t); s.now(t).Sub(begin) < 3*time.Millisecond; { // a has been idle for longer than b
		}
	}
	s.enqueue(t, task.Spec{Kind: "k", Queue: "q"})
	if n := s.rdb.LLen(ctx, s.prefix+"signals:a").Val(); n != 1 {
		t.Fatalf("a has %d signals", n)
	}
	if _, err := s.store.Exchange(ctx, task.Exchange{Replica: "a", Sequence: 1, Call: 2, Lease: time.Minute, Busy: []string{"q"}, Closed: true}); err != nil {
		t.Fatal(err)
	}
	if got := s.rdb.LRange(ctx, s.prefix+"signals:b", 0, -1).Val(); len(got) != 1 || got[0] != "q:q" {
		t.Errorf("the signals of b are %q", got)
	}
}

// A repeated answer has the time that its attempts have left.
func TestRepeatedAnswerHasTheNearerBound(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	s.enqueue(t, task.Spec{Kind: "k", Timeout: 10 * time.Second, Deadline: 10_050 * time.Millisecond})
	if _, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, 1)); err != nil {
		t.Fatal(err)
	}
	for begin := s.now(t); s.now(t).Sub(begin) < 100*time.Millisecond; {
	}
	got, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, 1))
	if err != nil || len(got.Claimed) != 1 || got.Claimed[0].Left > 9_900*time.Millisecond {
		t.Errorf("again: %+v, %v", got.Claimed, err)
	}
}

// read returns a task, nil if there is none.
func (s *site) read(t *testing.T, id string) *task.Task {
	t.Helper()
	tasks, err := s.store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return tasks[0]
}

func (s *site) limitGroup(t *testing.T, group string, n int) {
	t.Helper()
	if err := s.store.Configure(t.Context(), task.Setting{Scope: task.GroupScope, Name: group, Limit: &n}); err != nil {
		t.Fatal(err)
	}
}
