package webhook

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/ltsworker/ltsworker/alert"
)

// Alertmanager sends alerts to the API of an Alertmanager, which has routes, groups, inhibition and
// silences of its own.
type Alertmanager struct{ *client }

// NewAlertmanager returns a channel to an Alertmanager. The URL is the one of its web interface,
// such as http://alertmanager:9093. The error joins FieldErrors.
func NewAlertmanager(e Endpoint) (*Alertmanager, error) {
	c, err := e.open()
	if err != nil {
		return nil, err
	}
	c.url = c.url.JoinPath("api/v2/alerts")
	return &Alertmanager{c}, nil
}

// resend is the time after which a firing alert is sent again. An Alertmanager regards an alert as
// ended at its endsAt, which is three times as far ahead.
const resend = time.Minute

// Kind returns "alertmanager".
func (*Alertmanager) Kind() string { return "alertmanager" }

// Pace is ten requests at once, then one a second.
func (*Alertmanager) Pace() alert.Pace { return alert.Pace{Burst: 10, Every: time.Second} }

// Resend is the time after which a firing alert is sent again.
func (*Alertmanager) Resend() time.Duration { return resend }

// posted is an alert of the API v2.
type posted struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Send sends the alerts of a message. It leaves out ends of silences and counts, which an Alertmanager
// does not have.
func (am *Alertmanager) Send(ctx context.Context, m *alert.Message) (string, error) {
	now := time.Now()
	var all []posted
	for i := range m.Notices {
		n := &m.Notices[i]
		p := posted{Labels: map[string]string{"alertname": n.Rule, "pool": m.Pool}, Annotations: map[string]string{}, StartsAt: n.Since, EndsAt: now.Add(3 * resend), GeneratorURL: m.Console}
		switch n.State {
		case alert.StateEnded:
			p.EndsAt = n.Ended
		case alert.StateTest:
			p.Labels["alertname"], p.StartsAt = "test", now
		case alert.StateFiring:
			if !n.At.IsZero() { // the notice may have waited
				p.EndsAt = n.At.Add(3 * resend)
			}
		default:
			continue
		}
		maps.Copy(p.Labels, n.Labels)
		if n.Severity != "" {
			p.Labels["severity"] = string(n.Severity)
		}
		plain := *n
		plain.Again = false // the same text each time
		p.Annotations["summary"] = plain.Text(m.Lang)
		if n.Detail != "" {
			p.Annotations["detail"] = n.Detail
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return "nothing to send", nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	a, err := am.post(ctx, nil, nil, text)
	if err != nil {
		return "", err
	}
	return am.text(a), am.check(a)
}
