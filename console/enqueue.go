package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

type enqueuePage struct {
	Kinds  []string // that a live replica runs
	Queues []string
}

// enqueuePage is the form of a new task.
func (q *request) enqueuePage() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	var page enqueuePage
	known := map[string]bool{}
	for _, r := range p.Replicas {
		for _, kind := range r.Kinds {
			if !known[kind] {
				known[kind] = true
				page.Kinds = append(page.Kinds, kind)
			}
		}
	}
	for _, load := range p.Queues {
		page.Queues = append(page.Queues, load.Name)
	}
	return q.render("enqueue", time.Time{}, page)
}

// enqueue makes the task of the form and leads to its page.
func (q *request) enqueue() error {
	spec := task.Spec{Kind: q.PostFormValue("kind"), Queue: q.PostFormValue("queue"), Group: q.PostFormValue("group"), ID: q.PostFormValue("id"),
		Payload: []byte(q.PostFormValue("payload"))}
	var errs []error
	if text := q.PostFormValue("priority"); text != "" {
		n, err := strconv.ParseInt(text, 10, 8)
		if err != nil {
			errs = append(errs, &task.FieldError{Field: "priority", Msg: "must be a number from -128 to 127"})
		}
		spec.Priority = int8(n)
	}
	if text := q.PostFormValue("delay"); text != "" {
		d, err := parseAge(text)
		if err != nil || d < 0 {
			errs = append(errs, &task.FieldError{Field: "delay", Msg: "must be a duration such as 30s, 5m, 2h or 3d"})
		}
		spec.Delay = d
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	receipt, err := q.enqueued(spec)
	if err != nil {
		return err
	}
	if receipt.Duplicate {
		return &problem{http.StatusConflict, "error.duplicate", []any{receipt.ID}}
	}
	http.Redirect(q.w, q.Request, q.Path("task", "id", receipt.ID), http.StatusSeeOther)
	return nil
}

// enqueued makes a task.
func (q *request) enqueued(spec task.Spec) (receipt task.Receipt, err error) {
	err = q.record(action{name: "enqueue", target: strings.TrimSpace(spec.Kind + " " + spec.ID), count: 1, do: func(ctx context.Context) (n int, err error) {
		if receipt, err = q.site.pool.EnqueueSpec(ctx, spec); err != nil || receipt.Duplicate {
			return 0, err
		}
		return 1, nil
	}})
	return receipt, err
}
