package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// apiTriggerRecord is a trigger. A definition with hidden values cannot be set again.
type apiTriggerRecord struct {
	record.Trigger
	Redacted bool `json:"redacted,omitempty"`
}

type apiTriggerList struct {
	Triggers []apiTriggerRecord `json:"triggers"`
}

// shownTrigger returns the record of a trigger without what the hook of the options hides.
func (q *request) shownTrigger(t *pool.TriggerInfo) apiTriggerRecord {
	own := *t // the picture belongs to all viewers
	own.Task = *q.hideSpec(&t.Task)
	own.PayloadTemplate = q.hideTemplate(t.Task.Kind, t.PayloadTemplate)
	return apiTriggerRecord{record.OfTrigger(&own), own.PayloadTemplate != t.PayloadTemplate || !reflect.DeepEqual(own.Task, t.Task)}
}

func (q *request) apiTriggers() (any, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	list := apiTriggerList{Triggers: []apiTriggerRecord{}}
	for _, t := range p.Triggers {
		list.Triggers = append(list.Triggers, q.shownTrigger(t))
	}
	return list, nil
}

func (q *request) apiTrigger() (any, error) {
	t, _, err := q.triggerOf(q.PathValue("name"))
	if err != nil {
		return nil, err
	}
	q.w.Header().Set("ETag", tagOf(t))
	return q.shownTrigger(t), nil
}

// definition reads a trigger from the body. The name may be only in the path.
func (q *request) definition(name string) (*trigger.Definition, error) {
	text, err := q.rawBody()
	if err != nil {
		return nil, err
	}
	var given map[string]json.RawMessage
	if json.Unmarshal(text, &given) != nil || given == nil {
		return nil, &apiError{status: http.StatusBadRequest, detail: "the body must be a JSON object, the definition of a trigger"}
	}
	if _, named := given["name"]; !named {
		begin, rest := append([]byte(`{"name":`), encoded(name)...), bytes.TrimLeft(bytes.TrimLeft(text, " \t\r\n")[1:], " \t\r\n")
		if rest[0] != '}' {
			begin = append(begin, ',')
		}
		text = append(begin, rest...)
	}
	def, err := trigger.Decode(text)
	if err != nil {
		return nil, entryError("", err)
	}
	if def.Name != name {
		return nil, &task.FieldError{Field: "name", Msg: "must be that of the path, " + name}
	}
	return def, nil
}

// apiSetTrigger sets a trigger, or replaces the one with its name.
func (q *request) apiSetTrigger() (any, error) {
	name := q.PathValue("name")
	def, err := q.definition(name)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	before, err := q.site.pool.Triggers().Get(q.Context(), name)
	switch {
	case errors.Is(err, pool.ErrNoTrigger):
		status = http.StatusCreated
		err = q.checkMatch("the trigger", "")
	case err == nil:
		err = q.checkReplaced(def, before)
	}
	if err != nil {
		return nil, err
	}
	err = q.record(q.onTrigger("set", name, func(ctx context.Context, _ string) error {
		if q.matchesTag() {
			return q.site.pool.Triggers().SetIf(ctx, *def, before)
		}
		return q.site.pool.Triggers().Set(ctx, *def)
	}))
	if errors.Is(err, pool.ErrTriggerChanged) {
		err = errMatch("the trigger")
	}
	if err != nil {
		return nil, err
	}
	t, err := q.site.pool.Triggers().Get(q.Context(), name)
	if err != nil {
		return nil, err
	}
	q.w.Header().Set("ETag", tagOf(t))
	return answer{status: status, value: q.shownTrigger(t)}, nil
}

// checkReplaced returns an error if a definition must not replace a trigger.
func (q *request) checkReplaced(def *trigger.Definition, t *pool.TriggerInfo) error {
	if t.Origin != "" {
		return &problem{http.StatusConflict, "error.trigger_owned", []any{t.Name, t.Origin}}
	}
	if err := q.checkMatch("the trigger", tagOf(t)); err != nil {
		return err
	}
	return q.checkHidden(def, &t.Trigger)
}

// tagOf returns the tag of the definition of a trigger, for the header If-Match.
func tagOf(t *pool.TriggerInfo) string { return tagOfTime(t.SetAt) }

// tagOfTime returns the tag of something that was last set at a time.
func tagOfTime(t time.Time) string { return `"` + record.Instant(t) + `"` }

// checkMatch returns an error if the request has a header If-Match for another tag than that of what it
// replaces. has is that tag, "" if there is nothing to replace.
func (q *request) checkMatch(what, has string) error {
	tag := strings.TrimSpace(q.Header.Get("If-Match"))
	if tag == "" || has != "" && (tag == "*" || tag == has) {
		return nil
	}
	return errMatch(what)
}

// matchesTag reports whether the header If-Match names a version.
func (q *request) matchesTag() bool {
	tag := strings.TrimSpace(q.Header.Get("If-Match"))
	return tag != "" && tag != "*"
}

// errMatch is the error about something that has changed since it was read.
func errMatch(what string) error {
	return &apiError{status: http.StatusPreconditionFailed, detail: what + " has changed since it was read: read it again"}
}

// emptyBody is the body of a change that needs no values.
type emptyBody struct{ reasoned }

// apiAct makes a change that needs only a reason.
func (q *request) apiAct(a action) (any, error) {
	if err := q.decode(&emptyBody{}); err != nil {
		return nil, err
	}
	if err := q.record(a); err != nil {
		return nil, err
	}
	return empty, nil
}

func (q *request) apiRemoveTrigger() (any, error) {
	return q.apiAct(q.onTrigger("remove", q.PathValue("name"), q.site.pool.Triggers().Remove))
}

func (q *request) apiPauseTrigger() (any, error) {
	return q.apiAct(q.onTrigger("pause", q.PathValue("name"), q.site.pool.Triggers().Pause))
}

func (q *request) apiResumeTrigger() (any, error) {
	return q.apiAct(q.onTrigger("resume", q.PathValue("name"), q.site.pool.Triggers().Resume))
}

func (q *request) apiRunTrigger() (any, error) {
	var receipt pool.Receipt
	if _, err := q.apiAct(q.running(q.PathValue("name"), &receipt)); err != nil {
		return nil, err
	}
	return record.OfReceipt(receipt, 0), nil
}

type apiTimes struct {
	Planned []string `json:"planned"`
}

// mostTimes bounds the planned times that one request computes.
const mostTimes = 1000

func (q *request) apiNextTimes() (any, error) {
	n, err := q.count("count", 5, mostTimes)
	if err != nil {
		return nil, err
	}
	times, err := q.site.pool.Triggers().Next(q.Context(), q.PathValue("name"), n)
	if err != nil {
		return nil, err
	}
	list := apiTimes{Planned: []string{}}
	for _, t := range times {
		list.Planned = append(list.Planned, record.Instant(t))
	}
	return list, nil
}

type apiFirings struct {
	History []record.Firing `json:"history"`
}

func (q *request) apiHistory() (any, error) {
	if _, _, err := q.triggerOf(q.PathValue("name")); err != nil {
		return nil, err
	}
	history, err := q.site.pool.Triggers().History(q.Context(), q.PathValue("name"))
	if err != nil {
		return nil, err
	}
	list := apiFirings{History: []record.Firing{}}
	for i := range history {
		list.History = append(list.History, record.OfFiring(&history[i]))
	}
	return list, nil
}
