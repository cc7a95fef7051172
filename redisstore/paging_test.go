package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// A pool may have thousands of queues. No call has all of them as arguments, and every list is
// still complete.
func TestManyQueuesAreReadPageByPage(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		const n = 600
		s := newSite(t, rdb)
		ctx := t.Context()
		r := task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{}, Kinds: map[string]task.Policy{"k": {}}}
		var specs []task.Spec
		var names []string
		for i := range n {
			q := fmt.Sprintf("q%03d", i)
			names = append(names, q)
			r.Queues[q] = task.QueueConfig{Workers: 1, Limit: 5}
			specs = append(specs, task.Spec{ID: q, Queue: q, Group: fmt.Sprint("g", i%3)})
		}
		var sent recorder
		rdb.AddHook(&sent)
		if _, err := s.store.Join(ctx, r); err != nil {
			t.Fatal(err)
		}
		calls := sent.ran("join")
		if len(calls) < 3 {
			t.Errorf("%d calls", len(calls))
		}
		for _, args := range calls {
			if len(args) > 12+2*100+2*100+100 {
				t.Errorf("a call with %d arguments", len(args))
			}
		}
		// Another replica of the same class does not have to list the queues.
		same := r
		same.Replica = "same"
		if _, err := s.store.Join(ctx, same); err != nil {
			t.Fatal(err)
		}
		for page, args := range sent.ran("join")[1:] {
			if args[len(args)-1] != 0 {
				t.Errorf("page %d of a known class lists queues", page+1)
			}
		}
		s.enqueue(t, specs...)

		st, err := s.store.Stats(ctx)
		if err != nil || len(st.Queues) != n || st.Waiting != n || st.Queues[7].Name != names[7] || st.Queues[7].Limit != 5 {
			t.Errorf("%d queues, %d tasks wait, %v", len(st.Queues), st.Waiting, err)
		}
		var listed []string
		for tk, err := range s.store.Tasks(ctx, task.Filter{Brief: true}) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, tk.Queue)
		}
		if slices.Sort(listed); !slices.Equal(listed, names) {
			t.Errorf("%d tasks are listed", len(listed))
		}
		if since, _, err := s.store.WaitingSince(ctx, names...); err != nil || len(since) != n {
			t.Errorf("waiting since: %d queues, %v", len(since), err)
		}
		if rates, err := s.store.Rates(ctx, time.Minute); err != nil || len(rates) != n {
			t.Errorf("rates: %d queues, %v", len(rates), err)
		}
		replicas, err := s.store.Replicas(ctx)
		if err != nil || len(replicas) != 2 || len(replicas[0].Queues) == 0 || !slices.Equal(replicas[1].Kinds, []string{"k"}) {
			t.Errorf("replicas %+v, %v", replicas, err)
		}
		one := 1
		for _, scope := range []task.Scope{task.PoolScope, task.GroupsScope} {
			if err := s.store.Configure(ctx, task.Setting{Scope: scope, Limit: &one}); err != nil {
				t.Error(scope, err)
			}
		}
	})
}

// A subscriber asks for a number of events, and an entry has up to fifty. The next call returns at
// once the entries that this call gave back.
func TestEntriesOverTheLimitAreGivenBack(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		read := func(consumer string) []task.Event {
			t.Helper()
			events, trimmed, err := s.store.ReadSubscription(ctx, "g", consumer, 60, time.Hour, 0)
			if err != nil || trimmed {
				t.Fatal(trimmed, err)
			}
			return events
		}
		read("a")
		ids := strings.TrimSpace(strings.Repeat("x ", 50))
		for i := range 5 {
			if err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: s.prefix + "events", Values: []any{"ids", ids, "v", i + 1}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		var versions []int64
		for _, consumer := range []string{"a", "b", "a", "b"} {
			events := read(consumer)
			if len(events) > 60+49 {
				t.Errorf("%d events", len(events))
			}
			for i, e := range events {
				if i%50 == 0 {
					versions = append(versions, e.Version)
				}
			}
		}
		if !slices.Equal(versions, []int64{1, 2, 3, 4, 5}) {
			t.Errorf("the entries %v are read, want each once and in order", versions)
		}
	})
}

func TestMaintenanceLockFromBeforeTheClockWentBackIsTakenOver(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		lock := s.prefix + "lock:maintenance"
		maintain := func() bool {
			t.Helper()
			u, err := s.store.Maintain(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			return !u.Busy
		}
		begin := time.Now()
		rdb.Set(t.Context(), lock, "other", time.Second)
		for maintain() {
			if time.Since(begin) < time.Second {
				t.Fatal("the lock of another replica is ignored")
			}
			begin = time.Now() // on a busy machine the lock had ended
			rdb.Set(t.Context(), lock, "other", time.Second)
		}
		for _, left := range []time.Duration{time.Hour, 0} { // 0 means no expiry
			rdb.Set(t.Context(), lock, "other", left)
			begin := time.Now()
			done, holder := maintain(), rdb.Get(t.Context(), lock).Val()
			ended := holder == "" && time.Since(begin) >= time.Second // the machine was too slow
			if !done || holder != "r" && !ended {
				t.Errorf("a lock that lasts for %v blocks maintenance; its holder is %q", left, holder)
			}
		}
		if !maintain() {
			t.Error("a replica is blocked by its own lock")
		}
	})
}

func TestForeignSchemaIsRefusedByWhatReadsThePool(t *testing.T) {
	s := newSite(t, miniClient(t))
	ctx := t.Context()
	s.rdb.HSet(ctx, s.prefix+"meta", "schema", "1")
	for what, call := range map[string]func() error{
		"get":          func() error { _, err := s.store.Get(ctx, "x"); return err },
		"history":      func() error { _, err := s.store.History(ctx, "x"); return err },
		"histories":    func() error { _, err := s.store.Histories(ctx, "x"); return err },
		"list":         func() error { return errorOf(s, task.Filter{}) },
		"stats":        func() error { _, err := s.store.Stats(ctx); return err },
		"snapshot":     func() error { _, err := s.store.Snapshot(ctx, 1); return err },
		"newest":       func() error { _, err := s.store.Newest(ctx, task.Failed, 1); return err },
		"groups":       func() error { _, _, err := s.store.Groups(ctx); return err },
		"rates":        func() error { _, err := s.store.Rates(ctx, time.Minute); return err },
		"replicas":     func() error { _, err := s.store.Replicas(ctx); return err },
		"waiting":      func() error { _, _, err := s.store.WaitingSince(ctx, "q"); return err },
		"rejected":     func() error { return lastError(s.store.Rejected(ctx)) },
		"get rejected": func() error { _, err := s.store.GetRejected(ctx, "1-0"); return err },
		"last event":   func() error { _, err := s.store.LastEvent(ctx); return err },
		"events":       func() error { _, err := s.store.ReadEvents(ctx, "0", 1, 0); return err },
		"recent":       func() error { _, err := s.store.RecentEvents(ctx, "", 1); return err },
		"subscription": func() error { _, _, err := s.store.ReadSubscription(ctx, "g", "c", 1, 0, 0); return err },
		"lag":          func() error { _, _, err := s.store.SubscriptionLags(ctx); return err },
		"listen":       func() error { _, err := s.store.Listen(ctx, "r", time.Second); return err },
		"reports":      func() error { _, err := s.store.AwaitReports(ctx, time.Second); return err },
		"inbox":        func() error { _, err := s.store.AwaitInbox(ctx, time.Second); return err },
	} {
		wantSchemaError(t, what, call(), "1", "drain")
	}
}

// errorOf returns the error with which a list ends.
func errorOf(s *site, f task.Filter) (err error) {
	return lastError(s.store.Tasks(context.Background(), f))
}

func lastError[T any](list iter.Seq2[T, error]) (err error) {
	for _, err = range list {
	}
	return err
}

func TestCallOverTheBoundsIsRefusedBeforeItIsMade(t *testing.T) {
	s := newSite(t, miniClient(t))
	s.join(t, "r")
	var sent recorder
	s.rdb.AddHook(&sent)
	settings := make([]task.Setting, 300)
	for i := range settings {
		settings[i] = task.Setting{Scope: task.QueueScope, Name: fmt.Sprint("q", i), Pause: new(bool)}
	}
	x := task.Exchange{Replica: "r", Sequence: 1, Call: 1, Reports: make([]task.Report, task.MaxReports+1)}
	_, err := s.store.Exchange(t.Context(), x)
	if err = errors.Join(err, s.store.Configure(t.Context(), settings...)); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("errors %v", err)
	}
	if len(sent.calls) > 0 {
		t.Errorf("calls %v", sent.calls)
	}
}
