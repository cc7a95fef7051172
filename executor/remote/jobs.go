package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// maxAnswer is how many bytes the answer to a start may have.
	maxAnswer = 64 << 10
	// maxStatus is how many bytes the answer about one state may have: log, progress and
	// error as JSON with escapes.
	maxStatus = 2 * (task.MaxLogLen + task.MaxProgress + task.MaxErrorLen)
	maxRef    = 512
)

// executor is the async.Executor of a service.
type executor struct{ *service }

// jobRef identifies a job in a message.
type jobRef struct {
	Name string `json:"name"`
	Ref  string `json:"ref,omitempty"`
}

func refOf(job async.Job) jobRef { return jobRef{Name: job.Name, Ref: job.Ref} }

// about is the body of a request about jobs.
type about struct {
	Type string   `json:"type"`
	Jobs []jobRef `json:"jobs,omitempty"`
	Job  *jobRef  `json:"job,omitempty"`
}

// ask sends a request about jobs and decodes the answer into to, unless to is nil.
func (e *executor) ask(ctx context.Context, body about, most int, to any) error {
	encoded, err := encode(body)
	if err != nil {
		return err
	}
	header := http.Header{}
	for name, value := range e.headers {
		if constant, ok := value.Constant(); ok {
			header.Set(name, constant)
		}
	}
	a, f := e.send(ctx, request{url: e.jobsURL, header: header, id: "lts-" + rand.Text(), body: encoded, most: most})
	switch {
	case f != nil:
		return f
	case !isSuccess(a.status):
		return e.statusError(a, "")
	case a.status == http.StatusAccepted && body.Type == typeStop:
		return errors.New("the service has not yet stopped the job (status 202)")
	case to == nil:
		return nil
	case a.cut:
		return async.Reject(fmt.Errorf("the answer of %s has more than %d bytes", e.host, most))
	case json.Unmarshal(a.body, to) != nil:
		return fmt.Errorf("the answer of %s is not the JSON of a %s: %s", e.host, body.Type,
			task.CutHead(e.redactor.text(shown(a.body), ""), maxErrorText))
	}
	return nil
}

// Start implements async.Executor.
func (e *executor) Start(ctx context.Context, name string, t *task.Task) (async.Started, error) {
	token := ""
	if e.Callback != "" {
		var err error
		if token, err = t.ReportToken(ctx); err != nil {
			return async.Started{}, err
		}
	}
	r, err := e.request(typeStart, name, t, token)
	if err != nil {
		return async.Started{}, err
	}
	r.most = maxAnswer
	a, f := e.send(ctx, r)
	if f != nil {
		if f.final() && !f.sent {
			return async.Started{}, async.Reject(f)
		}
		return async.Started{}, f
	}
	if a.status >= 500 { // the service may have started the job: no final error
		return async.Started{}, e.statusError(a, token)
	}
	if err := e.check(a, token); err != nil {
		return async.Started{}, async.Reject(err)
	}
	var started struct {
		Ref string `json:"ref"`
		Age int64  `json:"age_ms"`
	}
	if len(a.body) > 0 && (a.cut || json.Unmarshal(a.body, &started) != nil) {
		return async.Started{}, fmt.Errorf("the answer of %s is not the JSON of a start: %s", e.host,
			task.CutHead(e.redactor.text(shown(a.body), token), maxErrorText))
	}
	if started.Ref == "" {
		started.Ref = name
	}
	if len(started.Ref) > maxRef {
		return async.Started{}, fmt.Errorf("the answer of %s has a ref of %d bytes; the limit is %d", e.host, len(started.Ref), maxRef)
	}
	return async.Started{Ref: started.Ref, Age: milliseconds(started.Age)}, nil
}

// milliseconds returns a duration from a service, from 0 to task.MaxDuration.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), task.MaxDuration.Milliseconds())) * time.Millisecond
}

// state is the answer about one job.
type state struct {
	State     string          `json:"state"`
	Error     string          `json:"error"`
	Permanent bool            `json:"permanent"`
	Delay     *int64          `json:"delay_ms"`
	Progress  json.RawMessage `json:"progress"`
	Log       *string         `json:"log"`
}

// Poll implements async.Executor.
func (e *executor) Poll(ctx context.Context, jobs []async.Job) ([]async.Status, error) {
	body := about{Type: typeStatus}
	for _, job := range jobs {
		body.Jobs = append(body.Jobs, refOf(job))
	}
	var got struct {
		Jobs map[string]json.RawMessage `json:"jobs"`
	}
	if err := e.ask(ctx, body, maxAnswer+len(jobs)*maxStatus, &got); err != nil {
		return nil, err
	}
	if got.Jobs == nil {
		return nil, fmt.Errorf("the answer of %s has no jobs", e.host)
	}
	all := make([]async.Status, len(jobs))
	for i, job := range jobs {
		all[i] = e.status(got.Jobs[job.Name])
	}
	return all, nil
}

// status returns the answer about one job. An answer that cannot be used concerns only
// this job.
func (e *executor) status(answer json.RawMessage) async.Status {
	if answer == nil {
		return async.Status{Err: errors.New("the answer has no state of the job")}
	}
	var s state
	if err := json.Unmarshal(answer, &s); err != nil {
		return async.Status{Err: errors.New("the answer has a state that cannot be read")}
	}
	status := async.Status{Progress: s.Progress}
	if s.Log != nil {
		status.Log = []byte(e.redactor.text(*s.Log, ""))
	}
	switch s.State {
	case "running":
		status.State = async.Running
	case "succeeded":
		status.State = async.Succeeded
	case "gone":
		status.State = async.Gone
	case "failed":
		status.State, status.Err = async.Failed, e.jobError(&s)
	default:
		status.Err = fmt.Errorf("the state is %.100q, not running, succeeded, failed or gone", e.redactor.text(s.State, ""))
	}
	return status
}

// jobError returns the error of a failed job.
func (e *executor) jobError(s *state) error {
	text := e.redactor.text(s.Error, "")
	if text == "" {
		text = "the job failed"
	}
	err := errors.New(text)
	switch {
	case s.Permanent:
		return task.Permanent(err)
	case s.Delay != nil:
		return task.RetryAfter(err, milliseconds(*s.Delay))
	}
	return err
}

// Stop implements async.Executor.
func (e *executor) Stop(ctx context.Context, job async.Job) error {
	ref := refOf(job)
	return e.ask(ctx, about{Type: typeStop, Job: &ref}, maxErrorBody, nil)
}

// Output implements async.Executor.
func (e *executor) Output(ctx context.Context, job async.Job) (async.Output, error) {
	ref := refOf(job)
	var got struct {
		Result json.RawMessage `json:"result"`
		Text   *string         `json:"result_text"`
		Log    *string         `json:"log"`
	}
	most := maxAnswer + 2*job.LargeResult.Limit(e.MaxResult) + 2*task.MaxLogLen
	if err := e.ask(ctx, about{Type: typeOutput, Job: &ref}, most, &got); err != nil {
		return async.Output{}, err
	}
	out := async.Output{Result: got.Result}
	if got.Text != nil {
		out.Result = []byte(*got.Text)
	}
	if got.Log != nil {
		out.Log = []byte(e.redactor.text(*got.Log, ""))
	}
	out.Result, out.TooLong = job.LargeResult.Fit(out.Result, int64(len(out.Result)), e.MaxResult)
	return out, nil
}
