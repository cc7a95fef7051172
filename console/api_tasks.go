package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// apiTaskList is a page of tasks, without their payloads and results.
type apiTaskList struct {
	At    string        `json:"at"`
	Tasks []record.Task `json:"tasks"`
	Total int           `json:"total"`          // tasks of the state
	Read  int           `json:"read"`           // of these, how many were compared
	More  int           `json:"more,omitempty"` // that match or run and are not in the list
	Next  string        `json:"next,omitempty"` // the value of after for the next page
}

// mostRows bounds the tasks of a page of the API.
const mostRows = 500

func (q *request) apiTasks() (any, error) {
	limit, err := q.count("limit", rows, mostRows)
	if err != nil {
		return nil, err
	}
	wanted, err := parseQuery(q.FormValue("q"))
	if err != nil {
		return nil, err
	}
	if state := q.FormValue("state"); state != "" {
		if err := wanted.add("state", state); err != nil {
			return nil, err
		}
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	var page listed
	switch wanted.anywhere(); {
	case wanted.single():
		if page.Tasks, err = q.look(wanted); err != nil {
			return nil, err
		}
		page.Total, page.Read = len(page.Tasks), len(page.Tasks)
	case wanted.State == "" && wanted.Parent == "" && !wanted.Hold:
		return nil, &task.FieldError{Field: "state", Msg: "is missing: use any, or one of " + joined(task.States())}
	default:
		if wanted.Hold {
			wanted.State = task.Scheduled
		}
		if page, err = q.list(wanted, p, limit); err != nil {
			return nil, err
		}
	}
	if more := len(page.Tasks) - limit; more > 0 { // the children of a parent and exporting tasks have no pages
		page.Tasks, page.More = page.Tasks[:limit], page.More+more
	}
	list := apiTaskList{At: record.Instant(p.At), Tasks: []record.Task{}, Total: page.Total, Read: page.Read, More: page.More, Next: page.Next}
	for _, t := range page.Tasks {
		brief := *t // the picture belongs to all viewers
		brief.Payload, brief.Result, brief.Progress, brief.LastCheckpoint, brief.Headers, brief.Log = nil, nil, nil, nil, nil, ""
		brief.Shard.Param = string(q.hide(t.Kind, "shard_param", []byte(t.Shard.Param)))
		list.Tasks = append(list.Tasks, record.OfTask(&brief, nil))
	}
	return list, nil
}

// apiTaskRecord is a task with what it waits for.
type apiTaskRecord struct {
	record.Task
	WaitsFor     string `json:"waits_for,omitempty"`
	WaitsForCode string `json:"waits_for_code,omitempty"`
	Redacted     bool   `json:"redacted,omitempty"` // the payload is not the real one
}

func (q *request) apiTask() (any, error) {
	t, err := q.find(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	page, err := q.c.about(q.Context(), q.site, t, p)
	if err != nil {
		return nil, err
	}
	r := apiTaskRecord{Task: record.OfTask(page.Task, page.History), Redacted: page.Redacted}
	r.SetHosts(page.Hosts)
	if page.Why.Code != "" {
		why := holdup.Reason{Code: page.Why.Code, Args: slices.Clone(page.Why.Args)}
		for i, a := range why.Args {
			if at, ok := a.(holdup.Start); ok {
				why.Args[i] = record.Instant(time.Time(at))
			}
		}
		r.WaitsFor, r.WaitsForCode = why.String(), why.Code
	}
	for _, h := range page.Holders {
		r.HeldBy = append(r.HeldBy, record.Holder{ID: h.ID, Replica: h.Replica, RunMS: max(p.At.Sub(h.StartedAt).Milliseconds(), 0)})
	}
	if len(page.Holders) > 0 {
		r.HeldByMore = page.MoreHold
	}
	return r, nil
}

// apiProgressRecord is the progress of a task.
type apiProgressRecord struct {
	ID             string          `json:"id"`
	State          task.State      `json:"state"`
	Attempt        int64           `json:"attempt"`
	Progress       json.RawMessage `json:"progress,omitempty"`
	ProgressText   string          `json:"progress_text,omitempty"`
	ProgressBase64 []byte          `json:"progress_base64,omitempty"`
}

func (q *request) apiProgress() (any, error) {
	t, err := q.find(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	q.c.redact(t)
	r := apiProgressRecord{ID: t.ID, State: t.State, Attempt: t.Attempt}
	r.Progress, r.ProgressText, r.ProgressBase64 = record.Forms(t.Progress)
	return r, nil
}

type apiLogList struct {
	Attempts []record.Log `json:"attempts"`
}

// apiLog returns the attempts of a task with the ends of their logs, the oldest one first.
func (q *request) apiLog() (any, error) {
	t, err := q.find(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	history, err := q.site.pool.History(q.Context(), t.ID)
	if err != nil {
		return nil, err
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	list := apiLogList{Attempts: []record.Log{}}
	for _, a := range record.History(history) {
		list.Attempts = append(list.Attempts, record.Log{ID: t.ID, AttemptInfo: a})
	}
	if t.State == task.Running {
		list.Attempts = append(list.Attempts, record.Running(t, t.Log, p.At))
	}
	return list, nil
}

// apiEnqueue makes the task of the body, which is an entry of the inbox.
func (q *request) apiEnqueue() (any, error) {
	text, err := q.rawBody()
	if err != nil {
		return nil, err
	}
	spec, err := redisstore.ParseEntry(text)
	if err != nil {
		return nil, entryError("", err)
	}
	receipt, err := q.enqueued(spec)
	if err != nil {
		return nil, err
	}
	made := answer{status: http.StatusOK, value: record.OfReceipt(receipt, 0)}
	if !receipt.Duplicate {
		made.status = http.StatusCreated
		made.location = q.c.opts.Prefix + apiRoot + "/pools/" + url.PathEscape(q.site.name) + "/tasks/" + url.PathEscape(receipt.ID)
	}
	return made, nil
}

// entryError returns the error of an entry. An error without a field is one of the whole entry.
func entryError(prefix string, err error) error {
	found := task.FieldErrors(err)
	if len(found) == 0 {
		return &task.FieldError{Field: strings.TrimSuffix(prefix, "."), Msg: err.Error()}
	}
	var errs []error
	for _, f := range found {
		if _, fields, unknown := strings.Cut(f.Msg, "the fields are "); unknown {
			f.Field = strings.ReplaceAll(f.Field, `"`, "")
			f.Msg += suggestion(f.Field, strings.Fields(fields))
		}
		errs = append(errs, &task.FieldError{Field: prefix + f.Field, Msg: f.Msg})
	}
	return errors.Join(errs...)
}

type batchBody struct {
	Tasks []json.RawMessage `json:"tasks"`
	reasoned
}

type apiReceipts struct {
	Receipts []record.Receipt `json:"receipts"`
}

// apiEnqueueBatch makes tasks. All of them are checked before the first one is made.
func (q *request) apiEnqueueBatch() (any, error) {
	var body batchBody
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	if n := len(body.Tasks); n == 0 || n > mostChosen {
		return nil, &task.FieldError{Field: "tasks", Msg: fmt.Sprintf("must have from 1 to %d tasks, not %d", mostChosen, n)}
	}
	specs := make([]task.Spec, len(body.Tasks))
	var errs []error
	var names []string
	for i, text := range body.Tasks {
		var err error
		if specs[i], err = redisstore.ParseEntry(slices.Clone(text)); err != nil {
			errs = append(errs, entryError(fmt.Sprintf("tasks[%d].", i), err))
		}
		if specs[i].ID != "" {
			names = append(names, specs[i].ID)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var receipts []task.Receipt
	err := q.record(action{name: "enqueue", target: targetOf(names), count: len(specs), do: func(ctx context.Context) (n int, err error) {
		receipts, err = q.site.pool.EnqueueAll(ctx, specs)
		for _, r := range receipts {
			if r.Err == nil && !r.Duplicate {
				n++
			}
		}
		return n, err
	}})
	made := apiReceipts{Receipts: []record.Receipt{}}
	for _, r := range receipts {
		made.Receipts = append(made.Receipts, record.OfReceipt(r, 0))
	}
	if err != nil && len(receipts) > 0 {
		status, _ := q.apiStatus(err)
		return nil, &apiError{status: status, detail: err.Error(), receipts: made.Receipts}
	}
	return made, err
}
