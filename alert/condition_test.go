package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// Each condition fires for what it names, with its labels, and not for a pool that is well.
func TestEachConditionFiresForWhatItNames(t *testing.T) {
	events := func(n int, e task.Event) func(*fakeStore) {
		return func(f *fakeStore) {
			for i := range n {
				e.ID, e.Queue = fmt.Sprint("t", i), "q"
				f.add(e)
			}
		}
	}
	replica := task.ReplicaInfo{ID: "r2", Host: "h2", Lease: 30 * time.Second, Queues: map[string]int{"other": 1}}
	for _, c := range []struct {
		when   Condition
		rule   Rule
		broken func(*fakeStore)
		labels map[string]string
	}{
		{Failed, Rule{}, events(11, task.Event{Kind: "k", State: task.Failed, Error: "boom"}), label("kind", "k")},
		{FailedShare, Rule{By: []string{"queue", "kind"}}, events(10, task.Event{Kind: "k", State: task.Failed}), label("kind", "k", "queue", "q")},
		{Lost, Rule{}, events(1, task.Event{Kind: "k", State: task.Waiting, Code: task.CodeLost}), nil},
		{Slow, Rule{}, events(1, task.Event{Kind: "k", State: task.Running, Code: task.CodeSlow}), label("kind", "k")},
		{OldestWait, Rule{}, func(f *fakeStore) { f.set("q", 1); f.oldest["q"] = time.Now().Add(-time.Hour) }, label("queue", "q")},
		{Waiting, Rule{}, func(f *fakeStore) { f.set("q", 10_001) }, label("queue", "q")},
		{RunTime, Rule{}, func(f *fakeStore) {
			f.running = []*task.Task{{Spec: task.Spec{ID: "a", Kind: "k", Queue: "q"}, StartedAt: time.Now().Add(-2 * time.Hour)}}
		}, label("queue", "q", "kind", "k")},
		{Unserved, Rule{}, func(f *fakeStore) { f.set("q", 1) }, label("queue", "q")},
		{QueuePaused, Rule{}, func(f *fakeStore) { f.set("q", 1); f.stats.Queues[0].Paused = true }, label("queue", "q")},
		{PoolPaused, Rule{}, func(f *fakeStore) { f.stats.Paused, f.stats.Waiting = true, 3 }, nil},
		{GroupFull, Rule{}, func(f *fakeStore) { f.groups = []task.GroupInfo{{Name: "acme", Limit: 1, Running: 1, Held: 2}} }, label("group", "acme")},
		{Replicas, Rule{}, func(f *fakeStore) { f.replicas = f.replicas[:1] }, nil},
		{ReplicaStuck, Rule{}, func(f *fakeStore) { f.replicas[1].Stuck = 1 }, label("replica", "r2", "host", "h2")},
		{ReplicaRefuses, Rule{}, func(f *fakeStore) { f.replicas[1].Refuses = "load" }, label("replica", "r2", "host", "h2")},
		{Outage, Rule{}, func(f *fakeStore) { f.replicas[1].Outages = []task.Outage{{Of: "db", Error: "refused"}} }, label("server", "db")},
		{TriggerOverdue, Rule{}, func(f *fakeStore) { f.late = []task.StoredTrigger{{Name: "night", Due: time.Now().Add(-time.Hour)}} }, label("trigger", "night")},
		{TriggerPaused, Rule{}, func(f *fakeStore) { f.triggers = []task.StoredTrigger{{Name: "night", Paused: true}} }, label("trigger", "night")},
		{TriggerRefused, Rule{}, func(f *fakeStore) {
			f.triggers = []task.StoredTrigger{{Name: "night", Planned: time.Now()}}
			f.history["night"] = []task.TriggerRecord{{At: time.Now(), Outcome: task.TriggerQueueFull, Why: "full"}, {At: time.Now(), Outcome: task.TriggerEnqueued}}
		}, label("trigger", "night")},
		{Inbox, Rule{}, func(f *fakeStore) { f.stats.Inbox = 1 }, nil},
		{Rejected, Rule{}, func(f *fakeStore) { f.stats.Rejected = 1 }, nil},
		{ExportsFull, Rule{}, func(f *fakeStore) { f.stats.Full = []string{"k"} }, label("kind", "k")},
		{Subscription, Rule{}, func(f *fakeStore) { f.lags = map[string]task.Lag{"audit": {Unread: 600}} }, label("subscription", "audit")},
		{ArchiveBehind, Rule{}, func(f *fakeStore) { f.archives = []task.ArchiveInfo{{Place: "db", Behind: time.Hour}} }, label("archive", "db")},
		{ArchiveOutage, Rule{}, func(f *fakeStore) { f.archives = []task.ArchiveInfo{{Place: "db", Silent: time.Hour}} }, label("archive", "db")},
		{Doctor, Rule{}, func(f *fakeStore) {
			f.findings = []task.Finding{{Severity: task.SeverityError, Check: "eviction", What: "bad"}}
		}, label("check", "eviction")},
	} {
		faketime.Test(t, func(t *testing.T) {
			f, ch := newFakeStore(), &fakeChannel{}
			replica := replica
			replica.SeenAt = time.Now().Add(2 * time.Minute)
			f.replicas = []task.ReplicaInfo{{ID: "r1", Host: "h1", Lease: 30 * time.Second}, replica}
			f.events = []task.Event{{Cursor: "1-1"}}
			r := c.rule
			r.Name, r.When = "rule", c.when
			start(t, f, Options{Rules: []Rule{r}, Receivers: map[string]Receiver{"ops": {Channel: ch}}})
			pass(2 * time.Minute)
			if got := ch.messages(); len(got) > 0 {
				t.Fatalf("%s fires for a pool that is well: %+v", c.when, got)
			}
			f.change(func() { c.broken(f) })
			pass(6 * time.Minute)
			got := ch.messages()
			if len(got) == 0 || got[0].Notices[0].State != StateFiring || fmt.Sprint(got[0].Notices[0].Labels) != fmt.Sprint(c.labels) && len(c.labels)+len(got[0].Notices[0].Labels) > 0 {
				t.Fatalf("%s: %+v, want labels %v", c.when, got, c.labels)
			}
			for _, lang := range []Lang{English, Chinese} {
				if text := got[0].Notices[0].Text(lang); strings.ContainsAny(text, "{}%!") && !strings.Contains(text, " %") || !strings.Contains(text, "rule") {
					t.Errorf("%s in %s: %s", c.when, lang, text)
				}
			}
		})
	}
}

func TestReplicaThatDiesHasGoneUntilAnotherOneRunsOnItsHost(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		start(t, f, Options{Rules: []Rule{{Name: "gone", When: ReplicaGone}}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(time.Second) // between two looks
		seen := time.Now()
		for range 3 { // its lease ends after the second look
			f.change(func() {
				f.replicas = []task.ReplicaInfo{{ID: "r", Host: "h", Lease: 30 * time.Second, SeenAt: seen, Silent: time.Since(seen)}}
				if time.Since(seen) >= 30*time.Second {
					f.replicas = nil
				}
			})
			pass(15 * time.Second)
		}
		pass(15 * time.Second)
		if n := one(t, c); n.State != StateFiring || n.Labels["replica"] != "r" || n.Labels["host"] != "h" {
			t.Errorf("%+v", n)
		}
		f.change(func() {
			f.replicas = []task.ReplicaInfo{{ID: "r2", Host: "h", Lease: 30 * time.Second, SeenAt: time.Now().Add(time.Hour)}}
		})
		pass(2 * time.Minute)
		if n := one(t, c); n.State != StateEnded || n.Labels["replica"] != "r" {
			t.Errorf("%+v", n)
		}
	})
}

// A replica that leaves the pool has not gone.
func TestReplicaThatLeavesIsNotGone(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		start(t, f, Options{Rules: []Rule{{Name: "gone", When: ReplicaGone}}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		for range 10 {
			f.mu.Lock()
			f.replicas = []task.ReplicaInfo{{ID: "r", Host: "h", Lease: 30 * time.Second, SeenAt: time.Now()}}
			f.mu.Unlock()
			pass(15 * time.Second)
		}
		f.mu.Lock()
		f.replicas = nil
		f.mu.Unlock()
		pass(5 * time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestWatchdogSendsRegularly(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		start(t, f, Options{Rules: []Rule{{Name: "alive", When: Watchdog}}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(time.Hour + time.Minute)
		if n := len(c.messages()); n < 12 || n > 13 {
			t.Errorf("%d messages in an hour", n)
		}
	})
}

func TestAllMistakesOfRulesAreReportedAtOnce(t *testing.T) {
	_, err := New(newFakeStore(), Options{Interval: time.Millisecond, Console: "tasks", Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}, Lang: "fr", PerMinute: -1}}, Rules: []Rule{
		{Name: "a", When: "oldest_wiat"}, {Name: "b", When: OldestWait, Window: time.Minute, Kinds: []string{"k"}, Min: 3, By: []string{"queue"}},
		{Name: "c", When: FailedShare, Threshold: 2, Repeat: time.Second, Severity: "bad", To: []string{"opps"}},
		{Name: "c", When: Watchdog, Threshold: 1, For: -1},
	}})
	var fields []string
	for _, e := range joined(err) {
		fields = append(fields, e.Field)
	}
	slices.Sort(fields)
	want := "console_url interval receivers.ops.lang receivers.ops.per_minute rules.a.when rules.b.by rules.b.kinds rules.b.min rules.b.window rules.c rules.c.for rules.c.over rules.c.over rules.c.repeat rules.c.severity rules.c.to"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, part := range []string{"did you mean oldest_wait?", "did you mean ops?"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}

func joined(err error) (all []*task.FieldError) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			all = append(all, joined(e)...)
		}
		return all
	}
	if e := (*task.FieldError)(nil); errors.As(err, &e) {
		all = append(all, e)
	}
	return all
}

func TestDefaultRulesAreValidAndEachConditionHasItsTexts(t *testing.T) {
	if _, err := New(newFakeStore(), Options{Rules: DefaultRules(), Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}}}}); err != nil {
		t.Error(err)
	}
	for _, c := range Conditions() {
		for lang, w := range words {
			if w.conditions[Condition(c)] == "" {
				t.Errorf("%s has no text in %s", c, lang)
			}
		}
	}
}

func TestPreviewSaysWhatWouldFire(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f := newFakeStore()
		f.waits("a", 50)
		f.waits("b", 5)
		f.event(task.Event{ID: "t", Kind: "k", State: task.Failed})
		r, err := New(f, Options{Rules: []Rule{depth(), {Name: "failures", When: Failed, Threshold: 0.5}}, Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}}}})
		if err != nil {
			t.Fatal(err)
		}
		all, err := r.Preview(t.Context())
		if err != nil || len(all) != 2 || all[0].Over != 1 || len(all[0].Values) != 2 || !all[0].Values[0].Over || all[1].Over != 1 || f.writes > 0 {
			t.Errorf("%+v, %v, %d writes", all, err, f.writes)
		}
	})
}
