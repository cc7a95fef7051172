package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// stored returns a stored rule, nil for none.
func (b *browser) stored(name string) *alert.StoredRule {
	b.t.Helper()
	s, err := alert.ReadState(b.t.Context(), b.store)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range s.Stored {
		if s.Stored[i].Name == name {
			return &s.Stored[i]
		}
	}
	return nil
}

// A rule that is made in the console fires, is changed and ends. The audit has the old and the new rule.
func TestAlertRulesAreMadeInTheConsole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{Queue: "video"}, task.Spec{Queue: "video"})
	l := &letters{}
	b.runRules(l, alert.Rule{Name: "calm", When: alert.Waiting, Threshold: 1000})
	until(t, "the receivers", func() bool { return strings.Contains(b.page("alerts/edit"), "<code>ops</code>") })
	form := sendable(t, b.page("alerts/edit"))
	for key, value := range map[string]string{"name": "depth", "when": "waiting", "over": "1", "queues": "vid*, mail", "to": "ops opps", "recovery": "true", "reason": "ticket 7"} {
		form.Set(key, value)
	}
	b.act("alerts/set", form)
	until(t, "a message about the queue", func() bool { return l.has("depth (warning): queue video: 2 tasks wait (limit 1)") })
	for _, want := range []string{"calm", "config", "depth", "stored", "has no receiver opps", "problems: 1", "alerts/edit?name=depth"} {
		if page := b.page("alerts"); !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	form = sendable(t, b.page("alerts/edit?name=depth"))
	if form.Get("queues") != "vid* mail" || form.Get("over") != "1" {
		t.Errorf("the form has %v", form)
	}
	form.Set("to", "")
	form.Set("severity", "critical")
	b.act("alerts/set", form)
	if r := b.stored("depth"); r == nil || r.Severity != alert.Critical || len(r.To) > 0 || r.By != "ann" {
		t.Errorf("%+v", r)
	}
	b.act("alerts/remove", url.Values{"name": {"depth"}, "reason": {"quiet"}})
	until(t, "the end of the alert", func() bool { return l.has("because the rule was removed") })
	if status, _ := b.do(http.MethodPost, b.path("alerts/remove"), url.Values{"name": {"depth"}}); status != http.StatusNotFound {
		t.Errorf("removed twice: %d", status)
	}
	var did []string
	for _, e := range b.audit(false) {
		if e.Of == "" {
			did = append([]string{e.Action + " " + e.Target + " " + e.Reason}, did...)
		}
	}
	want := "alerts/set depth: when waiting, over 1, queues vid* mail, to ops opps ticket 7\n" +
		"alerts/set depth: when waiting, over 1, queues vid* mail, severity critical; before: when waiting, over 1, queues vid* mail, to ops opps \n" +
		"alerts/remove depth: when waiting, over 1, queues vid* mail, severity critical quiet\nalerts/remove depth "
	if got := strings.Join(did, "\n"); got != want {
		t.Errorf("the audit has\n%s\nwant\n%s", got, want)
	}
	b.as(access.Operator)
	if page := b.page("alerts"); strings.Contains(page, "alerts/edit") || strings.Contains(page, "alerts/remove") {
		t.Error("an operator gets forms of rules")
	}
}

// A rule beyond the bound is refused with a message.
func TestAlertRulesBeyondTheBoundAreRefused(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for i := range 100 {
		if err := alert.SetRule(t.Context(), b.store, alert.Rule{Name: fmt.Sprint("r", i), When: alert.Waiting}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if status, page := b.do(http.MethodPost, b.path("alerts/set"), url.Values{"name": {"more"}, "when": {"waiting"}}); status != http.StatusBadRequest || !strings.Contains(page, "at most 100 stored alert rules") {
		t.Errorf("%d\n%s", status, page)
	}
	if p := b.problem(http.MethodPut, b.at("/alerts/rules/more"), `{"when":"waiting"}`, http.StatusConflict); !strings.Contains(p.Detail, "at most 100 stored alert rules") {
		t.Errorf("%+v", p)
	}
}

// Each mistake is at its field, and nothing is written. A rule that has changed since the form was opened stays.
func TestMistakesInAlertRulesAreAtTheirFields(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	form := url.Values{"name": {"bad name"}, "when": {"failed_share"}, "over": {"0.5"}, "window": {"1s"}, "min": {"few"}, "for": {"soon"}, "keep": {"2d"}, "repeat": {"1s"},
		"queues": {"a {b}"}, "by": {"host"}, "severity": {"loud"}, "to": {"{x}"}}
	status, page := b.do(http.MethodPost, b.path("alerts/set"), form)
	if status != http.StatusBadRequest {
		t.Errorf("status %d", status)
	}
	for _, field := range []string{"name", "over", "window", "min", "for", "keep", "repeat", "queues", "by", "severity", "to"} {
		if !strings.Contains(page, `id="f-`+field+`-error"`) {
			t.Errorf("no mistake at %s", field)
		}
	}
	if !strings.Contains(page, `value="0.5"`) || !strings.Contains(page, "must be a percentage such as 90%") {
		t.Error("the page lacks the mistake or what was sent")
	}
	if entries := b.audit(false); len(entries) > 0 || b.stored("bad name") != nil {
		t.Errorf("%+v", entries)
	}
	b.act("alerts/set", url.Values{"name": {"a"}, "when": {"waiting"}})
	if page := b.page("alerts"); !strings.Contains(page, "<td>10000</td><td>warning</td><td>all</td>") {
		t.Error("the page does not show the defaults of the rule")
	}
	if status, page := b.do(http.MethodPost, b.path("alerts/set"), url.Values{"name": {"a"}, "when": {"lost"}}); status != http.StatusBadRequest || !strings.Contains(page, "is that of another stored rule") {
		t.Errorf("a second rule with the name: %d", status)
	}
	old := sendable(t, b.page("alerts/edit?name=a"))
	for at := b.stored("a").SetAt; !b.stored("a").SetAt.After(at); { // the clock of Redis goes on
		b.act("alerts/set", sendable(t, b.page("alerts/edit?name=a")))
	}
	if status, _ := b.do(http.MethodPost, b.path("alerts/set"), old); status != http.StatusConflict {
		t.Errorf("a changed rule: %d", status)
	}
	if status, _ := b.do(http.MethodGet, b.path("alerts/edit?name=none"), nil); status != http.StatusNotFound {
		t.Errorf("no rule: %d", status)
	}
}
