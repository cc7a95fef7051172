// Package callback takes reports from outside over HTTP: POST /callback/TOKEN.
package callback

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ltsworker/ltsworker/internal/endpoint"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// MaxBody is the most bytes of the body of a request: a result of the largest size,
	// and what is around it.
	MaxBody = task.MaxResult + 64<<10
	// reportTimeout bounds the call to the store for one request.
	reportTimeout = 5 * time.Second
)

// Reporter takes reports from outside. A pool.Pool is one.
type Reporter interface {
	Report(ctx context.Context, token string, r task.OutsideReport) error
}

// Handler returns a handler for POST /callback/TOKEN. The body is a report in JSON without
// the field token, such as
//
//	{"state":"succeeded","result":{"frames":250}}
//
// It answers 200 if the report was accepted, 400 with a text that says what is wrong with
// it, 404 if the token belongs to no running attempt, 405 for another method, 413 for a
// body of more than MaxBody bytes, and 503 if the store does not answer: the sender then
// repeats the report. Answers have no part of the token.
//
// Anyone with a token can end its attempt, so no other credential is needed. A log of the
// paths of requests would contain tokens: keep none.
func Handler(p Reporter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback/{token}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		status, text := accept(p, w, r)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		if status == http.StatusOK {
			w.WriteHeader(status)
			return
		}
		http.Error(w, text, status)
	})
	return mux
}

// accept passes the report of a request on. It returns the status of the answer and the
// text of one that is not 200.
func accept(p Reporter, w http.ResponseWriter, r *http.Request) (status int, text string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return http.StatusRequestEntityTooLarge, "the report is too long"
	} else if err != nil {
		return http.StatusBadRequest, "the report could not be read"
	}
	inside, report, err := task.ParseReport(body)
	if err == nil && inside != "" {
		err = errors.New("must not have the field token: it is in the path")
	}
	if err != nil {
		return http.StatusBadRequest, "the report " + err.Error()
	}
	ctx, cancel := context.WithTimeout(r.Context(), reportTimeout)
	defer cancel()
	err = p.Report(ctx, r.PathValue("token"), report)
	switch {
	case err == nil:
		return http.StatusOK, ""
	case errors.Is(err, task.ErrUnknownToken):
		return http.StatusNotFound, task.ErrUnknownToken.Error()
	default:
		return http.StatusServiceUnavailable, "the pool does not answer: repeat the report"
	}
}

// Serve answers requests at the address with Handler until stop is called. It has timeouts
// for slow clients, and logs no requests.
func Serve(address string, p Reporter, log *slog.Logger) (stop func(), err error) {
	return endpoint.Serve("callback endpoint", address, &http.Server{
		Handler: Handler(p), ReadTimeout: 30 * time.Second, WriteTimeout: 30*time.Second + reportTimeout,
	}, log)
}
