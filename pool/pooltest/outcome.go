package pooltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Outcome is the result of one attempt.
type Outcome struct {
	ID      string
	Kind    string
	Attempt int64
	// Code is the reason why the attempt ended: pool.CodeOK, CodeError, CodePermanent,
	// CodePanic, CodeTimeout, CodeReleased (a snooze), CodeDetached, CodeBadPayload,
	// CodeNoHandler.
	Code pool.Code
	// Err is the error that the handler returned, inside Middleware, with everything
	// that it wraps. For a panic it has the panic's text and stack. It is nil after a
	// success.
	Err error
	// Result is the encoded result of the handler; the function Result decodes it.
	Result []byte
	// Delay is how long the task waits for its next attempt: its backoff, or the
	// duration given to RetryAfter or Snooze. It is 0 if there is no next attempt:
	// after a success, after a permanent failure, or if the attempts or the time of the
	// task are used up.
	Delay time.Duration
	// Progress is the last value of SetProgress, as JSON. Only Call sets it.
	Progress []byte
	// Log is the end of the attempt's log.
	Log string
	// Meta is what the attempt set with SetMeta.
	Meta map[string]string
	// Checkpoint is the last value of Checkpoint, as JSON; if the attempt wrote none, that
	// of the option Checkpoint. The next attempt gets it, unless this one has failed. Only
	// Call sets it.
	Checkpoint []byte
	// Job is the job that the attempt left open; if it named none, that of the option Job.
	// Only Call sets it.
	Job string
}

// OK reports whether the handler returned without an error.
func (o Outcome) OK() bool { return o.Code == pool.CodeOK }

// String returns the outcome in one line, followed by further lines of its error.
func (o Outcome) String() string {
	s := fmt.Sprintf("%s %s, attempt %d: %s", o.Kind, o.ID, o.Attempt, o.Code)
	if o.Err != nil {
		s += ": " + o.Err.Error()
	}
	return s
}

// Result decodes the result of a handler set with pool.HandleResult. If it returned
// none, Result returns a zero R. It fails the test if the attempt did not succeed or
// the result does not decode.
func Result[R any](t testing.TB, o Outcome) R {
	t.Helper()
	var r R
	if !o.OK() {
		t.Fatalf("pooltest: no result: %v", o)
	}
	if len(o.Result) > 0 {
		if err := json.Unmarshal(o.Result, &r); err != nil {
			t.Fatalf("pooltest: result of %s, %s: %v", o.Kind, o.Result, err)
		}
	}
	return r
}

// Outcomes are attempts in the order in which they ended.
type Outcomes []Outcome

// RequireOK fails the test, and lists the failures, if an attempt did not succeed. It
// returns the outcomes, which may be none.
func (os Outcomes) RequireOK(t testing.TB) Outcomes {
	t.Helper()
	var bad []string
	for _, o := range os {
		if !o.OK() {
			bad = append(bad, "  "+strings.ReplaceAll(o.String(), "\n", "\n  "))
		}
	}
	if len(bad) > 0 {
		t.Fatalf("pooltest: %d of %d attempts did not succeed:\n%s", len(bad), len(os), strings.Join(bad, "\n"))
	}
	return os
}

// errorRecorder records the errors that handlers return; reports contain only their
// text. It is used by the outermost middleware of a pool.
type errorRecorder struct {
	mu   sync.Mutex
	errs map[task.Attempt]error
}

func (w *errorRecorder) record(t *task.Task, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.errs == nil {
		w.errs = map[task.Attempt]error{}
	}
	w.errs[task.Attempt{ID: t.ID, Fence: t.Fence}] = err
}

// outcome returns the outcome of the attempt of t that r, made at now, reports.
func (w *errorRecorder) outcome(t *task.Task, policy pool.Policy, r task.Report, now time.Time) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := Outcome{ID: t.ID, Kind: t.Kind, Attempt: t.Attempt, Code: r.Code, Err: w.errs[attemptOf(r)], Result: r.Result, Delay: delay(t, policy, r, now), Log: r.Log, Meta: r.Meta}
	delete(w.errs, attemptOf(r))
	switch {
	case o.OK():
		o.Err = nil
	case o.Err == nil && r.Error != "":
		o.Err = errors.New(r.Error)
	case o.Err == nil && r.Code == pool.CodeNoHandler:
		o.Err = errors.New("the pool has no handler for this kind")
	}
	return o
}

// delay returns how long the task waits for its next attempt; 0 if there is none.
func delay(t *task.Task, policy pool.Policy, r task.Report, now time.Time) time.Duration {
	switch r.Code {
	case pool.CodePermanent, pool.CodeBadPayload, pool.CodeNoHandler, pool.CodeStopped, pool.CodeStopAbandoned, pool.CodeDetached:
		return 0
	}
	d := r.Delay
	if r.Op == task.Fail {
		if t.Failures+1 >= t.MaxAttemptsOr(policy) {
			return 0
		}
		if !r.DelaySet {
			d = longestBackoff(t, policy)
		}
	}
	if !t.DeadlineAt.IsZero() && !now.Add(d).Before(t.DeadlineAt) {
		return 0
	}
	return d
}
