// Package webhook sends messages about alerts over HTTP: signed webhooks, DingTalk, WeCom, Feishu
// and Alertmanager.
//
// All requests use the checked dialer of package egress: they go only to public addresses and to
// the networks of the configuration, and ignore the proxy variables of the environment. No error
// has the URL of a request, because the URLs of robots have their keys.
package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/net/http/httpguts"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/egress"
	"github.com/ltsworker/ltsworker/task"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 10

// Endpoint is the address of a service. URL is required.
type Endpoint struct {
	// URL is the address of the service. The URL of a robot is a secret.
	URL string
	// Networks are networks that are not public and may be connected to, such as 10.1.0.0/16.
	Networks []string
	// Headers are sent with each request. Their values are secrets.
	Headers map[string]string
}

// client makes requests to an endpoint.
type client struct {
	http    *http.Client
	url     *url.URL
	headers map[string]string
	hidden  []string // secrets, which are masked in answers
}

// open checks an endpoint. The error joins FieldErrors for url, networks and headers.
func (e Endpoint) open(secrets ...string) (*client, error) {
	var errs []error
	u, err := url.Parse(strings.TrimSpace(e.URL))
	switch {
	case e.URL == "":
		errs = append(errs, &task.FieldError{Field: "url", Msg: "is required"})
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		// The value may be a secret.
		errs = append(errs, &task.FieldError{Field: "url", Msg: "must be a URL that begins with https:// or http://"})
	case u.User != nil:
		errs = append(errs, &task.FieldError{Field: "url", Msg: "must not have a user and a password: use headers"})
	}
	networks, err := egress.ParseNetworks("networks", e.Networks)
	errs = append(errs, err)
	c := &client{http: egress.NewClient(egress.Options{Networks: networks}), url: u, headers: e.Headers}
	for name, value := range e.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) || http.CanonicalHeaderKey(name) == "Host" {
			errs = append(errs, &task.FieldError{Field: "headers." + name, Msg: "cannot be a header"})
		}
		c.hidden = append(c.hidden, value, strings.TrimPrefix(value, "Bearer "))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.hidden = append(c.hidden, secrets...)
	for _, values := range u.Query() {
		c.hidden = append(c.hidden, values...)
	}
	if path := strings.TrimRight(u.Path, "/"); len(path) > 20 { // its last part may be a key
		c.hidden = append(c.hidden, path[strings.LastIndexByte(path, '/')+1:])
	}
	return c, nil
}

// answer is what a service has answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// post sends a body. query is added to that of the URL.
func (c *client) post(ctx context.Context, query url.Values, header http.Header, body []byte) (answer, error) {
	u := *c.url
	all := u.Query()
	for name, values := range query {
		all[name] = values
	}
	u.RawQuery = all.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the request cannot be made")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	for name, value := range c.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "ltsworker")
	res, err := c.http.Do(req)
	if err != nil {
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err // without the URL
		}
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("the answer with status %d could not be read: %w", res.StatusCode, err)
	}
	return a, nil
}

// Endpoint returns the URL: all receivers with this URL share a pace.
func (c *client) Endpoint() string { return c.url.String() }

// text returns the status and the body of an answer in one line, with masked secrets.
func (c *client) text(a answer) string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(a.body), "\uFFFD"))
	for _, secret := range c.hidden {
		if len(secret) >= 4 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return strings.TrimSpace(strconv.Itoa(a.status) + " " + task.CutHead(alert.Plain(text), 300))
}

// check returns an error unless the status is 2xx.
func (c *client) check(a answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	e := &alert.SendError{Err: errors.New("the answer is " + c.text(a))}
	switch a.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.After = retryAfter(a.header)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		// Other statuses are caused by the service or the credentials, so the message may be accepted later.
		e.Refused = true
	}
	return e
}

// retryAfter is the time that a service asks for, at most 15 minutes.
func retryAfter(h http.Header) time.Duration {
	for _, name := range []string{"Retry-After", "X-Ogw-Ratelimit-Reset"} {
		if n, err := strconv.Atoi(h.Get(name)); err == nil && n > 0 {
			return min(time.Duration(n)*time.Second, 15*time.Minute)
		}
	}
	return 0
}

// Config configures a webhook.
type Config struct {
	Endpoint
	// Secrets sign the requests as Standard Webhooks (standardwebhooks.com) describes it. Each is
	// whsec_ and the key in base64. During a change of the secret there are two. None: requests
	// are not signed.
	Secrets []string
}

// Webhook sends a message as JSON.
type Webhook struct {
	*client
	signers []*standardwebhooks.Webhook
}

// minSecret is the least length of a key in bytes.
const minSecret = 24

// New returns a channel that sends messages as signed JSON. The error joins FieldErrors.
func New(c Config) (*Webhook, error) {
	opened, err := c.open(c.Secrets...)
	errs := []error{err}
	w := &Webhook{client: opened}
	for i, secret := range c.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		var signer *standardwebhooks.Webhook
		if err == nil && len(key) >= minSecret && strings.HasPrefix(secret, "whsec_") {
			signer, err = standardwebhooks.NewWebhookRaw(key)
		} else {
			err = errors.New("not a key")
		}
		if err != nil {
			errs = append(errs, &task.FieldError{Field: "secret", Msg: fmt.Sprintf("must be whsec_ and at least %d random bytes in base64, such as whsec_$(openssl rand -base64 32): secret %d is not", minSecret, i+1)})
		}
		w.signers = append(w.signers, signer)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return w, nil
}

// Kind returns "webhook".
func (*Webhook) Kind() string { return "webhook" }

// Pace is ten messages at once, then one a second.
func (*Webhook) Pace() alert.Pace { return alert.Pace{Burst: 10, Every: time.Second} }

// body is the JSON of a webhook.
type body struct {
	ID      string       `json:"id"`
	Pool    string       `json:"pool"`
	At      time.Time    `json:"at"`
	Title   string       `json:"title"`
	Firing  int          `json:"firing"`
	Ended   int          `json:"ended"`
	Notices []notice     `json:"notices"`
	More    []alert.More `json:"more,omitempty"`
	Console string       `json:"console,omitempty"`
}

// notice is a notice in the JSON of a webhook.
type notice struct {
	State     alert.NoticeState `json:"state"`
	Rule      string            `json:"rule,omitempty"`
	Severity  alert.Severity    `json:"severity,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Condition alert.Condition   `json:"condition,omitempty"`
	Value     float64           `json:"value"`
	Threshold float64           `json:"threshold"`
	WindowMS  int64             `json:"window_ms,omitempty"`
	Since     time.Time         `json:"since,omitzero"`
	Ended     time.Time         `json:"ended,omitzero"`
	Again     bool              `json:"again,omitempty"`
	Removed   bool              `json:"removed,omitempty"`
	Changed   bool              `json:"changed,omitempty"`
	Detail    string            `json:"detail,omitempty"`
	Silence   *alert.Silence    `json:"silence,omitempty"`
	Firing    int               `json:"firing,omitempty"`
	Recovered int               `json:"recovered,omitempty"`
	Text      string            `json:"text"`
}

// Send sends a message.
func (w *Webhook) Send(ctx context.Context, m *alert.Message) (string, error) {
	b := body{ID: m.ID, Pool: m.Pool, At: m.At, Title: m.Title(m.Lang), Firing: m.Count(alert.StateFiring), Ended: m.Count(alert.StateEnded), Notices: []notice{}, More: m.More, Console: m.Console}
	for i := range m.Notices {
		n := &m.Notices[i]
		b.Notices = append(b.Notices, notice{n.State, n.Rule, n.Severity, n.Labels, n.When, n.Value, n.Threshold, n.Window.Milliseconds(), n.Since, n.Ended, n.Again, n.Removed, n.Changed, n.Detail,
			n.Silence, n.Firing, n.Recovered, n.Text(m.Lang)})
	}
	text, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	now := time.Now()
	header := http.Header{}
	header.Set("Webhook-Id", m.ID)
	header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	var signatures []string
	for _, signer := range w.signers {
		signature, err := signer.Sign(m.ID, now, text)
		if err != nil {
			return "", errors.New("the request cannot be signed")
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) > 0 {
		header.Set("Webhook-Signature", strings.Join(signatures, " "))
	}
	a, err := w.post(ctx, nil, header, text)
	if err != nil {
		return "", err
	}
	return w.text(a), w.check(a)
}
