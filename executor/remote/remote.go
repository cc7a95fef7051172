// Package remote runs tasks at a service elsewhere, over HTTP.
//
//	h, err := remote.New(remote.Config{URL: "https://cutter.example/cut", Pool: "media"})
//	p.HandleKind("video.cut", h)
//
// There are three modes. In each, a request is a POST with a JSON body, signed as Standard
// Webhooks (standardwebhooks.com) describe it.
//
//   - Call: the task is one request, and the body of the answer is the result.
//   - Jobs: the service starts a job, and answers requests for its state and its output
//     and for a stop. The job survives the replica: see package async.
//   - Callback: the service starts a job and reports its end with the token of the
//     attempt: see Task.ReportToken. The attempt is detached, so it needs no slot.
//
// docs/remote.md describes the requests, the answers, and what follows from a status.
package remote

import (
	"context"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

// Mode is how the service runs a task.
type Mode string

// The modes.
const (
	Call     Mode = "call"     // one request, whose answer is the result
	Jobs     Mode = "jobs"     // start, status, output and stop
	Callback Mode = "callback" // start, and a report from the service
)

// The defaults of Config.
const (
	DefaultTimeout     = 30 * time.Second // in the modes Jobs and Callback
	DefaultRetryWithin = time.Minute
	DefaultMaxResult   = 64 << 10
)

// Config describes the service of one kind of task.
type Config struct {
	// Pool is the name of the pool. Required.
	Pool string
	// URL gets the tasks. Required. Segments of its path may be templates, see package
	// template. In the mode Jobs it also gets the requests about jobs, unless JobsURL is
	// set.
	URL string
	// JobsURL gets the requests for states, outputs and stops in the mode Jobs. It has no
	// templates, because one request is about many jobs. Required if URL has a template.
	// Default: URL.
	JobsURL string
	// Mode is how the service runs a task. Default: Call.
	Mode Mode
	// Secrets sign the requests. Each is whsec_ and at least 24 random bytes in base64.
	// With several, a request has a signature of each, so that the service can change from
	// one to the next. Without any, requests are not signed.
	Secrets []string
	// Headers are sent with each task. Their values may be templates. Those without a
	// template are also sent with the requests about jobs.
	Headers map[string]string
	// SecretHeaders are headers with constant values that are sent with each request and
	// are shown in no error.
	SecretHeaders map[string]string
	// Body is what a request of the mode Call has as its body instead of a message, and
	// what takes the place of the payload in the messages of the other modes. It consists of
	// map[string]any, []any and constants of JSON. Its strings may be templates; each fills
	// one value. Default: the message, and the payload.
	Body any
	// Callback is the URL under which this pool takes reports, without the token, such as
	// https://worker.example/callback. Required in the mode Callback. In the mode Jobs the
	// service may report an end there before it is polled.
	Callback string
	// Within is how long a job may take until its report in the mode Callback. Default: what
	// is left of the timeout of the attempt. Required if the attempt has none.
	Within time.Duration
	// Idempotent says that the service does a task once, even if it gets the request more
	// than once with the same webhook-id. In the mode Call such a request is repeated also
	// if the service may have got it. In the other modes the service must do so anyway.
	Idempotent bool
	// Timeout is how long one request may take, at most as long as the attempt. Default:
	// none in the mode Call, else DefaultTimeout.
	Timeout time.Duration
	// RetryWithin is how long a request that does not reach the service is repeated within an
	// attempt, at most as long as the attempt. Default: DefaultRetryWithin; in the mode Jobs
	// async.DefaultStartWithin.
	RetryWithin time.Duration
	// Networks are networks such as 10.1.0.0/16 in which the service may be. Without them
	// only public addresses are connected to.
	Networks []string
	// Redirects is how many redirects a request follows, at most 10. Default: none. Headers
	// and bodies are not sent to another host.
	Redirects int
	// MaxResult is the size of a result in bytes, from 128 to task.MaxResult. A longer one is
	// cut and marked, or fails the task: see task.LargeResult. With task.ExportLargeResult the
	// size is task.MaxStagedResult. Default: DefaultMaxResult.
	MaxResult int
	// Interval is the time between two requests for the states of jobs. Default:
	// async.DefaultInterval.
	Interval time.Duration
	// StopWithin is how long the stop of a job may take: see async.Options. Default:
	// async.DefaultStopWithin.
	StopWithin time.Duration
	// Logger gets outages of the service. Default: slog.Default.
	Logger *slog.Logger
}

// New returns a handler. It makes no request. The error joins a *task.FieldError for
// everything that is wrong with cfg. The handler is safe for concurrent use.
func New(cfg Config) (task.Handler, error) {
	s, err := newService(cfg)
	if err != nil {
		return nil, err
	}
	switch s.Mode {
	case Jobs:
		jobs, err := async.New(&executor{s}, async.Options{
			Pool: s.Pool, Interval: s.Interval, CallTimeout: s.Timeout, StartTimeout: s.Timeout,
			StartWithin: s.RetryWithin, StopWithin: s.StopWithin, Remote: s.remote(), Logger: s.Logger,
		})
		if err != nil {
			return nil, err
		}
		return jobs.Handle, nil
	case Callback:
		return s.tracked(s.startAndDetach), nil
	}
	return s.tracked(s.call), nil
}

// tracked returns a handler whose replica publishes the outages of the service.
func (s *service) tracked(h task.Handler) task.Handler {
	return func(ctx context.Context, t *task.Task) ([]byte, error) {
		s.outage.Publish(ctx)
		return h(ctx, t)
	}
}
