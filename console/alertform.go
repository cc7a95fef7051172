package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// alertEditPage is the form of a stored alert rule.
type alertEditPage struct {
	*enqueuePage
	Name   string // of the rule that is changed; "" for a new one
	SetAt  string // when it was last changed, as the form has it
	Stored *alert.StoredRule
	Parts  []inputs
	Others []string // errors of no field of the form
	Wrong  bool
	// Unreadable says that the form does not show the stored rule, which can only be removed.
	Unreadable bool
	// Receivers are those of the process that runs the rules.
	Receivers []alert.ReceiverState
}

// alertRule is a rule on the page of alerts: one of the config of the process that runs the rules, or a
// stored one.
type alertRule struct {
	alert.Rule
	Stored *alert.StoredRule
}

// AllRules returns the rules of the pool.
func (p alertsPage) AllRules() (all []alertRule) {
	for _, r := range p.Rules {
		all = append(all, alertRule{Rule: r})
	}
	for i := range p.Stored {
		all = append(all, alertRule{p.Stored[i].WithDefaults(), &p.Stored[i]})
	}
	return all
}

// RuleTroubles returns how many stored rules have a problem.
func (p alertsPage) RuleTroubles() (n int) {
	for i := range p.Stored {
		if p.Stored[i].Problem() != "" {
			n++
		}
	}
	return n
}

// RuleProblem says what keeps a stored rule from being used as it is; "" for nothing.
func (q *request) RuleProblem(s *alert.StoredRule) string {
	switch {
	case s == nil:
	case s.Err != nil:
		return q.T("alerts.unusable", strings.ReplaceAll(s.Err.Error(), "\n", "; "))
	case s.Overridden:
		return q.T("alerts.overridden")
	case len(s.Missing) > 0:
		return q.T("alerts.missing", strings.Join(s.Missing, " "))
	}
	return ""
}

// ruleOf reads a stored rule, and the state that it is in.
func (q *request) ruleOf(name string) (*alert.StoredRule, *alert.State, error) {
	s, err := alert.ReadState(q.Context(), q.site.store)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(s.Stored, func(r alert.StoredRule) bool { return r.Name == name })
	if i < 0 {
		return nil, &s, nil
	}
	return &s.Stored[i], &s, nil
}

// editedRule reads a stored rule that a form names, nil for a new one.
func (q *request) editedRule(name string) (*alert.StoredRule, *alert.State, error) {
	rule, s, err := q.ruleOf(name)
	if err == nil && rule == nil && name != "" {
		err = notFound("rule", name)
	}
	return rule, s, err
}

// alertForm shows the form of a new rule, or of the one that is named.
func (q *request) alertForm() error {
	rule, s, err := q.editedRule(q.FormValue("name"))
	if err != nil {
		return err
	}
	values := url.Values{}
	if rule != nil {
		values.Set("name", rule.Name)
		for key, text := range rule.Definition().Values() {
			values.Set(key, text)
		}
	}
	return q.showAlertForm(http.StatusOK, rule, s, newForm("", values))
}

// ruleParts are the parts of the form of a rule.
func ruleParts(f *form) []inputs {
	return []inputs{
		f.part("form.condition", false, input{Name: "name", Required: true}, input{Name: "when", Kind: "choice", Options: append([]string{""}, alert.Conditions()...), Required: true},
			input{Name: "over"}, input{Name: "under"}, input{Name: "for"}, input{Name: "severity", Kind: "choice", Options: []string{"", "info", "warning", "critical"}}, input{Name: "to"}),
		f.part("form.scope", true, input{Name: "queues"}, input{Name: "kinds"}, input{Name: "groups"}, input{Name: "by"}, input{Name: "window"}, input{Name: "min", Kind: "number"}),
		f.part("form.messages", true, input{Name: "keep"}, input{Name: "repeat"}, input{Name: "recovery", Kind: "choice", Options: []string{"", "true", "false"}}),
	}
}

func (q *request) showAlertForm(status int, rule *alert.StoredRule, s *alert.State, f *form) error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	known := q.known(p)
	page := alertEditPage{enqueuePage: &known, Stored: rule, Parts: ruleParts(f), Wrong: len(f.errs) > 0, Receivers: s.Receivers}
	page.Others = f.others(page.Parts)
	if rule != nil {
		page.Parts[0].Fields[0].Fixed = true // the name
		page.Name = rule.Name
		page.Unreadable = rule.Err != nil
		page.SetAt = cmp.Or(q.PostFormValue("set_at"), setAtText(rule))
	}
	return q.renderStatus(status, "alertedit", time.Time{}, page)
}

func setAtText(s *alert.StoredRule) string { return strconv.FormatInt(s.SetAt.UnixMilli(), 10) }

// rule reads the rule of a form and adds its mistakes to the form.
func (f *form) rule(name string) alert.Rule {
	values := map[string]string{}
	for _, key := range alert.DefinitionKeys {
		values[key] = f.text(key)
	}
	d, unread := alert.ParseDefinition(values)
	f.take(unread)
	rule, wrong := d.Rule(name)
	for _, e := range task.FieldErrors(wrong) {
		if len(f.errs[e.Field]) == 0 {
			f.wrong(e.Field, "%s", e.Msg)
		}
	}
	return rule
}

// setRule creates or replaces a stored rule.
func (q *request) setRule() error {
	before, s, err := q.editedRule(q.PostFormValue("was"))
	if err != nil {
		return err
	}
	if before != nil && (q.PostFormValue("set_at") != setAtText(before) || before.Err != nil) {
		return ruleChanged(before.Name)
	}
	f := newForm("", q.PostForm)
	name := f.text("name")
	if before != nil {
		name = before.Name
	}
	rule := f.rule(name)
	if before == nil && slices.ContainsFunc(s.Stored, func(r alert.StoredRule) bool { return r.Name == name }) {
		f.wrong("name", "%s", q.T("alerts.exists"))
	}
	if len(f.errs) == 0 {
		err = q.record(q.settingRule(rule, before, true))
		switch {
		case errors.Is(err, alert.ErrRuleChanged) && before != nil:
			return ruleChanged(name)
		case errors.Is(err, alert.ErrRuleChanged):
			f.wrong("name", "%s", q.T("alerts.exists"))
		case errors.Is(err, redisstore.ErrTooManyAlertRules):
			f.wrong("name", "%s", q.said(err))
		case !f.take(err) && err != nil:
			return err
		}
	}
	if len(f.errs) > 0 {
		return q.showAlertForm(http.StatusBadRequest, before, s, f)
	}
	http.Redirect(q.w, q.Request, q.Path("alerts")+"#rules", http.StatusSeeOther)
	return nil
}

// mostOfRule bounds the text of a rule in an audit entry, which has the old and the new one.
const mostOfRule = 450

// settingRule stores a rule. before is the stored one that it replaces, nil for none. If exact is set,
// there must be no other one meanwhile.
func (q *request) settingRule(rule alert.Rule, before *alert.StoredRule, exact bool) action {
	target := rule.Name + ": " + task.CutHead(rule.Definition().String(), mostOfRule)
	if before != nil {
		target += "; before: " + task.CutHead(before.Definition().String(), mostOfRule)
	}
	return action{name: "alerts/set", target: target, do: func(ctx context.Context) (int, error) {
		if exact {
			return 0, alert.SetRuleIf(ctx, q.site.store, rule, q.user.Name, before)
		}
		return 0, alert.SetRule(ctx, q.site.store, rule, q.user.Name)
	}}
}

// removingRule removes a stored rule. before is that rule, nil if there is none. If exact is set, there
// must be no other one meanwhile.
func (q *request) removingRule(name string, before *alert.StoredRule, exact bool) action {
	target := name
	if before != nil {
		target += ": " + task.CutHead(before.Definition().String(), mostOfRule)
	}
	return action{name: "alerts/remove", target: target, do: func(ctx context.Context) (int, error) {
		if exact && before != nil {
			return 0, alert.RemoveRuleIf(ctx, q.site.store, before, q.user.Name)
		}
		return 0, alert.RemoveRule(ctx, q.site.store, name, q.user.Name)
	}}
}

// ruleChanged is the error about a stored rule that is another one than the form has shown.
func ruleChanged(name string) error {
	return &problem{http.StatusConflict, "error.rule_changed", []any{name}}
}

// removeRule removes a stored rule. A form may say which version it has shown.
func (q *request) removeRule() error {
	name, shown := q.PostFormValue("name"), q.PostFormValue("set_at")
	before, _, err := q.ruleOf(name)
	if err != nil {
		return err
	}
	if before != nil && shown != "" && shown != setAtText(before) {
		return ruleChanged(name)
	}
	err = q.perform(q.removingRule(name, before, shown != ""))
	switch {
	case errors.Is(err, alert.ErrNoRule):
		return notFound("rule", name)
	case errors.Is(err, alert.ErrRuleChanged):
		return ruleChanged(name)
	}
	return err
}
