package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// The driver repeats a call if its reply is lost. These tests repeat calls by hand with the same
// bytes.

func TestRepeatedEnqueueMakesNothingAndSaysTheSame(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.join(t, "r")
		var sent recorder
		rdb.AddHook(&sent)
		s.enqueue(t, task.Spec{}, task.Spec{ID: "x"}, task.Spec{ID: "x"})
		calls := sent.take()
		call := calls[len(calls)-1:]
		if s.again(t, call)[0] == nil {
			t.Error("no reply")
		}
		// The task may be gone before the call is repeated.
		got, err := s.store.Exchange(t.Context(), claimOf(1, "default", 9))
		if err != nil || len(tasksOf(got)) != 2 {
			t.Fatal(got, err)
		}
		var reports []task.Report
		for _, tk := range tasksOf(got) {
			reports = append(reports, reportOn(tk, task.Succeed))
		}
		if _, err := s.store.Exchange(t.Context(), reportsOf(1, reports...)); err != nil {
			t.Fatal(err)
		}
		replies := append(s.again(t, call), s.again(t, call)...)
		if a, b := fmt.Sprint(replies[0]), fmt.Sprint(replies[1]); a != b || !strings.Contains(a, "dup x waiting") {
			t.Errorf("replies %s and %s", a, b)
		}
		if st, err := s.store.Stats(t.Context()); err != nil || st.Enqueued != 2 || st.Waiting != 0 {
			t.Errorf("stats %+v, %v", st, err)
		}
	})
}

func TestOvertakenEnqueueIsRefused(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		var sent recorder
		rdb.AddHook(&sent)
		for range 2 {
			s.enqueue(t, task.Spec{})
		}
		calls := sent.take()
		first := calls[len(calls)-2]
		if err := rdb.Do(t.Context(), first...).Err(); err == nil || !strings.HasPrefix(err.Error(), "STALE") {
			t.Errorf("error %v", err)
		}
		if st, err := s.store.Stats(t.Context()); err != nil || st.Enqueued != 2 {
			t.Errorf("stats %+v, %v", st, err)
		}
	})
}

// Entries with the same text differ only by their position in the inbox. A repeated call must not
// admit the next entries instead of those that it has admitted.
func TestRepeatedAdmissionTakesNoFurtherEntries(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		var sent recorder
		rdb.AddHook(&sent)
		const n = 500
		for range n {
			if err := rdb.RPush(t.Context(), s.prefix+"inbox", `{"kind":"tick"}`).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for more := true; more; {
			var err error
			if more, err = s.store.AdmitInbox(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			calls := sent.take()
			s.again(t, calls[len(calls)-1:])
		}
		st, err := s.store.Stats(t.Context())
		if err != nil || st.Waiting != n || st.Rejected != 0 || st.Inbox != 0 {
			t.Errorf("%d waiting, %d rejected, %d in the inbox, %v", st.Waiting, st.Rejected, st.Inbox, err)
		}
	})
}

// life is a pool with one task and the steps of the task.
type life struct {
	s    *site
	call int64
	held int64 // fence of the latest claim
}

func (l *life) report(ctx context.Context, op task.Op) error {
	l.call++
	_, err := l.s.store.Exchange(ctx, reportsOf(l.call, task.Report{ID: "x", Queue: "default", Fence: l.held, Last: true, Op: op,
		Code: task.CodeError, DelaySet: true}))
	return err
}

// TestStopRacesEverything stops a task before and after every other step of its life, in every
// order of four steps. It checks that the task ends once and never starts again.
func TestStopRacesEverything(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		steps := map[string]func(*life) error{
			"stop": func(l *life) error { _, err := l.s.store.Stop(ctx, "why", "x"); return err },
			"claim": func(l *life) error {
				l.call++
				x := claimOf(l.call, "default", 1)
				x.Lease = time.Millisecond
				got, err := l.s.store.Exchange(ctx, x)
				if len(got.Claimed) > 0 {
					l.held = got.Claimed[0].Fence
				}
				return err
			},
			"succeed": func(l *life) error { return l.report(ctx, task.Succeed) },
			"fail":    func(l *life) error { return l.report(ctx, task.Fail) },
			"reap": func(l *life) error {
				for until := l.s.now(t).Add(time.Millisecond); !l.s.now(t).After(until); {
				}
				_, err := l.s.store.Maintain(ctx, "keeper")
				return err
			},
		}
		names := []string{"stop", "claim", "succeed", "fail", "reap"}
		var order [4]string
		var run func(depth int)
		run = func(depth int) {
			if depth < len(order) {
				for _, n := range names {
					order[depth] = n
					run(depth + 1)
				}
				return
			}
			if !slices.Contains(order[:], "stop") {
				return
			}
			l := &life{s: newSite(t, rdb)}
			l.s.join(t, "r")
			keep := task.Forever
			l.s.enqueue(t, task.Spec{ID: "x", Retain: &keep})
			stopped, ended := false, task.State("")
			for _, n := range order {
				if err := steps[n](l); err != nil {
					t.Fatalf("%v: %s: %v", order, n, err)
				}
				tasks, err := l.s.store.Get(ctx, "x")
				if err != nil {
					t.Fatal(err)
				}
				now := tasks[0].State
				if ended != "" && now != ended {
					t.Errorf("%v: %s changed the final state %s to %s", order, n, ended, now)
				}
				if now.Terminal() {
					ended = now
				}
				if stopped && n == "claim" && now == task.Running && tasks[0].StopWhy == "" {
					t.Errorf("%v: the task started after the stop", order)
				}
				stopped = stopped || n == "stop" && ended == ""
				if stopped && now == task.Waiting {
					t.Errorf("%v: %s put a task back after a request to stop", order, n)
				}
			}
			ends := 0
			events, err := l.s.store.RecentEvents(ctx, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.State.Terminal() {
					ends++
				}
			}
			if ends > 1 || (ends == 1) != (ended != "") {
				t.Errorf("%v: %d ends in the stream, state %q", order, ends, ended)
			}
		}
		run(0)
	})
}
