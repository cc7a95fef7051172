package console

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// idsBody chooses tasks by their ids.
type idsBody struct {
	IDs []string `json:"ids"`
	reasoned
}

// editBody is the part of a body that changes tasks.
type editBody struct {
	Priority    *int            `json:"priority"`
	Payload     json.RawMessage `json:"payload"`
	PayloadText *string         `json:"payload_text"`
}

type changeBody struct {
	idsBody
	editBody
}

type retryBody struct {
	idsBody
	editBody
	Rerun     bool `json:"rerun"`
	AllShards bool `json:"all_shards"`
}

// changed is what became of the chosen tasks.
type changed struct {
	Action string `json:"action"`
	Tasks  int    `json:"tasks"`  // that have changed
	Chosen int    `json:"chosen"` // by the request
}

// edit returns the changes of the body, and whether there are some.
func (b *editBody) edit() (e pool.Edit, any bool, err error) {
	if b.Priority != nil {
		if *b.Priority < math.MinInt8 || *b.Priority > math.MaxInt8 {
			return e, false, &task.FieldError{Field: "priority", Msg: "must be a number from -128 to 127"}
		}
		e.Priority = new(int8(*b.Priority))
	}
	if string(b.Payload) == "null" {
		b.Payload = nil // as for the other fields, null is no value
	}
	switch {
	case b.Payload != nil && b.PayloadText != nil:
		return e, false, &task.FieldError{Field: "payload_text", Msg: "and payload cannot both be set"}
	case b.Payload != nil:
		e.Payload = b.Payload
	case b.PayloadText != nil:
		e.Payload = []byte(*b.PayloadText)
	}
	return e, e.Priority != nil || e.Payload != nil, nil
}

// apply makes a change of the tasks of the body.
func (q *request) apply(name string, ids []string, change func(ctx context.Context, f pool.Filter) (int, error)) (any, error) {
	switch n := len(ids); {
	case n == 0:
		return nil, &task.FieldError{Field: "ids", Msg: "must name at least one task"}
	case n > mostChosen:
		return nil, &task.FieldError{Field: "ids", Msg: fmt.Sprintf("must name at most %d tasks, not %d", mostChosen, n)}
	}
	ids, err := checkChosen(ids)
	if err != nil {
		return nil, err
	}
	n, err := q.change(name, ids, change)
	done := changed{Action: name, Tasks: n, Chosen: len(ids)}
	if refusals(err) {
		return nil, &apiError{status: http.StatusConflict, detail: err.Error(), partly: &done}
	}
	return done, err
}

func (q *request) apiStop() (any, error) {
	var body idsBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	return q.apply("tasks/stop", body.IDs, func(ctx context.Context, f pool.Filter) (int, error) {
		return q.site.pool.Stop(ctx, f, q.reason())
	})
}

func (q *request) apiRetry() (any, error) {
	var body retryBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	e, changes, err := body.edit()
	if err != nil {
		return nil, err
	}
	e.Rerun, e.AllShards = body.Rerun, body.AllShards
	if err := q.checkMasked(body.IDs, e.Payload); err != nil {
		return nil, err
	}
	name := "tasks/retry"
	if changes {
		name = "tasks/change" // the audit shows that more than the state has changed
	}
	return q.apply(name, body.IDs, func(ctx context.Context, f pool.Filter) (int, error) { return q.site.pool.RetryWith(ctx, f, e) })
}

func (q *request) apiChange() (any, error) {
	var body changeBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	e, changes, err := body.edit()
	if err != nil {
		return nil, err
	}
	if !changes {
		return nil, &task.FieldError{Field: "priority", Msg: "is missing: set it, payload, or both"}
	}
	if err := q.checkMasked(body.IDs, e.Payload); err != nil {
		return nil, err
	}
	return q.apply("tasks/change", body.IDs, func(ctx context.Context, f pool.Filter) (int, error) { return q.site.pool.Change(ctx, f, e) })
}

func (q *request) apiRun() (any, error) {
	var body idsBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	return q.apply("tasks/run", body.IDs, q.site.pool.RunNow)
}

func (q *request) apiDelete() (any, error) {
	var body idsBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	return q.apply("tasks/delete", body.IDs, q.site.pool.Delete)
}
