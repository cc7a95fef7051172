package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/record"
)

// A program sets, reads and removes stored rules, and sees those of the config.
func TestAPISetsAlertRules(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.runRules(&letters{}, alert.Rule{Name: "calm", When: alert.FailedShare, Threshold: 0.125, To: []string{"ops"}})
	rules := func() []record.AlertRule {
		return must[apiRuleList](b, http.MethodGet, b.at("/alerts/rules"), nil).Rules
	}
	until(t, "the rule of the config", func() bool { return len(rules()) == 1 })
	if r := rules()[0]; r.Name != "calm" || r.From != "file" || r.Definition.Over != "12.5%" || r.Definition.To[0] != "ops" {
		t.Errorf("%+v", r)
	}
	path := b.at("/alerts/rules/depth")
	b.problem(http.MethodGet, path, nil, http.StatusNotFound)
	got := b.api(http.MethodPut, path, map[string]any{"when": "waiting", "over": "1", "queues": []string{"mail.*"}, "to": []string{"opps"}, "recovery": false}, reasonHeader, "ticket 7")
	tag := got.header.Get("ETag")
	if got.status != http.StatusCreated || tag == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r := must[record.AlertRule](b, http.MethodGet, path, nil)
	if r.From != "stored" || r.Definition.Queues[0] != "mail.*" || *r.Definition.Recovery || r.By != "ann" || r.SetAt == "" || !strings.Contains(r.Problem, "no receiver opps; did you mean ops?") {
		t.Errorf("%+v", r)
	}
	if got := b.api(http.MethodPut, path, map[string]any{"when": "lost"}, "If-Match", `"old"`); got.status != http.StatusPreconditionFailed {
		t.Errorf("another tag: %d", got.status)
	}
	if got := b.api(http.MethodPut, path, map[string]any{"when": "lost"}, "If-Match", tag); got.status != http.StatusOK {
		t.Errorf("the tag: %d %s", got.status, got.body)
	}
	if all := rules(); len(all) != 2 || all[1].Name != "depth" || all[1].Definition.When != "lost" || all[1].Problem != "" {
		t.Errorf("%+v", all)
	}
	p := b.problem(http.MethodPut, path, `{"when":"failed_share","over":"2","ovr":"1"}`, http.StatusUnprocessableEntity)
	if p.Field != "ovr" || !strings.Contains(p.Detail, "did you mean over?") {
		t.Errorf("%+v", p)
	}
	p = b.problem(http.MethodPut, b.at("/alerts/rules/a%7Bb"), `{"when":"failed_share","over":"2","window":"1s"}`, http.StatusUnprocessableEntity)
	if len(p.Errors) != 3 || p.Errors[0].Field != "name" || p.Errors[1].Field != "over" || p.Errors[2].Field != "window" {
		t.Errorf("%+v", p)
	}
	b.as(access.Operator)
	b.problem(http.MethodDelete, path, nil, http.StatusForbidden)
	b.as(access.Admin)
	must[any](b, http.MethodDelete, path, nil)
	b.problem(http.MethodDelete, path, nil, http.StatusNotFound)
	if b.stored("depth") != nil {
		t.Error("the rule is stored")
	}
	if e := b.audit(false); len(e) < 2 || e[len(e)-1].Reason != "ticket 7" || e[len(e)-1].Target != "depth: when waiting, over 1, queues mail.*, to opps, recovery false" {
		t.Errorf("%+v", e)
	}
}
