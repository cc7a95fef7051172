package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// store stores a rule.
func store(t *testing.T, f *fakeStore, r Rule) {
	t.Helper()
	if err := SetRule(t.Context(), f, r, "ann"); err != nil {
		t.Fatal(err)
	}
}

// dog is the rule of a file in which a test has no other.
func dog(to ...string) Rule {
	return Rule{Name: "dog", When: PoolPaused, To: to}
}

// texts returns the texts of all notices of messages.
func texts(messages []Message) string {
	var all []string
	for _, m := range messages {
		for i := range m.Notices {
			all = append(all, m.Notices[i].Text(English))
		}
	}
	return strings.Join(all, "\n")
}

// A stored rule is used from the next evaluation on, with its changes, and its alert ends with a message
// when it is removed. Another process that takes over goes on with it.
func TestStoredRulesAreUsedFromTheNextEvaluation(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.waits("a", 50)
		o := Options{Rules: []Rule{dog()}, Receivers: map[string]Receiver{"ops": {Channel: c}}, Interval: 10 * time.Second}
		stop := start(t, f, o)
		pass(time.Minute)
		store(t, f, Rule{Name: "depth", When: Waiting, Threshold: 10, To: []string{"ops"}})
		pass(11 * time.Second)
		if n := one(t, c); n.State != StateFiring || n.Rule != "depth" || n.Threshold != 10 || n.Severity != Warning {
			t.Errorf("%+v", n)
		}
		store(t, f, Rule{Name: "depth", When: Waiting, Threshold: 20, Severity: Critical, Repeat: time.Minute, To: []string{"ops"}})
		pass(11 * time.Second)
		if n := one(t, c); n.State != StateFiring || n.Again || n.Severity != Critical {
			t.Errorf("%+v", n)
		}
		pass(time.Minute)
		if n := one(t, c); n.State != StateFiring || !n.Again || n.Threshold != 20 || n.Severity != Critical {
			t.Errorf("%+v", n)
		}
		stop()
		stop = start(t, f, o)
		pass(30 * time.Second)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("after a change of the process: %s", texts(got))
		}
		if err := RemoveRule(t.Context(), f, "depth", "bob"); err != nil {
			t.Fatal(err)
		}
		pass(11 * time.Second)
		if n := one(t, c); n.State != StateEnded || !n.Removed || !strings.Contains(n.Text(English), "because the rule was removed, before: 50 tasks wait (limit 20)") {
			t.Errorf("%+v %s", n, n.Text(English))
		}
		stop()
		s, err := ReadState(t.Context(), f)
		if err != nil || len(s.Firing) > 0 || len(s.Stored) > 0 || len(s.Rules) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		if err := RemoveRule(t.Context(), f, "depth", "bob"); !errors.Is(err, ErrNoRule) {
			t.Errorf("removed twice: %v", err)
		}
		var did []string
		for _, e := range f.log {
			if strings.HasPrefix(e.What, "rule") {
				did = append(did, e.What+" "+e.Text)
			}
		}
		if want := "rule set depth: when waiting, over 10, to ops; by ann\n" +
			"rule set depth: when waiting, over 20, repeat 1m, severity critical, to ops; before: when waiting, over 10, to ops; by ann\n" +
			"rule removed depth: when waiting, over 20, repeat 1m, severity critical, to ops; by bob"; strings.Join(did, "\n") != want {
			t.Errorf("the history has\n%s", strings.Join(did, "\n"))
		}
	})
}

// The alert of a rule that a process finds in its file no longer ends as that of a stored rule.
func TestAlertOfARuleThatTheFileNoLongerHasEnds(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c, other := newFakeStore(), &fakeChannel{}, &fakeChannel{}
		f.waits("a", 50)
		quiet := Rule{Name: "quiet", When: Waiting, Threshold: 10, NoRecovery: true}
		depth := Rule{Name: "depth", When: Waiting, Threshold: 10, To: []string{"ops"}}
		o := Options{Rules: []Rule{depth, quiet}, Receivers: map[string]Receiver{"ops": {Channel: c}, "other": {Channel: other}}}
		stop := start(t, f, o)
		pass(time.Minute)
		stop()
		c.messages()
		other.messages()
		o.Rules = []Rule{dog()}
		start(t, f, o)
		pass(time.Minute)
		if n := one(t, c); n.State != StateEnded || n.Rule != "depth" || !n.Removed {
			t.Errorf("%+v", n)
		}
		if got := other.messages(); len(got) > 0 {
			t.Errorf("another receiver got %s", texts(got))
		}
	})
}

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logged) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.out.String(), part)
}

// A rule of the file with the same name is used in place of a stored one. A stored rule that cannot be
// used, or has a receiver that does not exist, stops no other. Each problem is logged once.
func TestStoredRulesWithProblemsStopNoOtherRule(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c, l := newFakeStore(), &fakeChannel{}, &logged{}
		f.waits("a", 50)
		f.rules["damaged"] = `{"rule":{"when":"waiting","colour":"red"}}`
		f.rules["later"] = `{"rule":{"when":"moon_phase"}}`
		store(t, f, Rule{Name: "depth", When: Waiting, Threshold: 30})
		store(t, f, Rule{Name: "half", When: Waiting, Threshold: 11, To: []string{"opps", "ops"}})
		store(t, f, Rule{Name: "lost", When: Waiting, Threshold: 12, To: []string{"night"}})
		start(t, f, Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}, Logger: slog.New(slog.NewTextHandler(l, nil))})
		pass(5 * time.Minute)
		got := texts(c.messages())
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, "limit 10") || !strings.Contains(got, "limit 11") {
			t.Errorf("the messages have\n%s", got)
		}
		s, err := ReadState(t.Context(), f)
		if err != nil || len(s.Firing) != 3 {
			t.Fatalf("%+v, %v", s.Firing, err)
		}
		for i, want := range []string{
			`damaged: it is not used: json: unknown field "colour"`, "depth: it is not used: the config of the process that runs the rules has a rule with this name",
			"half: the process that runs the rules has no receiver opps; did you mean ops?", `later: it is not used: when is not a condition: "moon_phase"; there are archive_behind`,
			"lost: the process that runs the rules has no receiver night",
		} {
			if got := s.Stored[i].Name + ": " + s.Stored[i].Problem(); !strings.HasPrefix(got, want) {
				t.Errorf("%s\nwant %s", got, want)
			}
		}
		// A rule that has a receiver now is announced.
		store(t, f, Rule{Name: "lost", When: Waiting, Threshold: 12, To: []string{"ops"}})
		pass(time.Minute)
		if n := one(t, c); n.Rule != "lost" || n.Again {
			t.Errorf("%+v", n)
		}
		if n := l.count("a stored alert rule has a problem"); n != 5 {
			t.Errorf("%d problems are logged", n)
		}
	})
}

// A stored rule may need data that no other rule does: events, and inspections.
func TestStoredRulesGetTheirData(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		start(t, f, Options{Rules: []Rule{dog()}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		f.change(func() { f.findings = []task.Finding{{Severity: task.SeverityError, Check: "c"}} })
		pass(time.Minute)
		store(t, f, Rule{Name: "failed", When: Failed, Threshold: 2})
		store(t, f, Rule{Name: "doctor", When: Doctor})
		pass(time.Minute)
		if got := texts(c.messages()); !strings.Contains(got, "doctor (warning)") {
			t.Errorf("the doctor found nothing: %s", got)
		}
		for range 3 {
			f.event(task.Event{ID: "t", Kind: "k", State: task.Failed, Error: "disk full"})
		}
		pass(time.Minute)
		if got := texts(c.messages()); !strings.Contains(got, "failed (warning): kind k: 3 tasks failed within 10 min (limit 2)") {
			t.Errorf("the failures are not counted: %s", got)
		}
		// Another window keeps what was counted for this one.
		store(t, f, Rule{Name: "lost", When: Lost, Window: time.Hour})
		pass(time.Minute)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("after another rule: %s", texts(got))
		}
		for name := range f.rules {
			if err := RemoveRule(t.Context(), f, name, ""); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		if n := counts(c.messages()); n[StateEnded] != 2 {
			t.Errorf("%v", n)
		}
	})
}

func TestStoredRulesAreCheckedAndBounded(t *testing.T) {
	f := newFakeStore()
	if err := SetRule(t.Context(), f, Rule{Name: "a b", When: Waiting, Threshold: -1, Window: time.Second}, ""); len(task.FieldErrors(err)) != 3 {
		t.Errorf("%v", err)
	}
	long := Rule{Name: "long", When: Waiting}
	for i := range 500 {
		long.Queues = append(long.Queues, fmt.Sprint("queue-", i))
	}
	if err := SetRule(t.Context(), f, long, ""); len(task.FieldErrors(err)) != 1 || !strings.Contains(err.Error(), "at most 4096") {
		t.Errorf("%v", err)
	}
	if len(f.rules) > 0 || len(f.log) > 0 {
		t.Errorf("%v %v", f.rules, f.log)
	}
}

// A preview has the rules of the process that runs them and the stored ones, also without its file.
func TestPreviewHasStoredRules(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f := newFakeStore()
		f.waits("a", 50)
		if all, err := Preview(t.Context(), f); err != nil || len(all) > 0 {
			t.Errorf("%+v, %v", all, err)
		}
		store(t, f, Rule{Name: "half", When: Waiting, Threshold: 11, To: []string{"opps"}})
		store(t, f, Rule{Name: "depth", When: Waiting})
		o := Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}}}}
		r, err := New(f, o)
		if err != nil {
			t.Fatal(err)
		}
		show := func(all []Outlook, err error) string {
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, o := range all {
				text += fmt.Sprintf("%s over %v %v %d %v; ", o.Rule.Name, o.Rule.Threshold, o.Stored, o.Over, o.Problem != "")
			}
			return text
		}
		const want = "depth over 10 false 1 false; half over 11 true 1 true; depth over 10000 true 0 true; "
		if got := show(r.Preview(t.Context())); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if r.rules != nil {
			t.Error("the preview has changed the rules that Run uses")
		}
		if got := show(Preview(t.Context(), f)); got != "depth over 10000 true 0 false; half over 11 true 1 false; " {
			t.Errorf("before a process has run rules: %s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.Run(ctx)
		if got := show(Preview(t.Context(), f)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		f.fields["rules"] = `[{"Name":"tides","When":"moon_phase"}]`
		all, err := Preview(t.Context(), f)
		if err != nil || len(all) != 3 || all[0].Problem != "this version does not know its condition moon_phase" || len(all[0].Values) > 0 {
			t.Errorf("a rule of a later version: %+v, %v", all, err)
		}
	})
}
