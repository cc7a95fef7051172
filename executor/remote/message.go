package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// The types of messages.
const (
	typeCall   = "task.call"
	typeStart  = "task.start"
	typeStatus = "task.status"
	typeOutput = "task.output"
	typeStop   = "task.stop"
)

// message is the body of a request about one task.
type message struct {
	Type string      `json:"type"`
	Name string      `json:"name"` // of the job; also the webhook-id
	Task messageTask `json:"task"`
	// One of the payloads is set: JSON, other text, other bytes. None is for an empty one.
	Payload       json.RawMessage `json:"payload,omitempty"`
	PayloadText   string          `json:"payload_text,omitempty"`
	PayloadBase64 []byte          `json:"payload_base64,omitempty"`
	Callback      string          `json:"callback,omitempty"` // where the service reports
}

// messageTask is what a service learns about a task.
type messageTask struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Queue   string `json:"queue"`
	Pool    string `json:"pool"`
	Attempt int64  `json:"attempt"`
	Fence   int64  `json:"fence"`
}

// request returns the request that gives a task to the service under a name. token is
// that of the attempt, "" for none.
func (s *service) request(kind, name string, t *task.Task, token string) (request, error) {
	values := template.NewValues(t, s.Pool)
	r := request{id: name, token: token, most: maxErrorBody, header: http.Header{}}
	var err error
	if r.url, err = s.url.fill(values); err != nil {
		return request{}, err
	}
	for field, value := range s.headers {
		text, err := value.Header(values)
		if err != nil {
			return request{}, fmt.Errorf("headers.%s: %w", field, err)
		}
		r.header.Set(field, text)
	}
	m := message{Type: kind, Name: name, Task: messageTask{t.ID, t.Kind, t.Queue, s.Pool, t.Attempt, t.Fence}}
	if token != "" {
		m.Callback = s.Callback + "/" + token
	}
	if s.body != nil {
		filled, err := s.body.fill(values)
		if err != nil {
			return request{}, fmt.Errorf("body: %w", err)
		}
		if r.body = filled; s.Mode == Call {
			return r, nil
		}
		m.Payload = filled
	} else {
		m.setPayload(t.Payload)
	}
	r.body, err = encode(m)
	return r, err
}

func (m *message) setPayload(payload []byte) {
	switch {
	case json.Valid(payload):
		m.Payload = payload
	case utf8.Valid(payload):
		m.PayloadText = string(payload)
	default:
		m.PayloadBase64 = payload
	}
}

// name returns the name of the request for a task that is its n-th: another owner of the
// same attempt gets the same name.
func (s *service) name(t *task.Task, n int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d %d", s.Pool, t.ID, t.CreatedAt.UnixMilli(), t.Generation, n))
	return "lts-" + hex.EncodeToString(sum[:16])
}

// encode returns v as JSON without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
