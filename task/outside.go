package task

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ReportState says what a report from outside does.
type ReportState string

// The states of an OutsideReport.
const (
	ReportSucceeded ReportState = "succeeded" // the attempt and the task have succeeded
	ReportFailed    ReportState = "failed"    // the attempt failed: it is retried by its policy, unless Permanent is set
	ReportReleased  ReportState = "released"  // the task goes back to its queue without using an attempt
	ReportProgress  ReportState = "progress"  // the attempt goes on
)

// OutsideReport is a report from outside on an attempt: see Task.ReportToken.
type OutsideReport struct {
	State ReportState
	// Result is what a handler would have returned: JSON, or any bytes; nil for none.
	// Only for ReportSucceeded.
	Result []byte
	// Error is what went wrong; it is shortened if it is longer than MaxErrorLen. Only for
	// ReportFailed.
	Error string
	// Permanent is set if a retry cannot help. Only for ReportFailed.
	Permanent bool
	// Delay is the time until the task may start again. A ReportFailed uses it only with
	// DelaySet, instead of the backoff. A ReportReleased without a delay of at least 1 ms
	// uses ReleaseDelay.
	Delay    time.Duration
	DelaySet bool
	// Progress replaces the progress of the task, at most MaxProgress bytes. Only for
	// ReportProgress.
	Progress []byte
}

// Check returns everything that is wrong with the report, as joined FieldErrors.
func (r *OutsideReport) Check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	only := func(field string, set bool, states ...ReportState) {
		for _, s := range states {
			set = set && r.State != s
		}
		if set {
			add(field, "is not a field of this state")
		}
	}
	switch r.State {
	case ReportSucceeded, ReportFailed, ReportReleased, ReportProgress:
		only("result", r.Result != nil, ReportSucceeded)
		only("error", r.Error != "", ReportFailed)
		only("permanent", r.Permanent, ReportFailed)
		only("delay", r.DelaySet || r.Delay != 0, ReportFailed, ReportReleased)
		only("progress", r.Progress != nil, ReportProgress)
	default:
		add("state", "must be succeeded, failed, released or progress")
	}
	if len(r.Result) > MaxResult {
		add("result", "is %d bytes long; the limit is %d: store it elsewhere and report a reference", len(r.Result), MaxResult)
	}
	if r.State == ReportProgress && r.Progress == nil {
		add("progress", "must be set")
	}
	if len(r.Progress) > MaxProgress {
		add("progress", "is %d bytes long; the limit is %d", len(r.Progress), MaxProgress)
	}
	if r.Delay < 0 || r.Delay > MaxDuration {
		add("delay", "must be from 0 to %v", MaxDuration)
	}
	if r.Permanent && r.DelaySet {
		add("delay", "has no effect on a permanent failure")
	}
	return errors.Join(errs...)
}

// CutHead returns s as valid UTF-8 of at most n bytes. It keeps the beginning, and marks a
// text that it has cut.
func CutHead(s string, n int) string {
	const mark = "…"
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	end := n - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
