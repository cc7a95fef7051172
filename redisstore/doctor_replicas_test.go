package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// findings returns what an inspection of the site finds in one check.
func (s *site) findings(t testing.TB, check string) (found []task.Finding) {
	t.Helper()
	for f, err := range s.store.Inspect(t.Context(), task.Inspection{}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

func TestWorkWithoutALiveReplicaIsAWarning(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	later := task.Spec{Delay: time.Hour}
	due := func(s *site, id string) {
		rdb.ZAdd(context.Background(), s.prefix+"scheduled", redis.Z{Score: 1, Member: id})
	}
	for name, c := range map[string]struct {
		prepare  func(s *site)
		severity task.Severity
		what     string
		figures  map[string]float64
	}{
		"nothing":   {func(s *site) {}, task.SeverityNote, "no live replica", map[string]float64{"alive": 0, "waiting": 0, "due": 0, "inbox": 0}},
		"scheduled": {func(s *site) { s.enqueue(t, later) }, task.SeverityNote, "no live replica", map[string]float64{"alive": 0, "waiting": 0, "due": 0, "inbox": 0}},
		"waiting": {func(s *site) { s.enqueue(t, task.Spec{}) }, task.SeverityWarning, "no live replica, 1 task waits",
			map[string]float64{"alive": 0, "waiting": 1, "due": 0, "inbox": 0}},
		"due": {func(s *site) { due(s, s.enqueue(t, later, later)[0].ID) }, task.SeverityWarning, "no live replica, 1 scheduled task is due",
			map[string]float64{"alive": 0, "waiting": 0, "due": 1, "inbox": 0}},
		"inbox": {func(s *site) { rdb.RPush(context.Background(), s.prefix+"inbox", "{}") }, task.SeverityWarning, "no live replica, 1 entry is in the inbox",
			map[string]float64{"alive": 0, "waiting": 0, "due": 0, "inbox": 1}},
		"all": {func(s *site) {
			made := s.enqueue(t, later, later, task.Spec{}, task.Spec{})
			due(s, made[0].ID)
			due(s, made[1].ID)
			rdb.RPush(context.Background(), s.prefix+"inbox", "{}", "{}", "{}")
		}, task.SeverityWarning, "no live replica, 2 tasks wait, 2 scheduled tasks are due, 3 entries are in the inbox",
			map[string]float64{"alive": 0, "waiting": 2, "due": 2, "inbox": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, rdb)
			c.prepare(s)
			code := map[task.Severity]string{task.SeverityNote: "no_replica", task.SeverityWarning: "no_replica_works"}[c.severity]
			want := []task.Finding{{Severity: c.severity, Check: "replicas", Code: code, What: c.what, Do: "start one with ltsworker run", Figures: c.figures}}
			if diff := cmp.Diff(want, s.findings(t, "replicas")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusingReplicasAreNotedAndAWarningIfTasksWaitForThem(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	renew := func(id, refuses string) {
		t.Helper()
		if _, err := s.store.Renew(t.Context(), task.Renewal{Replica: id, Lease: time.Hour, Refuses: refuses}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"a", "b"} {
		r := task.Registration{Replica: id, Host: "h", PID: 7, Lease: time.Hour, Queues: map[string]task.QueueConfig{"default": {Workers: 1}}}
		if _, err := s.store.Join(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	want := func(severity task.Severity, ids ...string) {
		t.Helper()
		var got, texts []string
		for _, f := range s.findings(t, "replicas") {
			if f.Severity != task.SeverityOK {
				got = append(got, string(f.Severity)+" "+f.What)
			}
		}
		for _, id := range ids {
			texts = append(texts, fmt.Sprintf("%s replica %s (process 7 on h) takes no tasks: memory of %s is low", severity, id, id))
		}
		if diff := cmp.Diff(texts, got); diff != "" {
			t.Error(diff)
		}
	}
	s.enqueue(t, task.Spec{})
	want("")
	renew("a", "memory of a is low")
	want(task.SeverityNote, "a")
	renew("b", "memory of b is low")
	want(task.SeverityWarning, "a", "b")
	renew("a", "")
	want(task.SeverityNote, "b")
	for i := range 30 {
		id := fmt.Sprintf("c%02d", i)
		if _, err := s.store.Join(t.Context(), task.Registration{Replica: id, Lease: time.Hour, Queues: map[string]task.QueueConfig{"default": {Workers: 1}}}); err != nil {
			t.Fatal(err)
		}
		renew(id, "busy")
	}
	found := s.findings(t, "replicas")
	if last := found[len(found)-1]; last.Severity == task.SeverityOK || !strings.Contains(fmt.Sprint(found), "11 more replicas take no tasks") {
		t.Errorf("found %v", found)
	}
}

func TestAKindThatOnlySomeReplicasOfAQueueHandleIsNoted(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	join := func(id, queues string, kinds ...string) {
		t.Helper()
		r := task.Registration{Replica: id, Lease: time.Hour, Queues: map[string]task.QueueConfig{}, Kinds: map[string]task.Policy{}}
		for q := range strings.FieldsSeq(queues) {
			r.Queues[q] = task.QueueConfig{Workers: 1}
		}
		for _, k := range kinds {
			r.Kinds[k] = task.Policy{}
		}
		if _, err := s.store.Join(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	noted := func() (texts []string) {
		t.Helper()
		for _, f := range s.findings(t, "handlers") {
			if f.Severity != task.SeverityNote || f.Do == "" {
				t.Errorf("found %+v", f)
			}
			texts = append(texts, f.What)
		}
		return texts
	}
	join("a1", "default mail", "both")
	join("a2", "default mail", "both")
	join("c", "other", "else")
	if got := noted(); len(got) > 0 {
		t.Errorf("replicas of one queue have the same kinds, noted %v", got)
	}
	join("b", "default slow", "both", "new")
	want := []string{"no handler for kind new in 2 of the 3 live replicas of queue default, such as a1: its tasks are passed on until a replica has one"}
	if diff := cmp.Diff(want, noted()); diff != "" {
		t.Error(diff)
	}
	if _, err := s.store.Drain(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if got := noted(); len(got) > 0 {
		t.Errorf("a draining replica takes no tasks, noted %v", got)
	}
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("kind-%02d", i))
	}
	join("d", "mail", append(many, "both")...)
	r := task.Registration{Replica: "e", Lease: time.Hour, Queues: map[string]task.QueueConfig{"alone": {Workers: 1}}, Kinds: map[string]task.Policy{"cut": {}}, Disabled: []string{"cut"}}
	if _, err := s.store.Join(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	all := noted()
	if last := all[len(all)-1]; last != "the handler for kind cut is disabled in 1 of the 6 live replicas, such as e" {
		t.Errorf("the last of %d notes is %q", len(all), last)
	}
	if err := s.store.Leave(t.Context(), "e"); err != nil {
		t.Fatal(err)
	}
	got := noted()
	if len(got) != 21 || !strings.Contains(got[19], "kind kind-19 in 2 of the 3 live replicas of queue mail") || got[20] != "the same of 30 more kinds" {
		t.Errorf("noted %d: %v", len(got), got)
	}
}

func TestStuckHandlersAreFoundAlsoWhileTheReplicaDrains(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	r := task.Registration{Replica: "a", Host: "h", PID: 7, Lease: time.Hour, Queues: map[string]task.QueueConfig{"default": {Workers: 1}}}
	if _, err := s.store.Join(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	want := "replica a (process 7 on h) has 1 slot taken by a handler that ignores its cancelled context"
	for _, draining := range []bool{false, true} { // a drain cannot be taken back
		if draining {
			want += ", and it drains"
		}
		if _, err := s.store.Renew(t.Context(), task.Renewal{Replica: "a", Lease: time.Hour, Stuck: 1, Draining: draining}); err != nil {
			t.Fatal(err)
		}
		found := s.findings(t, "replicas")
		if i := slices.IndexFunc(found, func(f task.Finding) bool { return f.Code == "replica_stuck" }); i < 0 || found[i].What != want {
			t.Errorf("draining %t: found %+v", draining, found)
		}
	}
}
