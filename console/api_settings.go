package console

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

type apiLimitList struct {
	Limits []record.Limit `json:"limits"`
}

type apiRateList struct {
	Rates []record.Rate `json:"rates"`
}

// scopeOf returns the scope and the name of the path. scopes are those that the setting has.
func (q *request) scopeOf(scopes ...pool.Scope) (scope pool.Scope, name string, err error) {
	scope, name = pool.Scope(q.PathValue("scope")), q.PathValue("name")
	wrong := func(field, msg string, args ...any) (pool.Scope, string, error) {
		return "", "", &task.FieldError{Field: field, Msg: fmt.Sprintf(msg, args...)}
	}
	switch {
	case !slices.Contains(scopes, scope):
		return wrong("scope", "must be one of %s%s", joined(scopes), suggestion(string(scope), texted(scopes)))
	case scope == pool.PoolScope || scope == pool.GroupsScope:
		if name != "" {
			return wrong("name", "is not for the scope %s", scope)
		}
	default:
		if err := task.CheckName(name); err != nil {
			return wrong("name", "%v", err)
		}
	}
	return scope, name, nil
}

var (
	limitScopes = []pool.Scope{pool.PoolScope, pool.QueueScope, pool.GroupScope, pool.GroupsScope}
	rateScopes  = limitScopes[1:]
	pauseScopes = limitScopes[:2]
)

// settingText reads the value of a body: a number, or a text for the words that it may be.
func settingText(field string, value json.RawMessage) (text string, err error) {
	switch {
	case len(value) == 0:
		return "", &task.FieldError{Field: field, Msg: "is missing"}
	case string(value) == "null":
		return "", &task.FieldError{Field: field, Msg: "must not be null"}
	case string(value) == `"default"`:
		return "", nil
	case string(value) == `""`:
		return "", &task.FieldError{Field: field, Msg: "must not be empty"}
	case json.Unmarshal(value, &text) == nil:
		return text, nil
	}
	return string(value), nil
}

func (q *request) apiLimits() (any, error) {
	limits, err := q.site.limits(q.Context(), "", "")
	return apiLimitList{limits}, err
}

// first returns the first element.
func first[T any](all []T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (q *request) apiLimit() (any, error) {
	scope, name, err := q.scopeOf(limitScopes...)
	if err != nil {
		return nil, err
	}
	return first(q.site.limits(q.Context(), scope, name))
}

type limitBody struct {
	Limit json.RawMessage `json:"limit"`
	reasoned
}

func (q *request) apiSetLimit() (any, error) {
	var body limitBody
	scope, name, err := q.scopeOf(limitScopes...)
	if err == nil {
		err = q.decode(&body)
	}
	if err != nil {
		return nil, err
	}
	text, err := settingText("limit", body.Limit)
	if err != nil {
		return nil, err
	}
	if text == "" && scope != pool.GroupScope {
		return nil, &task.FieldError{Field: "limit", Msg: "only a group has a default limit: none removes a limit"}
	}
	a, err := q.limiting(scope, name, text)
	if err == nil {
		err = q.record(a)
	}
	if err != nil {
		return nil, err
	}
	return first(record.Limits(q.Context(), q.site.pool, scope, name))
}

func (q *request) apiRates() (any, error) {
	rates, err := q.site.rates(q.Context(), "", "")
	return apiRateList{append([]record.Rate{}, rates...)}, err
}

func (q *request) apiRate() (any, error) {
	scope, name, err := q.scopeOf(rateScopes...)
	if err != nil {
		return nil, err
	}
	return first(q.site.rates(q.Context(), scope, name))
}

type rateBody struct {
	Rate json.RawMessage `json:"rate"`
	reasoned
}

func (q *request) apiSetRate() (any, error) {
	var body rateBody
	scope, name, err := q.scopeOf(rateScopes...)
	if err == nil {
		err = q.decode(&body)
	}
	if err != nil {
		return nil, err
	}
	text, err := settingText("rate", body.Rate)
	if err != nil {
		return nil, err
	}
	a, err := q.rating(scope, name, text)
	if err == nil {
		err = q.record(a)
	}
	if err != nil {
		return nil, err
	}
	return first(record.Rates(q.Context(), q.site.pool, scope, name))
}

// apiPause says whether something is paused.
type apiPause struct {
	Scope  pool.Scope `json:"scope"`
	Name   string     `json:"name"`
	Paused bool       `json:"paused"`
}

type apiPauseList struct {
	Pauses []apiPause `json:"pauses"`
}

func (q *request) apiPauses() (any, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	s := p.Stats
	list := apiPauseList{Pauses: []apiPause{{pool.PoolScope, q.site.name, s.Paused}}}
	for _, queue := range s.Queues {
		list.Pauses = append(list.Pauses, apiPause{pool.QueueScope, queue.Name, queue.Paused})
	}
	return list, nil
}

type pauseBody struct {
	Paused *bool `json:"paused"`
	reasoned
}

func (q *request) apiSetPause() (any, error) {
	var body pauseBody
	scope, name, err := q.scopeOf(pauseScopes...)
	if err == nil {
		err = q.decode(&body)
	}
	if err == nil && body.Paused == nil {
		err = &task.FieldError{Field: "paused", Msg: "is missing"}
	}
	if err == nil {
		err = q.record(q.pausing(name, *body.Paused))
	}
	if err != nil {
		return nil, err
	}
	if scope == pool.PoolScope {
		name = q.site.name
	}
	return apiPause{scope, name, *body.Paused}, nil
}

type apiAgingList struct {
	Aging []record.Aging `json:"aging"`
}

func (q *request) apiAging() (any, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	s := p.Stats
	list := apiAgingList{Aging: []record.Aging{}}
	for _, queue := range s.Queues {
		list.Aging = append(list.Aging, record.Aging{Queue: queue.Name, AgingMS: queue.Aging.Milliseconds()})
	}
	return list, nil
}

type agingBody struct {
	AgingMS *int64 `json:"aging_ms"`
	reasoned
}

func (q *request) apiSetAging() (any, error) {
	var body agingBody
	queue := q.PathValue("queue")
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	if err := task.CheckName(queue); err != nil {
		return nil, &task.FieldError{Field: "queue", Msg: err.Error()}
	}
	if body.AgingMS == nil || *body.AgingMS < 0 || *body.AgingMS > task.MaxDuration.Milliseconds() {
		return nil, &task.FieldError{Field: "aging_ms", Msg: "must be a number of milliseconds, 0 for strict priority"}
	}
	step := time.Duration(*body.AgingMS) * time.Millisecond
	target := fmt.Sprintf("queue %s: %v", queue, step)
	if step == 0 {
		step = pool.NoAging
	} else if err := task.CheckAging(step); err != nil {
		return nil, &task.FieldError{Field: "aging_ms", Msg: err.Error()}
	}
	err := q.record(action{name: "aging", target: target, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.SetAging(ctx, queue, step) }})
	if err != nil {
		return nil, err
	}
	return record.Aging{Queue: queue, AgingMS: *body.AgingMS}, nil
}
