package remote

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// maxErrorBody is how much of the body of an answer is read for an error.
	maxErrorBody = 4 << 10
	// maxErrorText is how many bytes of that are shown.
	maxErrorText = 500
	// maxRetryAfter is the longest delay that a service can ask for.
	maxRetryAfter = time.Hour
)

// isSuccess reports whether a status says that the service has done what was asked.
func isSuccess(status int) bool { return status >= 200 && status < 300 }

// check returns the error of an answer, nil for a success.
//
// A status of the class 4xx says that the request itself is wrong, so the task fails without
// a retry. Others concern the service or the config: 401, 403 and 407 wrong credentials, 408,
// 425 and 429 the moment, 3xx and 5xx the service. Then the attempt fails.
func (s *service) check(a answer, token string) error {
	if isSuccess(a.status) {
		return nil
	}
	err := s.statusError(a, token)
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return err
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		if a.status >= 400 && a.status < 500 {
			return task.Permanent(err)
		}
	}
	if d, ok := retryAfter(a.header, time.Now()); ok {
		return task.RetryAfter(err, d)
	}
	return err
}

// statusError returns an error with the status and the beginning of the body.
func (s *service) statusError(a answer, token string) error {
	text := fmt.Sprintf("%s answered with status %d", s.host, a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " (" + name + ")"
	}
	if a.status >= 300 && a.status < 400 {
		text += ", a redirect that is not followed"
	}
	if body := s.redactor.text(shown(a.body), token); body != "" {
		text += ": " + task.CutHead(body, maxErrorText)
	}
	return errors.New(text)
}

// shown returns text of the service as one line without control characters.
func shown(b []byte) string {
	b = b[:min(len(b), maxErrorBody)]
	return strings.Join(strings.FieldsFunc(string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// retryAfter reads the header Retry-After: seconds or a date. The result is at most
// maxRetryAfter.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter), true
	}
	return 0, false
}
