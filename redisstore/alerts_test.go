package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestOnlyTheOwnerOfTheAlertRulesWrites(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		hold := func(owner string, want bool) {
			t.Helper()
			if held, err := s.store.HoldAlerts(ctx, owner, time.Minute); err != nil || held != want {
				t.Fatalf("%s holds the rules: %v, %v, want %v", owner, held, err, want)
			}
		}
		write := func(owner string, w task.AlertWrite, want bool) {
			t.Helper()
			if held, err := s.store.WriteAlerts(ctx, owner, w); err != nil || held != want {
				t.Fatalf("%s writes: %v, %v, want %v", owner, held, err, want)
			}
		}
		write("a", task.AlertWrite{Set: map[string]string{"x": "1"}}, false)
		hold("a", true)
		hold("b", false)
		hold("a", true)
		for owner, want := range map[string]bool{"a": true, "b": false} {
			if held, err := s.store.ExtendAlerts(ctx, owner, time.Minute); err != nil || held != want {
				t.Errorf("%s extends: %v, %v", owner, held, err)
			}
		}
		write("b", task.AlertWrite{Set: map[string]string{"x": "b"}}, false)
		write("a", task.AlertWrite{Set: map[string]string{"x": "1", "y": "2"}, Sending: map[string]string{"ops": "m"},
			Notices: []task.AlertNotice{{Receiver: "ops", Text: "n1"}, {Receiver: "ops", Text: "n2"}}, Log: []task.AlertLogEntry{{What: "sent", Alerts: 2}}}, true)
		write("a", task.AlertWrite{Remove: []string{"y"}, Taken: map[string]int{"ops": 1}}, true)
		r, err := s.store.ReadAlerts(ctx)
		if err != nil || cmp.Diff(map[string]string{"x": "1"}, r.Fields) != "" || r.Owner != "a" || r.Now.IsZero() {
			t.Errorf("%+v, %v", r, err)
		}
		q, err := s.store.AlertQueue(ctx, "ops")
		if diff := cmp.Diff(task.AlertQueue{Notices: []string{"n2"}, Sending: "m", Overflow: map[string]int64{}}, q); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		if log, err := s.store.AlertLog(ctx, "", 10); err != nil || len(log) != 1 || log[0].What != "sent" || log[0].Alerts != 2 || log[0].At.IsZero() {
			t.Errorf("%+v, %v", log, err)
		}
		if err := s.store.ReleaseAlerts(ctx, "b"); err != nil {
			t.Fatal(err)
		}
		hold("b", false)
		if err := s.store.ReleaseAlerts(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		hold("b", true)
		write("a", task.AlertWrite{Set: map[string]string{"x": "a"}}, false)
	})
}

// The clock of the server was set back: the lease of a dead owner ends too late, or never.
func TestLeaseOfTheAlertRulesThatEndsTooLateIsTakenOver(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, left := range []time.Duration{time.Hour, 0} {
			s := newSite(t, rdb)
			if err := rdb.Set(t.Context(), s.prefix+"lock:alerts", "dead", left).Err(); err != nil {
				t.Fatal(err)
			}
			for _, want := range []bool{false, true} {
				if held, err := s.store.HoldAlerts(t.Context(), "a", time.Minute); err != nil || held != want {
					t.Errorf("%v left: %v, %v, want %v", left, held, err, want)
				}
			}
		}
	})
}

// An owner that extends its lease while it writes loses no write.
func TestOwnerWritesWhileItExtendsItsLease(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		if _, err := s.store.HoldAlerts(ctx, "a", time.Minute); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			var err error
			for range 100 {
				if _, failed := s.store.HoldAlerts(ctx, "a", time.Minute); failed != nil {
					err = failed
				}
			}
			done <- err
		}()
		for i := range 100 {
			held, err := s.store.WriteAlerts(ctx, "a", task.AlertWrite{Notices: []task.AlertNotice{{Receiver: "ops", Text: fmt.Sprint(i)}}})
			if err != nil || !held {
				t.Fatalf("write %d: %v, %v", i, held, err)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if q, err := s.store.AlertQueue(ctx, "ops"); err != nil || len(q.Notices) != 100 {
			t.Errorf("%d notices, %v", len(q.Notices), err)
		}
	})
}

func TestNoticesBeyondTheBoundAreCounted(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		if _, err := s.store.HoldAlerts(ctx, "a", time.Minute); err != nil {
			t.Fatal(err)
		}
		var w task.AlertWrite
		for range task.MaxAlertNotices + 30 {
			w.Notices = append(w.Notices, task.AlertNotice{Receiver: "ops", Text: "n", Count: "firing|depth"})
		}
		if _, err := s.store.WriteAlerts(ctx, "a", w); err != nil {
			t.Fatal(err)
		}
		if pushed, err := s.store.PushNotice(ctx, "ops", "test"); err != nil || pushed {
			t.Errorf("a notice was added to a full queue: %v, %v", pushed, err)
		}
		q, err := s.store.AlertQueue(ctx, "ops")
		if err != nil || len(q.Notices) != task.MaxAlertNotices || q.Overflow["firing|depth"] != 30 {
			t.Errorf("%d notices, %v, %v", len(q.Notices), q.Overflow, err)
		}
		if _, err := s.store.WriteAlerts(ctx, "a", task.AlertWrite{Counted: map[string]map[string]int64{"ops": q.Overflow}, Taken: map[string]int{"ops": len(q.Notices)}}); err != nil {
			t.Fatal(err)
		}
		if q, err := s.store.AlertQueue(ctx, "ops"); err != nil || len(q.Notices) > 0 || len(q.Overflow) > 0 {
			t.Errorf("left: %+v, %v", q, err)
		}
	})
}

func TestSilencesAreBounded(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		for i := range 500 {
			if err := s.store.SetSilence(t.Context(), fmt.Sprint("s", i), "{}"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.store.SetSilence(t.Context(), "s1", "{}"); err != nil {
			t.Error(err)
		}
		if err := s.store.SetSilence(t.Context(), "more", "{}"); err == nil || !errors.Is(err, redisstore.ErrTooManySilences) {
			t.Error(err)
		}
	})
}

// The keys of alerts are known to the doctor, and the Redis user of a worker may write them.
func TestWorkerUserRunsAlertRulesAndTheDoctorKnowsTheirKeys(t *testing.T) {
	server := redisserver.Start(t)
	u := server.User(t, "worker", "resetkeys", "~lts:{default}:*", "resetchannels", "+@all", "-@admin", "-@dangerous", "-function", "+info")
	store := redisstore.New(u.Client(t), "default")
	defer store.Close()
	ctx := t.Context()
	if _, err := store.Enqueue(ctx, []task.Spec{{Kind: "k"}}); err != nil {
		t.Fatal(err)
	}
	if held, err := store.HoldAlerts(ctx, "a", time.Minute); err != nil || !held {
		t.Fatal(held, err)
	}
	var notices []task.AlertNotice
	for range task.MaxAlertNotices + 1 {
		notices = append(notices, task.AlertNotice{Receiver: "ops", Text: "n", Count: "c"})
	}
	w := task.AlertWrite{Set: map[string]string{"x": "1"}, Notices: notices, Sending: map[string]string{"ops": "m"}, Log: []task.AlertLogEntry{{What: "sent"}}}
	if held, err := store.WriteAlerts(ctx, "a", w); err != nil || !held {
		t.Fatal(held, err)
	}
	if err := store.SetSilence(ctx, "s", "{}"); err != nil {
		t.Fatal(err)
	}
	if err := store.SetAlertRule(ctx, "r", ruleText("{}")); err != nil {
		t.Fatal(err)
	}
	keys := server.Client(t).Keys(ctx, "lts:{default}:*").Val()
	for _, key := range []string{"alerts", "alerts:log", "silences", "definitions:alerts", "notices:ops", "overflow:ops", "sending:ops", "lock:alerts"} {
		if !slices.Contains(keys, "lts:{default}:"+key) {
			t.Errorf("no key %s in %v", key, keys)
		}
	}
	for f, err := range store.Inspect(ctx, task.Inspection{}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Check == "entries" && f.Severity != task.SeverityOK && f.Severity != task.SeverityNote {
			t.Errorf("%+v", f)
		}
	}
}
