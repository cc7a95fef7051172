package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/internal/egress"
	"github.com/ltsworker/ltsworker/task"
)

// request is a request to the service, which may be sent more than once.
type request struct {
	url    string
	header http.Header
	id     string // webhook-id
	body   []byte
	token  string // of the attempt, if the body has it; no error shows it
	most   int    // how many bytes of the body of the answer are read
}

// answer is what the service has answered with any status.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool  // the body is longer
	length int64 // of the whole body; -1 if it is cut and its length is not known
}

// failure is the error of a request without an answer.
type failure struct {
	error
	sent bool // the service may have got the request
}

func (f *failure) Unwrap() error { return f.error }

// final reports whether no repetition helps: the address or a redirect is refused.
func (f *failure) final() bool {
	return errors.Is(f, egress.ErrAddress) || errors.Is(f, egress.ErrRedirect)
}

// errSilent is the cause of the end of a request at its timeout.
var errSilent = errors.New("no answer within the timeout of a request")

// requests is the call of outages: an answer to any request shows that the service works.
const requests = "request"

func (s *service) failed(began time.Time, err error) {
	s.outage.Failed(requests, began, err, "a service cannot be used; its tasks wait or fail as their policy says", "service", s.host, "err", err)
}

// send sends a request once.
func (s *service) send(ctx context.Context, r request) (answer, *failure) {
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, errSilent)
		defer cancel()
	}
	var sent atomic.Bool
	began := time.Now()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	a, err := s.exchange(traced, r)
	if err == nil {
		if a.status < 500 {
			s.outage.Worked(requests, began)
		} else {
			s.failed(began, s.statusError(a, r.token))
		}
		return a, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL
	}
	f := &failure{s.redactor.err(fmt.Errorf("request to %s: %w", s.host, err), r.token), sent.Load()}
	if ctx.Err() == nil || errors.Is(context.Cause(ctx), errSilent) {
		s.failed(began, f)
	}
	return answer{}, f
}

// exchange sends a request and reads the answer.
func (s *service) exchange(ctx context.Context, r request) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, errors.New("the request cannot be made")
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	for name, value := range task.TraceHeaders(ctx) {
		if req.Header.Get(name) == "" {
			req.Header.Set(name, value)
		}
	}
	for name, value := range s.SecretHeaders {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "ltsworker")
	}
	if err := s.sign(req.Header, r); err != nil {
		return answer{}, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close() // without reading a rest
	a := answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, int64(r.most)+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer with status %d: %w", res.StatusCode, err)
	}
	if a.length = int64(len(a.body)); len(a.body) > r.most {
		a.body, a.cut, a.length = a.body[:r.most], true, res.ContentLength
	}
	return a, nil
}

// sign sets the headers of Standard Webhooks.
func (s *service) sign(h http.Header, r request) error {
	now := time.Now()
	h.Set("Webhook-Id", r.id)
	h.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	signatures := ""
	for _, signer := range s.signers {
		signature, err := signer.Sign(r.id, now, r.body)
		if err != nil {
			return errors.New("the request cannot be signed")
		}
		signatures += " " + signature
	}
	if signatures != "" {
		h.Set("Webhook-Signature", signatures[1:])
	}
	return nil
}

// repeat sends a request until it is answered, for at most RetryWithin. A request that the
// service may have got is repeated only if again is set.
func (s *service) repeat(ctx context.Context, r request, again bool) (answer, error) {
	end := time.Now().Add(s.RetryWithin)
	for n := 1; ; n++ {
		a, f := s.send(ctx, r)
		if f == nil {
			return a, nil
		}
		pause := backoff.Delay(n)
		if f.final() || f.sent && !again || ctx.Err() != nil || time.Now().Add(pause).After(end) {
			return answer{}, f
		}
		if backoff.Sleep(ctx, pause) != nil {
			return answer{}, fmt.Errorf("%w; before: %w", context.Cause(ctx), f)
		}
	}
}
