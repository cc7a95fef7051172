package record

import (
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/task"
)

// Alert is an alert in JSON output.
type Alert struct {
	Rule      string            `json:"rule"`
	State     string            `json:"state"` // firing or pending
	Severity  string            `json:"severity"`
	Labels    map[string]string `json:"labels"`
	Condition string            `json:"condition"`
	Value     float64           `json:"value"`
	Threshold float64           `json:"threshold"`
	Text      string            `json:"text"`
	Detail    string            `json:"detail,omitempty"`
	Since     string            `json:"since"`
	FiredAt   string            `json:"fired_at,omitempty"`
	SentAt    string            `json:"sent_at,omitempty"`
	Silence   string            `json:"silence,omitempty"` // the id of the silence that suppresses messages
}

// Alerts returns the records of the alerts of a pool: those that fire, then the pending ones.
func Alerts(s *alert.State) []Alert {
	all := make([]Alert, 0, len(s.Firing)+len(s.Pending))
	add := func(state string, alerts []alert.Alert) {
		for i := range alerts {
			a := &alerts[i]
			r := Alert{Rule: a.Rule, State: state, Severity: string(a.Severity), Labels: a.Labels, Condition: string(a.When), Value: a.Value, Threshold: a.Threshold,
				Text: a.Describe(alert.English), Detail: a.Detail, Since: Instant(a.Since), FiredAt: Instant(a.Fired), SentAt: Instant(a.Sent)}
			if by := s.SilencedBy(a); by != nil {
				r.Silence = by.ID
			}
			all = append(all, r)
		}
	}
	add("firing", s.Firing)
	add("pending", s.Pending)
	return all
}

// AlertMessage is an entry of the history of alerts in JSON output: a message, or a silence.
type AlertMessage struct {
	At       string `json:"at"`
	What     string `json:"what"` // sent, failed, dropped, silence …
	Receiver string `json:"receiver,omitempty"`
	Message  string `json:"message,omitempty"`
	Alerts   int    `json:"alerts"`
	Tries    int    `json:"tries"`
	Text     string `json:"text,omitempty"`
	Answer   string `json:"answer,omitempty"` // the answer of the service, or the error
}

// OfAlertMessage returns the record of an entry.
func OfAlertMessage(e *task.AlertLogEntry) AlertMessage {
	return AlertMessage{At: Instant(e.At), What: e.What, Receiver: e.Receiver, Message: e.Message, Alerts: e.Alerts, Tries: e.Tries, Text: e.Text, Answer: e.Error}
}

// Silence is a silence in JSON output.
type Silence struct {
	ID     string `json:"id"`
	Rule   string `json:"rule,omitempty"`
	Queue  string `json:"queue,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Group  string `json:"group,omitempty"`
	From   string `json:"from"`
	Until  string `json:"until"`
	LeftMS int64  `json:"left_ms"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// OfSilence returns the record of a silence. now is the time of the clock of the store.
func OfSilence(s *alert.Silence, now time.Time) Silence {
	return Silence{ID: s.ID, Rule: s.Rule, Queue: s.Queue, Kind: s.Kind, Group: s.Group, From: Instant(s.From), Until: Instant(s.Until),
		LeftMS: s.Until.Sub(now).Milliseconds(), By: s.By, Reason: s.Reason}
}

// AlertRule is an alert rule in JSON output.
type AlertRule struct {
	Name       string           `json:"name"`
	From       string           `json:"from"` // file or stored
	Definition alert.Definition `json:"definition"`
	SetAt      string           `json:"set_at,omitempty"`
	By         string           `json:"by,omitempty"`      // the user who has set it
	Problem    string           `json:"problem,omitempty"` // what keeps a stored rule from being used as it is
}

// OfStoredRule returns the record of a stored rule.
func OfStoredRule(s *alert.StoredRule) AlertRule {
	return AlertRule{Name: s.Name, From: "stored", Definition: s.Definition(), SetAt: Instant(s.SetAt), By: s.By, Problem: s.Problem()}
}

// AlertRules returns the records of the rules of a pool: those of the config of the process that runs the
// rules, then the stored ones.
func AlertRules(s *alert.State) []AlertRule {
	all := make([]AlertRule, 0, len(s.Rules)+len(s.Stored))
	for _, r := range s.Rules {
		all = append(all, AlertRule{Name: r.Name, From: "file", Definition: r.Definition()})
	}
	for i := range s.Stored {
		all = append(all, OfStoredRule(&s.Stored[i]))
	}
	return all
}
