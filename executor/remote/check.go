package remote

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/internal/egress"
	"github.com/ltsworker/ltsworker/internal/outages"
	"github.com/ltsworker/ltsworker/task"
)

const (
	minMaxResult = 128 // room for the mark of a cut result and a few words
	minSecret    = 24  // bytes
	maxRedirects = 10
)

// service is a checked Config.
type service struct {
	Config
	host     string // for messages
	url      address
	jobsURL  string
	body     *body // nil for none
	headers  map[string]template.Template
	signers  []*standardwebhooks.Webhook
	redactor *redactor
	outage   *outages.Tracker // nil in the mode Jobs, in which package async records outages
	client   *http.Client

	drainGrace time.Duration
}

// remote names the service where outages are shown.
func (s *service) remote() string { return "the service " + s.host }

// newService returns the service of a config with its defaults.
func newService(cfg Config) (*service, error) {
	s := &service{Config: cfg, headers: map[string]template.Template{}, drainGrace: drainGrace}
	s.Mode = cmp.Or(s.Mode, Call)
	if s.Timeout == 0 && s.Mode != Call {
		s.Timeout = DefaultTimeout
	}
	if s.RetryWithin == 0 {
		s.RetryWithin = DefaultRetryWithin
		if s.Mode == Jobs {
			s.RetryWithin = async.DefaultStartWithin
		}
	}
	s.MaxResult = cmp.Or(s.MaxResult, DefaultMaxResult)
	s.Logger = cmp.Or(s.Logger, slog.Default())
	var c checker
	c.service(s)
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	if s.Mode != Jobs {
		s.outage = &outages.Tracker{Of: s.remote(), Log: s.Logger, Again: "a service answers again", Args: []any{"service", s.host}}
	}
	return s, nil
}

// checker collects what is wrong with a config.
type checker struct{ errs []error }

func (c *checker) add(field, format string, args ...any) {
	c.errs = append(c.errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
}

// service sets the fields of s that follow from its config.
func (c *checker) service(s *service) {
	if err := task.CheckName(s.Pool); err != nil {
		c.add("pool", "%v", err)
	}
	if !slices.Contains([]Mode{Call, Jobs, Callback}, s.Mode) {
		c.add("mode", "must be call, jobs or callback, not %q", s.Mode)
	}
	var err error
	if s.url, err = parseAddress(s.URL); err != nil {
		c.add("url", "%v", err)
	} else {
		s.host = s.url.host()
	}
	c.jobs(s)
	c.callback(s)
	c.secrets(s)
	c.headers(s)
	if s.Body != nil {
		if s.body, err = parseBody("body", s.Body); err != nil {
			c.errs = append(c.errs, err)
		}
	}
	networks, err := egress.ParseNetworks("networks", s.Networks)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	if s.Redirects < 0 || s.Redirects > maxRedirects {
		c.add("redirects", "must be from 0 to %d, not %d", maxRedirects, s.Redirects)
	}
	s.client = egress.NewClient(egress.Options{Networks: networks, Redirects: s.Redirects})
	if s.MaxResult < minMaxResult || s.MaxResult > task.MaxResult {
		c.add("max_result", "must be from %d to %d bytes, not %d", minMaxResult, task.MaxResult, s.MaxResult)
	}
	if s.Timeout < 0 {
		c.add("timeout", "must be positive, not %v", s.Timeout)
	}
	if s.RetryWithin < 0 {
		c.add("retry_within", "must be positive, not %v", s.RetryWithin)
	}
	if s.StopWithin < 0 {
		c.add("stop_within", "must be positive, not %v", s.StopWithin)
	}
}

// jobs checks what only the mode Jobs has.
func (c *checker) jobs(s *service) {
	if s.Mode != Jobs {
		if s.JobsURL != "" {
			c.add("jobs_url", "is only for mode: jobs")
		}
		if s.Interval != 0 {
			c.add("interval", "is only for mode: jobs")
		}
		return
	}
	if s.Interval < 0 {
		c.add("interval", "must be positive, not %v", s.Interval)
	}
	at := s.url
	if s.JobsURL != "" {
		var err error
		if at, err = parseAddress(s.JobsURL); err != nil {
			c.add("jobs_url", "%v", err)
			return
		}
	}
	if !at.constant() {
		c.add("jobs_url", "is needed and must not have a template: one request for states is about many jobs")
		return
	}
	s.jobsURL = at.text()
}

// callback checks what only modes with reports have.
func (c *checker) callback(s *service) {
	switch {
	case s.Callback != "" && s.Mode == Call:
		c.add("callback", "is only for mode: callback and mode: jobs")
	case s.Callback == "" && s.Mode == Callback:
		c.add("callback", "is missing: give the URL under which this pool takes reports, such as https://worker.example/callback")
	case s.Callback != "":
		at, err := parseAddress(s.Callback)
		switch {
		case err != nil:
			c.add("callback", "%v", err)
		case !at.constant():
			c.add("callback", "must not have a template")
		case strings.Contains(s.Callback, "?"):
			c.add("callback", "must not have a query: the token is added to its path")
		}
		s.Callback = strings.TrimRight(s.Callback, "/")
	}
	if s.Within != 0 && s.Mode != Callback {
		c.add("within", "is only for mode: callback")
	} else if s.Within < 0 || s.Within > task.MaxDuration {
		c.add("within", "must be from 1ms to %v, not %v", task.MaxDuration, s.Within)
	}
}

func (c *checker) secrets(s *service) {
	hidden := slices.Collect(maps.Values(s.SecretHeaders))
	for i, secret := range s.Secrets {
		text, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(key) < minSecret {
			c.add("secret", "must be whsec_ and at least %d random bytes in base64, such as whsec_$(openssl rand -base64 32): secret %d is not", minSecret, i+1)
			continue
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			c.add("secret", "cannot be used")
			continue
		}
		s.signers = append(s.signers, signer)
		hidden = append(hidden, secret, text)
	}
	s.redactor = newRedactor(hidden, s.Callback != "")
}

// ownHeaders are set by each request.
var ownHeaders = []string{"Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Host", "Trailer", "Te", "Upgrade", "Expect", "Keep-Alive", "Proxy-Connection",
	"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

// credentialHeaders must not have their values in a config.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie"}

func (c *checker) headers(s *service) {
	seen := map[string]bool{}
	name := func(field string) bool {
		canonical := http.CanonicalHeaderKey(field)
		switch at := "headers." + field; {
		case !isToken(field):
			c.add(at, "cannot be the name of a header: it must consist of letters, digits and hyphens")
		case slices.Contains(ownHeaders, canonical):
			c.add(at, "is set by each request and must not be given")
		case seen[canonical]:
			c.add(at, "is given twice")
		default:
			seen[canonical] = true
			return true
		}
		return false
	}
	for _, field := range slices.Sorted(maps.Keys(s.SecretHeaders)) {
		if name(field) && template.CheckHeader(s.SecretHeaders[field]) != nil {
			c.add("headers."+field, "%v", template.CheckHeader(s.SecretHeaders[field]))
		}
	}
	for _, field := range slices.Sorted(maps.Keys(s.Headers)) {
		if !name(field) {
			continue
		}
		t, err := template.Parse(s.Headers[field])
		constant, isConstant := t.Constant()
		if err == nil {
			err = template.CheckHeader(constant)
		}
		if err == nil && isConstant && slices.Contains(credentialHeaders, http.CanonicalHeaderKey(field)) {
			err = errors.New("must not have its value here: name a variable or a file that has it, as in {env: NAME} or {file: PATH}")
		}
		if err != nil {
			c.add("headers."+field, "%v", err)
		}
		s.headers[field] = t
	}
}

// isToken reports whether a text may be the name of a header, as RFC 9110 defines it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// checkURL returns what is wrong with a URL without templates. It does not show the URL,
// which may have a secret.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is not a valid URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("must be a URL such as https://cutter.example/cut")
	case u.User != nil:
		return errors.New("must not have a user or password: use headers, as in Authorization: {env: NAME}")
	case strings.Contains(text, "#"):
		return errors.New("must not have a fragment (#)")
	}
	return nil
}
