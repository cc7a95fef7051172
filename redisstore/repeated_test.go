package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// between runs f before the nth call of a client. If it names a script, it runs f after the
// script's first call, and then repeats the call as if its reply had been lost.
type between struct {
	n      int
	script string
	f      func()
}

func (b *between) DialHook(next redis.DialHook) redis.DialHook { return next }
func (b *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if b.script == "" {
			if b.n--; b.n == 0 {
				b.run()
			}
			return next(ctx, cmd)
		}
		err := next(ctx, cmd)
		if err == nil && calls(cmd.Args(), b.script) && b.run() {
			err = next(ctx, cmd)
		}
		return err
	}
}

// run runs f once.
func (b *between) run() bool {
	f := b.f
	if b.f = nil; f != nil {
		f()
	}
	return f != nil
}

// with returns a store on a client of its own. b intercepts the client's calls after the check of
// the schema.
func (s *site) with(t *testing.T, b *between) *redisstore.Store {
	t.Helper()
	rdb := redis.NewClient(s.rdb.Options())
	t.Cleanup(func() { rdb.Close() })
	st := s.open(t, rdb)
	if _, err := st.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	rdb.AddHook(b)
	return st
}

// The pool's limit may be removed at any point during a call that sets one. Tasks that already run
// count against the limit that is set in the end.
func TestLimitIsNeverSetWithoutACount(t *testing.T) {
	two, three, none := 2, 3, 0
	set := func(st *redisstore.Store, n *int) error {
		return st.Configure(t.Context(), task.Setting{Scope: task.PoolScope, Limit: n})
	}
	join := func(st *redisstore.Store, n *int) error {
		_, err := st.Join(t.Context(), task.Registration{Replica: "late", Lease: time.Hour, Limit: *n})
		return err
	}
	for name, call := range map[string]func(*redisstore.Store, *int) error{"configure": set, "join": join} {
		for _, limited := range []bool{false, true} {
			for n := range 8 {
				t.Run(fmt.Sprint(name, " limited ", limited, " before call ", n+1), func(t *testing.T) {
					s := newSite(t, redisserver.Shared(t).Client(t))
					s.join(t, "r")
					s.enqueue(t, make([]task.Spec, 10)...)
					got, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, 5))
					if err != nil || len(tasksOf(got)) != 5 {
						t.Fatal(got, err)
					}
					if limited {
						if err := set(s.store, &two); err != nil {
							t.Fatal(err)
						}
					}
					st := s.with(t, &between{n: n + 1, f: func() {
						if err := set(s.store, &none); err != nil {
							t.Error(err)
						}
					}})
					if err := call(st, &three); err != nil {
						t.Fatal(err)
					}
					if limit := s.rdb.HGet(t.Context(), s.prefix+"meta", "limit").Val(); limit == "" {
						if n := s.rdb.Exists(t.Context(), s.prefix+"counted").Val(); n != 0 {
							t.Error("a pool without a limit has a count")
						}
						return // the removal was the last change
					}
					if n := s.rdb.SCard(t.Context(), s.prefix+"counted").Val(); n != 5 {
						t.Errorf("%d tasks are counted, want the 5 that run", n)
					}
					got, err = s.store.Exchange(t.Context(), claimOf(2, task.DefaultQueue, 5))
					if n := len(tasksOf(got)); n != 0 || err != nil {
						t.Errorf("%d tasks were started above the limit, %v", n, err)
					}
				})
			}
		}
	}
}

// A replica that raises the limit of all groups unblocks their tasks, even if the first reply to
// its join was lost.
func TestJoinWhoseReplyWasLostLetsGroupsGo(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	reg := task.Registration{Replica: "old", Lease: time.Hour, Groups: task.Groups{DefaultLimit: 1}}
	if _, err := s.store.Join(t.Context(), reg); err != nil {
		t.Fatal(err)
	}
	s.enqueue(t, task.Spec{Group: "g"}, task.Spec{Group: "g"}, task.Spec{Group: "g"})
	got, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, 3))
	if err != nil || len(tasksOf(got)) != 1 {
		t.Fatal(got, err)
	}
	st := s.with(t, &between{script: "join", f: func() {}})
	reg.Replica, reg.Groups.DefaultLimit = "new", 10
	if _, err := st.Join(t.Context(), reg); err != nil {
		t.Fatal(err)
	}
	got, err = s.store.Exchange(t.Context(), claimOf(2, task.DefaultQueue, 3))
	if n := len(tasksOf(got)); n != 2 || err != nil {
		t.Errorf("%d of 2 tasks were handed out, %v", n, err)
	}
}

// A retry whose reply was lost puts a task back once, even if the task failed again before the call
// was repeated.
func TestRetryWhoseReplyWasLostPutsATaskBackOnce(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	s.enqueue(t, task.Spec{ID: "a", MaxAttempts: 1})
	call := int64(0)
	fail := func() {
		call++
		got, err := s.store.Exchange(t.Context(), claimOf(call, task.DefaultQueue, 1))
		if err != nil || len(tasksOf(got)) != 1 {
			t.Fatal(got, err)
		}
		call++
		if _, err := s.store.Exchange(t.Context(), reportsOf(call, reportOn(tasksOf(got)[0], task.Fail))); err != nil {
			t.Fatal(err)
		}
	}
	fail()
	changes, err := s.with(t, &between{script: "retry", f: fail}).Retry(t.Context(), task.Edit{}, "a")
	if err != nil || len(changes) != 1 || !changes[0].Done || changes[0].State != task.Waiting {
		t.Errorf("the retry answered %+v, %v", changes, err)
	}
	if got := s.read(t, "a"); got.State != task.Failed || got.Generation != 1 {
		t.Errorf("the task is %s of generation %d", got.State, got.Generation)
	}
	if changes, err = s.store.Retry(t.Context(), task.Edit{}, "a"); err != nil || !changes[0].Done {
		t.Errorf("the next retry answered %+v, %v", changes, err)
	}
	if got := s.read(t, "a"); got.State != task.Waiting || got.Generation != 2 {
		t.Errorf("the task is %s of generation %d", got.State, got.Generation)
	}
}

// A run now whose reply was lost puts a task into its queue once, even if the task was scheduled
// again before the call was repeated.
func TestRunNowWhoseReplyWasLostPutsATaskIntoItsQueueOnce(t *testing.T) {
	for _, again := range []bool{false, true} {
		s := newSite(t, redisserver.Shared(t).Client(t))
		s.join(t, "r")
		s.enqueue(t, task.Spec{ID: "a", Delay: time.Hour, Backoff: walkBackoff})
		state, events := task.Waiting, int64(2)
		between := &between{script: "runnow", f: func() {
			if !again {
				return
			}
			got, err := s.store.Exchange(t.Context(), claimOf(1, task.DefaultQueue, 1))
			if err != nil || len(tasksOf(got)) != 1 {
				t.Fatal(got, err)
			}
			if _, err := s.store.Exchange(t.Context(), reportsOf(2, reportOn(tasksOf(got)[0], task.Fail))); err != nil {
				t.Fatal(err)
			}
		}}
		if again {
			state, events = task.Scheduled, 4
		}
		changes, err := s.with(t, between).RunNow(t.Context(), "a")
		if err != nil || len(changes) != 1 || !changes[0].Done || changes[0].State != task.Waiting {
			t.Errorf("the call answered %+v, %v", changes, err)
		}
		if got := s.read(t, "a"); got.State != state {
			t.Errorf("the task is %s, want %s", got.State, state)
		}
		if n := s.rdb.XLen(t.Context(), s.prefix+"events").Val(); n != events {
			t.Errorf("%d events, want %d", n, events)
		}
		if !again {
			continue
		}
		if changes, err = s.store.RunNow(t.Context(), "a"); err != nil || !changes[0].Done || changes[0].State != task.Waiting {
			t.Errorf("the next call answered %+v, %v", changes, err)
		}
	}
}

// A task that has just ended is kept, even if all other tasks are kept longer.
func TestTaskThatHasJustEndedIsKept(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	var others []redis.Z
	for i := range 10_000 {
		others = append(others, redis.Z{Score: float64(time.Now().Add(24 * time.Hour).UnixMilli()), Member: fmt.Sprint("other", i)})
	}
	if err := s.rdb.ZAdd(t.Context(), s.prefix+"ended:failed", others...).Err(); err != nil {
		t.Fatal(err)
	}
	for call, id := range []string{"a", "b", "c"} {
		s.enqueue(t, task.Spec{ID: id, MaxAttempts: 1, Retain: new(time.Minute)})
		got, err := s.store.Exchange(t.Context(), claimOf(int64(2*call+1), task.DefaultQueue, 1))
		if err != nil || len(tasksOf(got)) != 1 {
			t.Fatal(got, err)
		}
		if _, err := s.store.Exchange(t.Context(), reportsOf(int64(2*call+2), reportOn(tasksOf(got)[0], task.Fail))); err != nil {
			t.Fatal(err)
		}
		if tk := s.read(t, id); tk == nil || tk.State != task.Failed {
			t.Errorf("%s is %+v", id, tk)
		}
	}
	if n := s.rdb.ZCard(t.Context(), s.prefix+"ended:failed").Val(); n > 10_001 {
		t.Errorf("%d failed tasks are kept", n)
	}
}

// An entry whose return to the inbox was not confirmed is put back once, although it has been
// admitted before the call is repeated. Entries that were dropped meanwhile count as dropped.
func TestRejectedEntriesAreChangedOnceIfTheReplyIsLost(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		admit := func() {
			if _, err := s.store.AdmitInbox(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
		rdb.RPush(t.Context(), s.prefix+"inbox", "a", "b", "c")
		admit()
		var ids []string
		for r, err := range s.store.Rejected(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		if err := s.with(t, &between{script: "readmit", f: admit}).PutBack(t.Context(), ids[0], []byte(`{"kind":"k"}`)); err != nil {
			t.Error(err)
		}
		if err := s.store.PutBack(t.Context(), ids[0], nil); !errors.Is(err, task.ErrNoReject) {
			t.Errorf("another call: %v", err)
		}
		again := func() {
			if dropped, err := s.store.DropRejected(t.Context(), ids[1:]...); err != nil || slices.Contains(dropped, true) {
				t.Errorf("another call dropped %v, %v", dropped, err)
			}
		}
		dropped, err := s.with(t, &between{script: "discard", f: again}).DropRejected(t.Context(), ids...)
		if err != nil || !slices.Equal(dropped, []bool{false, true, true}) {
			t.Errorf("dropped %v, %v", dropped, err)
		}
		if st, err := s.store.Stats(t.Context()); err != nil || st.Waiting != 1 || st.Inbox != 0 || st.Rejected != 0 {
			t.Errorf("stats %+v, %v", st, err)
		}
	})
}

// A change whose reply was lost moves a task once, even if another client has changed its priority
// and its payload before the call was repeated.
func TestChangeWhoseReplyWasLostMovesATaskOnce(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.enqueue(t, task.Spec{ID: "a"})
	other := &between{script: "change", f: func() {
		if _, err := s.store.Change(t.Context(), task.Edit{Priority: new(int8(7)), Payload: []byte("other")}, "a"); err != nil {
			t.Error(err)
		}
	}}
	changes, err := s.with(t, other).Change(t.Context(), task.Edit{Priority: new(int8(5)), Payload: []byte("first")}, "a")
	if err != nil || len(changes) != 1 || !changes[0].Done || changes[0].State != task.Waiting {
		t.Errorf("the call answered %+v, %v", changes, err)
	}
	if got := s.read(t, "a"); got.Priority != 7 || string(got.Payload) != "other" {
		t.Errorf("the task has the priority %d and the payload %q", got.Priority, got.Payload)
	}
}
