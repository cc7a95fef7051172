package console

import (
	"errors"
	"net/http"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/record"
)

type apiRuleList struct {
	Rules []record.AlertRule `json:"rules"`
}

func (q *request) apiRules() (any, error) {
	s, err := alert.ReadState(q.Context(), q.site.store)
	if err != nil {
		return nil, err
	}
	return apiRuleList{record.AlertRules(&s)}, nil
}

// storedRule reads a stored rule, which must exist.
func (q *request) storedRule(name string) (*alert.StoredRule, error) {
	rule, _, err := q.ruleOf(name)
	if err == nil && rule == nil {
		err = notFound("rule", name)
	}
	return rule, err
}

func (q *request) apiRule() (any, error) {
	rule, err := q.storedRule(q.PathValue("name"))
	if err != nil {
		return nil, err
	}
	q.w.Header().Set("ETag", tagOfTime(rule.SetAt))
	return record.OfStoredRule(rule), nil
}

// ruleBody is the definition of a rule: an alert.Definition with the plain names of its fields.
type ruleBody struct {
	When     string   `json:"when"`
	Over     string   `json:"over"`
	Under    string   `json:"under"`
	Window   string   `json:"window"`
	Min      int      `json:"min"`
	For      string   `json:"for"`
	Keep     string   `json:"keep"`
	Repeat   string   `json:"repeat"`
	Queues   []string `json:"queues"`
	Kinds    []string `json:"kinds"`
	Groups   []string `json:"groups"`
	By       []string `json:"by"`
	Severity string   `json:"severity"`
	To       []string `json:"to"`
	Recovery *bool    `json:"recovery"`
}

// apiSetRule stores a rule, or replaces the stored one with its name.
func (q *request) apiSetRule() (any, error) {
	name := q.PathValue("name")
	var body ruleBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	rule, err := alert.Definition(body).Rule(name)
	if err != nil {
		return nil, err
	}
	before, _, err := q.ruleOf(name)
	if err != nil {
		return nil, err
	}
	status, tag := http.StatusCreated, ""
	if before != nil {
		status, tag = http.StatusOK, tagOfTime(before.SetAt)
	}
	if err := q.checkMatch("the rule", tag); err != nil {
		return nil, err
	}
	if err := q.record(q.settingRule(rule, before, q.matchesTag())); err != nil {
		return nil, changedRule(err)
	}
	after, err := q.storedRule(name)
	if err != nil {
		return nil, err
	}
	q.w.Header().Set("ETag", tagOfTime(after.SetAt))
	return answer{status: status, value: record.OfStoredRule(after)}, nil
}

func (q *request) apiRemoveRule() (any, error) {
	name := q.PathValue("name")
	before, _, err := q.ruleOf(name)
	if err != nil {
		return nil, err
	}
	tag := ""
	if before != nil {
		tag = tagOfTime(before.SetAt)
	}
	if err := q.checkMatch("the rule", tag); before != nil && err != nil {
		return nil, err
	}
	_, err = q.apiAct(q.removingRule(name, before, q.matchesTag()))
	if errors.Is(err, alert.ErrNoRule) {
		return nil, notFound("rule", name)
	}
	return empty, changedRule(err)
}

// changedRule returns the error of a change with If-Match of a rule that has changed meanwhile. It returns
// any other error as it is.
func changedRule(err error) error {
	if errors.Is(err, alert.ErrRuleChanged) {
		return errMatch("the rule")
	}
	return err
}
