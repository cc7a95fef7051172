package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// These tests check a store when Redis, or another program that uses it, causes errors.

// troubled returns a pool on a server of its own, with replica r. The returned function makes the
// next exchange, which claims up to n tasks.
func troubled(t *testing.T) (*redis.Client, *redisstore.Store, func(n int, reports ...task.Report) ([]task.Verdict, []*task.Task, error)) {
	t.Helper()
	rdb := redisserver.Start(t).Client(t)
	s := redisstore.New(rdb, "p")
	t.Cleanup(func() { s.Close() })
	join(t, s)
	call := int64(0)
	return rdb, s, func(n int, reports ...task.Report) ([]task.Verdict, []*task.Task, error) {
		call++
		x := claimOf(call, "default", n)
		x.Reports = reports
		got, err := s.Exchange(t.Context(), x)
		return got.Verdicts, tasksOf(got), err
	}
}

func join(t *testing.T, s *redisstore.Store) {
	t.Helper()
	if _, err := s.Join(t.Context(), task.Registration{
		Replica: "r", Lease: time.Minute, Queues: map[string]task.QueueConfig{"default": {Workers: 9, Limit: 5}},
	}); err != nil {
		t.Fatal(err)
	}
}

func enqueue(t *testing.T, s *redisstore.Store, specs ...task.Spec) {
	t.Helper()
	if _, err := s.Enqueue(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
}

func TestFullRedisRefusesNewTasksAndDrains(t *testing.T) {
	rdb, s, exchange := troubled(t)
	ctx := t.Context()
	enqueue(t, s, task.Spec{Kind: "k", ID: "a"}, task.Spec{Kind: "k", ID: "b"}, task.Spec{Kind: "k", ID: "c"},
		task.Spec{Kind: "k", ID: "d"}, task.Spec{Kind: "k", ID: "e", Delay: time.Millisecond})
	_, held, err := exchange(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}

	if _, err := s.Enqueue(ctx, []task.Spec{{Kind: "k"}}); err == nil || !strings.Contains(err.Error(), "maxmemory") {
		t.Errorf("enqueue: %v, want advice about maxmemory", err)
	}
	kept, err := s.Renew(ctx, task.Renewal{Replica: "r", Lease: time.Minute, Held: heldBy(held...)})
	if err != nil || kept.Verdicts[0] != task.Kept {
		t.Errorf("renew: %v, %v", kept, err)
	}
	failure := reportOn(held[1], task.Fail)
	failure.DelaySet = true
	verdicts, more, err := exchange(1, reportOn(held[0], task.Succeed), failure)
	if err != nil || fmt.Sprint(verdicts) != "[ok ok]" || len(more) != 1 {
		t.Errorf("exchange: %v, %d tasks, %v", verdicts, len(more), err)
	}
	if c, err := s.Stop(ctx, "enough", "d", more[0].ID); err != nil || !c[0].Done || !c[1].Done {
		t.Errorf("stop: %+v, %v", c, err)
	}
	on := true
	if err := s.Configure(ctx, task.Setting{Scope: task.QueueScope, Name: "default", Pause: &on}); err != nil {
		t.Errorf("pause: %v", err)
	}
	if u, err := s.Maintain(ctx, "r"); err != nil || u.Busy {
		t.Errorf("maintenance: %+v, %v", u, err)
	}
	if _, err := s.Join(ctx, task.Registration{Replica: "late", Lease: time.Minute}); err != nil {
		t.Errorf("join: %v", err)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Enqueued != 5 || st.Scheduled != 0 || st.Ended[task.Succeeded] != 1 || st.Ended[task.Stopped] != 1 {
		t.Errorf("stats %+v, %v", st, err)
	}
}

// Parents that need children have waited for longer than the one whose children have to be stopped.
func TestFullRedisStopsChildrenBesideParentsThatRun(t *testing.T) {
	rdb, s, _ := troubled(t)
	ctx := t.Context()
	enqueue(t, s, task.Spec{Kind: "k", ID: "ended", Shards: 3})
	if _, err := s.Spread(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		enqueue(t, s, task.Spec{Kind: "k", ID: fmt.Sprint("runs", i), Shards: 3})
	}
	if _, err := s.Stop(ctx, "enough", "ended"); err != nil {
		t.Fatal(err)
	}
	if err := rdb.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if next, err := s.Spread(ctx); err != nil || next != time.Millisecond {
		t.Errorf("the next step follows in %v, %v", next, err)
	}
	children, err := s.Get(ctx, "ended/0", "ended/1", "ended/2", "runs0/0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children[:3] {
		if c.State != task.Stopped {
			t.Errorf("%s is %s", c.ID, c.State)
		}
	}
	if _, err := s.Spread(ctx); err == nil || !strings.Contains(err.Error(), "maxmemory") || children[3] != nil {
		t.Errorf("the children of a running parent: %v, want advice about maxmemory", err)
	}
}

func TestReplicaThatThePoolForgotGetsNothing(t *testing.T) {
	rdb, s, exchange := troubled(t)
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	enqueue(t, s, task.Spec{Kind: "k"})
	if _, _, err := exchange(1); !errors.Is(err, task.ErrNotJoined) {
		t.Errorf("claim: %v, want ErrNotJoined", err)
	}
	if _, err := s.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Minute}); !errors.Is(err, task.ErrNotJoined) {
		t.Errorf("renew: %v, want ErrNotJoined", err)
	}
	if rs, err := s.Replicas(t.Context()); err != nil || len(rs) != 0 {
		t.Errorf("replicas %v, %v: a renewal must not put it back", rs, err)
	}
	join(t, s)
	if _, got, err := exchange(1); err != nil || len(got) != 1 {
		t.Errorf("claim after joining again: %d tasks, %v", len(got), err)
	}
}

func TestSameIDAgainHasANewFence(t *testing.T) {
	_, s, exchange := troubled(t)
	enqueue(t, s, task.Spec{Kind: "k", ID: "nightly"})
	_, first, err := exchange(1)
	if err != nil {
		t.Fatal(err)
	}
	report := reportOn(first[0], task.Succeed)
	if v, _, err := exchange(0, report); err != nil || v[0] != task.Accepted {
		t.Fatal(v, err)
	}
	enqueue(t, s, task.Spec{Kind: "k", ID: "nightly"})
	_, second, err := exchange(1)
	if err != nil || len(second) != 1 || second[0].Attempt != 1 {
		t.Fatal(second, err)
	}
	if v, _, err := exchange(0, report); err != nil || v[0] != task.LeaseLost {
		t.Errorf("report of the earlier task: %v, %v, want lost", v, err)
	}
	if st, _ := s.Stats(t.Context()); st.Running != 1 {
		t.Errorf("%d running, want the second", st.Running)
	}
}

func TestLostRecordBlocksNeitherGroupNorQueue(t *testing.T) {
	rdb, s, exchange := troubled(t)
	one := 1
	if err := s.Configure(t.Context(), task.Setting{Scope: task.GroupScope, Name: "g", Limit: &one}); err != nil {
		t.Fatal(err)
	}
	enqueue(t, s, task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b", Group: "g"})
	_, got, err := exchange(2)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	rdb.Del(t.Context(), "lts:{p}:task:a")
	rdb.ZAdd(t.Context(), "lts:{p}:leases", redis.Z{Score: 1, Member: got[0].Fence}) // ends the lease
	for range 20 {                                                                   // until the slow check has completed a round
		s.ForgetCheck(t.Context())
		if _, err := s.Maintain(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
	}
	if _, got, err := exchange(2); err != nil || len(got) != 1 || got[0].ID != "b" {
		t.Errorf("claimed %v, %v, want b", got, err)
	}
}

// bad is a task whose record another program has overwritten.
func TestSpoiledRecordBlocksNoOtherTask(t *testing.T) {
	spec := task.Spec{Kind: "k", ID: "bad", Timeout: time.Minute, MaxAttempts: 3, TTL: time.Hour, Deadline: 2 * time.Hour, Headers: map[string]string{"h": "v"}}
	for _, c := range [][2]string{
		{"timeout_ms=60000", "timeout_ms=5m"}, {"max_attempts=3", "max_attempts=x"}, {"deadline_at=", "deadline_at=soon"}, {"expires_at=", "expires_at=soon"},
		{"headers=", "headers=["}, {"w0 1", "w0 x"}, {"w0 ", "z0 "}, {"w0 ", "w9 "}, {" k - ", " "}, {" k - ", "  "}, {"\n", ""}, {"w0 ", ""}, {"timeout_ms=60000", "="},
		{"timeout_ms=60000", "group=g timeout_ms=1"}, {" k - ", " k other "},
	} {
		t.Run(c[1], func(t *testing.T) {
			rdb, s, exchange := troubled(t)
			enqueue(t, s, task.Spec{Kind: "k", ID: "a"}, spec, task.Spec{Kind: "k", ID: "c"})
			p := site{rdb: rdb, prefix: "lts:{p}:"}
			p.rewrite(t, "bad", c[0], c[1])
			_, got, err := exchange(3)
			if err != nil {
				t.Fatal(err)
			}
			var reports []task.Report
			for _, tk := range got {
				reports = append(reports, reportOn(tk, task.Succeed))
			}
			verdicts, _, err := exchange(3, reports...)
			if err != nil || strings.Count(fmt.Sprint(verdicts), "ok") != len(got) || len(got) < 2 {
				t.Errorf("%d tasks, verdicts %v, %v", len(got), verdicts, err)
			}
			if st, err := s.Stats(t.Context()); err != nil || st.Ended[task.Succeeded] != int64(len(got)) || st.Running != 0 {
				t.Errorf("stats %+v, %v", st, err)
			}
			if _, err := s.Get(t.Context(), "bad"); err != nil {
				t.Error(err)
			}
			if _, err := s.Maintain(t.Context(), "r"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMissingRightsAreReportedBeforeAnythingIsWritten(t *testing.T) {
	rdb, _, _ := troubled(t)
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "half", "on", ">pw", "~*", "&*", "+@all", "-xadd").Err(); err != nil {
		t.Fatal(err)
	}
	before := rdb.DBSize(t.Context()).Val()
	half := redis.NewClient(&redis.Options{Addr: rdb.Options().Addr, Username: "half", Password: "pw"})
	t.Cleanup(func() { half.Close() })
	s := redisstore.New(half, "p")
	_, joining := s.Join(t.Context(), task.Registration{Replica: "h", Lease: time.Minute})
	_, enqueueing := s.Enqueue(t.Context(), []task.Spec{{Kind: "k"}})
	for what, err := range map[string]error{"join": joining, "enqueue": enqueueing, "check": s.Check(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "XADD") || !strings.Contains(err.Error(), "ACL") {
			t.Errorf("%s: %v, want one that names XADD and the ACL", what, err)
		}
	}
	if after := rdb.DBSize(t.Context()).Val(); after != before {
		t.Errorf("%d keys before, %d after", before, after)
	}
}

// A task whose run entry or claim is spoiled or missing is taken back when its lease ends or by the
// slow check. Then it no longer counts against its limit.
func TestSpoiledClaimIsTakenBack(t *testing.T) {
	for name, spoil := range map[string]func(rdb *redis.Client, fence int64){
		"run entry of another form": func(rdb *redis.Client, fence int64) {
			rdb.HSet(context.Background(), "lts:{p}:run:default", "a", "x")
		},
		"claim of another form": func(rdb *redis.Client, fence int64) {
			rdb.HSet(context.Background(), "lts:{p}:claims", fence, "x")
		},
		"claim gone": func(rdb *redis.Client, fence int64) {
			rdb.HDel(context.Background(), "lts:{p}:claims", fmt.Sprint(fence))
		},
		"lease gone": func(rdb *redis.Client, fence int64) {
			rdb.ZRem(context.Background(), "lts:{p}:leases", fence)
		},
		"both gone": func(rdb *redis.Client, fence int64) {
			rdb.HDel(context.Background(), "lts:{p}:claims", fmt.Sprint(fence))
			rdb.ZRem(context.Background(), "lts:{p}:leases", fence)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rdb, s, exchange := troubled(t)
			ctx := t.Context()
			enqueue(t, s, task.Spec{Kind: "k", ID: "a", Headers: map[string]string{"h": "1"}})
			_, held, err := exchange(1)
			if err != nil || len(held) != 1 {
				t.Fatal(held, err)
			}
			spoil(rdb, held[0].Fence)
			if _, err := s.Renew(ctx, task.Renewal{Replica: "r", Lease: time.Millisecond, Grace: time.Millisecond, Held: heldBy(held...)}); err != nil {
				t.Error(err)
			}
			for range 50 {
				if err := s.ForgetCheck(ctx); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Maintain(ctx, "keeper"); err != nil {
					t.Fatal(err)
				}
			}
			join(t, s)
			_, again, err := exchange(1)
			if err != nil || len(again) != 1 || again[0].Fence <= held[0].Fence {
				t.Fatalf("claimed %+v, %v", again, err)
			}
			if v, _, err := exchange(0, reportOn(held[0], task.Succeed)); err != nil || v[0] != task.LeaseLost {
				t.Errorf("the report of the first attempt: %v, %v", v, err)
			}
			if v, _, err := exchange(0, reportOn(again[0], task.Succeed)); err != nil || v[0] != task.Accepted {
				t.Errorf("the report of the second attempt: %v, %v", v, err)
			}
		})
	}
}

func TestLostSettingsDoNotTakeTheLimitWithThem(t *testing.T) {
	for name, lose := range map[string]func(ctx context.Context, rdb *redis.Client) error{
		"deleted":    func(ctx context.Context, rdb *redis.Client) error { return rdb.Del(ctx, "lts:{p}:meta").Err() },
		"other type": func(ctx context.Context, rdb *redis.Client) error { return rdb.Set(ctx, "lts:{p}:meta", "x", 0).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			rdb, s, exchange := troubled(t)
			ctx := t.Context()
			for range 14 {
				enqueue(t, s, task.Spec{Kind: "k"})
			}
			if _, held, err := exchange(9); err != nil || len(held) != 5 {
				t.Fatalf("%d started, %v, want the limit of 5", len(held), err)
			}
			if err := lose(ctx, rdb); err != nil {
				t.Fatal(err)
			}
			// Maintenance quarantines a key of another type. The client is not informed of this and
			// continues.
			if _, err := s.Maintain(ctx, "r"); err != nil {
				t.Fatal(err)
			}
			enqueue(t, redisstore.New(rdb, "p"), task.Spec{Kind: "k"})
			if _, held, err := exchange(9); !errors.Is(err, task.ErrNotJoined) {
				t.Fatalf("%d started, %v, want ErrNotJoined", len(held), err)
			}
			join(t, s)
			if _, held, err := exchange(9); err != nil || len(held) != 0 {
				t.Errorf("%d started over the limit, %v", len(held), err)
			}
		})
	}
}

func TestForeignScoresSpoilNoTask(t *testing.T) {
	for _, score := range []float64{-1, 0.5, 1e17} {
		rdb, s, exchange := troubled(t)
		enqueue(t, s, task.Spec{Kind: "k", ID: "a"})
		rdb.ZAdd(t.Context(), "lts:{p}:wait:default", redis.Z{Score: score, Member: "a"})
		_, held, err := exchange(1)
		if err != nil || len(held) != 1 {
			t.Fatal(held, err)
		}
		verdicts, _, err := exchange(0, reportOn(held[0], task.Succeed))
		if err != nil || verdicts[0] != task.Accepted {
			t.Errorf("score %v: verdicts %v, %v", score, verdicts, err)
		}
	}
}
