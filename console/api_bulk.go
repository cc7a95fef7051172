package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// apiBulkJob is a bulk job with its progress.
type apiBulkJob struct {
	ID          string         `json:"id"`
	Verb        bulk.Verb      `json:"verb"`
	Query       string         `json:"query"`
	State       task.State     `json:"state"`
	Priority    *int8          `json:"priority,omitempty"` // that a job with the verb change gives
	Phase       bulk.Phase     `json:"phase"`
	User        string         `json:"user"`
	AskedAt     string         `json:"asked_at"` // the instant of the count
	Total       int            `json:"total"`
	Read        int            `json:"read"`
	Counted     int            `json:"counted"`
	Broken      int            `json:"broken,omitempty"`
	ConfirmedBy string         `json:"confirmed_by,omitempty"`
	ConfirmedAt string         `json:"confirmed_at,omitempty"`
	Reason      string         `json:"reason,omitempty"`
	CancelledBy string         `json:"cancelled_by,omitempty"`
	Handled     int            `json:"handled"`
	Changed     int            `json:"changed"`
	Left        map[string]int `json:"left,omitempty"` // by reason
	Samples     []bulk.Sample  `json:"samples,omitempty"`
	PerS        int            `json:"per_s"` // tasks that are compared or changed; 0 if that is not known
	UpdatedAt   string         `json:"updated_at"`
	EndedAt     string         `json:"ended_at,omitempty"`
	Error       string         `json:"error,omitempty"`
	SilentMS    int64          `json:"silent_ms,omitempty"` // how long no console has worked on it
}

func apiJob(j *bulk.Job, now time.Time) apiBulkJob {
	r := apiBulkJob{ID: j.ID, Verb: j.Verb, Query: j.Query, State: j.State, Phase: j.Phase, User: j.User, AskedAt: record.Instant(j.Asked),
		Total: j.Total, Read: j.Read, Counted: j.Counted, Broken: j.Broken, ConfirmedBy: j.ConfirmedBy, ConfirmedAt: record.Instant(j.Confirmed),
		Reason: j.Reason, CancelledBy: j.CancelledBy, Handled: j.Handled, Changed: j.Changed, Left: j.Left, Samples: j.Samples, PerS: j.Rate(),
		UpdatedAt: record.Instant(j.Updated), EndedAt: record.Instant(j.Ended), Error: j.Error, SilentMS: quiet(j, now).Milliseconds()}
	if j.Verb == bulk.Change {
		r.Priority = &j.Priority
	}
	return r
}

type apiBulkList struct {
	At   string       `json:"at"`
	Jobs []apiBulkJob `json:"jobs"`
}

func (q *request) apiBulkJobs() (any, error) {
	jobs, now, err := q.site.bulk.List(q.Context())
	if err != nil {
		return nil, err
	}
	list := apiBulkList{At: record.Instant(now), Jobs: []apiBulkJob{}}
	for _, j := range jobs {
		list.Jobs = append(list.Jobs, apiJob(j, now))
	}
	return list, nil
}

func (q *request) apiBulkJob() (any, error) {
	job, err := q.bulkNamed(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return apiJob(job, q.site.bulk.Now()), nil
}

// bulkBody asks for a bulk job.
type bulkBody struct {
	Verb     bulk.Verb  `json:"verb"`
	Query    string     `json:"query"`
	State    task.State `json:"state"`
	Priority *int       `json:"priority"`
}

// order checks the body. The state may be a word of the query.
func (b *bulkBody) order() (o bulk.Order, err error) {
	wanted, err := parseQuery(b.Query)
	if err != nil {
		return o, err
	}
	var errs []error
	wrong := func(field, msg string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(msg, args...)})
	}
	if verbs := bulk.Verbs(); !slices.Contains(verbs, b.Verb) {
		wrong("verb", "must be one of %s%s", joined(verbs), suggestion(string(b.Verb), texted(verbs)))
	}
	o = bulk.Order{Verb: b.Verb, Query: b.Query, State: cmp.Or(b.State, wanted.State)}
	if states := task.States(); !slices.Contains(states, o.State) {
		wrong("state", "must be one of %s%s", joined(states), suggestion(string(o.State), texted(states)))
	}
	change := editBody{Priority: b.Priority}
	edit, set, err := change.edit()
	switch {
	case err != nil:
		errs = append(errs, err)
	case b.Verb == bulk.Change && !set:
		wrong("priority", "is missing")
	case b.Verb != bulk.Change && set:
		wrong("priority", "is only for the verb change")
	case set:
		o.Priority = *edit.Priority
	}
	return o, errors.Join(errs...)
}

// apiAskBulk makes a bulk job, which begins to count.
func (q *request) apiAskBulk() (any, error) {
	var body bulkBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	o, err := body.order()
	if err != nil {
		return nil, err
	}
	if err := q.needBulk(o.Verb, "api POST /bulk "+string(o.Verb)); err != nil {
		return nil, err
	}
	job, err := q.askBulk(o)
	var field *task.FieldError
	if errors.As(err, &field) && field.Field == "q" { // the name of the field in the form
		return nil, &task.FieldError{Field: "query", Msg: field.Msg}
	}
	if err != nil {
		return nil, err
	}
	return answer{status: http.StatusAccepted, location: q.c.opts.Prefix + apiRoot + "/pools/" + url.PathEscape(q.site.name) + "/bulk/" + url.PathEscape(job.ID),
		value: apiJob(job, q.site.bulk.Now())}, nil
}

// confirmBody confirms the count of a bulk job.
type confirmBody struct {
	Count *int `json:"count"`
	reasoned
}

func (q *request) apiConfirmBulk() (any, error) {
	var body confirmBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	job, err := q.bulkNamed(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := q.needBulk(job.Verb, "api POST /bulk/{id}/confirm "+string(job.Verb)+" "+job.ID); err != nil {
		return nil, err
	}
	if body.Count == nil {
		return nil, &task.FieldError{Field: "count", Msg: "is missing: send the number of tasks that were counted"}
	}
	job, err = q.site.bulk.Confirm(q.Context(), job.ID, bulk.Confirmation{Count: *body.Count, Reason: strings.TrimSpace(q.reason()), User: q.user.Name, Method: q.method()})
	if err != nil {
		return nil, err
	}
	return apiJob(job, q.site.bulk.Now()), nil
}

func (q *request) apiCancelBulk() (any, error) {
	if err := q.decode(&emptyBody{}); err != nil {
		return nil, err
	}
	job, err := q.bulkNamed(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if job, err = q.site.bulk.Cancel(q.Context(), job.ID, q.user.Name, q.method()); err != nil {
		return nil, err
	}
	return apiJob(job, q.site.bulk.Now()), nil
}
