package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// apiError is an error of the API with its status.
type apiError struct {
	status int
	detail string // "" for none
	// partly is what a change did before it was refused; nil for none.
	partly *changed
	// receipts are those of the tasks of a batch of which some were refused.
	receipts []record.Receipt
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.status, e.detail) }

// apiProblem is an answer in the form of RFC 9457.
type apiProblem struct {
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Field  string       `json:"field,omitempty"` // the first one that is wrong
	Errors []fieldError `json:"errors,omitempty"`
	Next   string       `json:"next,omitempty"` // the cursor to continue after, if events are gone
	// These three are of a change that some tasks have refused.
	Action string `json:"action,omitempty"`
	Tasks  *int   `json:"tasks,omitempty"`
	Chosen *int   `json:"chosen,omitempty"`

	Receipts []record.Receipt `json:"receipts,omitempty"`
}

type fieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (q *request) writeProblem(err error) {
	if q.Context().Err() != nil {
		return
	}
	p := q.problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		q.c.log.Error("console", "path", q.URL.Path, "err", err)
	}
	head := q.w.Header()
	head.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="ltsworker"`
		if errors.Is(err, access.ErrToken) {
			challenge += `, error="invalid_token"`
		}
		head.Set("WWW-Authenticate", challenge)
	}
	var many *access.TooManyError
	if errors.As(err, &many) {
		head.Set("Retry-After", strconv.Itoa(int(math.Ceil(many.RetryAfter.Seconds()))))
	}
	q.w.WriteHeader(p.Status)
	enc := json.NewEncoder(q.w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // a client that has gone gets nothing
}

// problemOf returns the answer for an error.
func (q *request) problemOf(err error) apiProblem {
	var p apiProblem
	p.Status, p.Detail = q.apiStatus(err)
	var own *apiError
	if errors.As(err, &own) {
		if p.Detail, p.Receipts = own.detail, own.receipts; own.partly != nil {
			p.Action, p.Tasks, p.Chosen = own.partly.Action, &own.partly.Tasks, &own.partly.Chosen
		}
	}
	var trimmed *task.TrimmedError
	if errors.As(err, &trimmed) {
		p.Next = trimmed.Next
	}
	p.Detail, p.Title = terminal.TidyError(p.Detail), http.StatusText(p.Status)
	if p.Errors = wrongFields(err); len(p.Errors) > 0 {
		p.Field = p.Errors[0].Field
	}
	return p
}

// apiStatus returns the status of an error and its text. It differs from that of a page where a
// program needs to know more.
func (q *request) apiStatus(err error) (int, string) {
	var (
		own     *apiError
		page    *problem
		many    *access.TooManyError
		large   *http.MaxBytesError
		trimmed *task.TrimmedError
		field   *task.FieldError
	)
	as := func(status int) (int, string) { return status, err.Error() }
	switch {
	case errors.As(err, &own):
		return as(own.status)
	case errors.As(err, &page):
		return q.status(err)
	case errors.As(err, &many):
		return as(http.StatusTooManyRequests)
	case errors.Is(err, access.ErrToken):
		return as(http.StatusUnauthorized)
	case errors.Is(err, access.ErrUnavailable):
		return as(http.StatusServiceUnavailable)
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", large.Limit)
	case errors.As(err, &trimmed):
		return as(http.StatusGone)
	case errors.Is(err, pool.ErrNotFound):
		return as(http.StatusNotFound)
	case errors.As(err, &field) && q.Method != http.MethodGet && q.Method != http.MethodHead:
		return as(http.StatusUnprocessableEntity)
	case refusals(err), errors.Is(err, pool.ErrQueueInUse):
		return as(http.StatusConflict)
	}
	return q.status(err)
}

// wrongFields returns all errors of fields in a tree of errors.
func wrongFields(err error) (all []fieldError) {
	for _, e := range task.FieldErrors(err) {
		all = append(all, fieldError{e.Field, e.Msg})
	}
	return all
}
