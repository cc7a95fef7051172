package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// recentAlerts is how many messages the page of alerts lists.
const recentAlerts = 50

// alertsPage is the page of alerts. They are shown whether or not this console runs the rules.
type alertsPage struct {
	alert.State
	Log []task.AlertLogEntry
}

func (q *request) alerts() error {
	ctx, cancel := context.WithTimeout(q.Context(), patience)
	defer cancel()
	s, err := alert.ReadState(ctx, q.site.store)
	if err != nil {
		return err
	}
	log, err := q.site.store.AlertLog(ctx, "", recentAlerts)
	if err != nil {
		return err
	}
	return q.render("alerts", s.Now, alertsPage{s, log})
}

// alertRows are rows of a table of alerts.
type alertRows struct {
	V      view
	Alerts []alert.Alert
}

// Silenced returns the silence of an alert, nil for none.
func (p alertsPage) Silenced(a alert.Alert) *alert.Silence { return p.SilencedBy(&a) }

// About describes an alert in the language of the page.
func (q *request) About(a alert.Alert) string { return a.Describe(alert.Lang(q.lang)) }

// AlertLabels names what an alert is about.
func (q *request) AlertLabels(a alert.Alert) string { return a.LabelText(alert.Lang(q.lang)) }

// AlertLink returns the page of what an alert is about, "" for none.
func (q *request) AlertLink(a alert.Alert) string {
	l := a.Labels
	switch {
	case l["queue"] != "":
		return q.Path("queue", "name", l["queue"])
	case l["group"] != "":
		return q.Path("group", "name", l["group"])
	case l["trigger"] != "":
		return q.Path("trigger", "name", l["trigger"])
	case l["replica"] != "":
		return q.Path("replicas") + "#" + l["replica"]
	case a.When == alert.Failed || a.When == alert.FailedShare:
		return q.Path("causes")
	case l["kind"] != "":
		return q.Path("tasks", "q", "kind:"+l["kind"], "state", string(anyState))
	}
	return ""
}

// Limit shows the threshold of a rule.
func (q *request) Limit(r alert.Rule) string { return alert.FormatValue(r.When, r.Threshold) }

// silence begins a silence.
func (q *request) silence() error {
	s := alert.Silence{Rule: q.text("rule"), Queue: q.text("queue"), Kind: q.text("kind"), Group: q.text("group"), By: q.user.Name, Reason: q.text("reason")}
	length, err := timespan.Parse(q.text("for"))
	if err != nil {
		return wrong("for", "wrong.for")
	}
	if err := s.Check(length); err != nil {
		return err
	}
	return q.perform(q.silencing(&s, length))
}

// silencing begins a silence. s is the one that was written afterwards.
func (q *request) silencing(s *alert.Silence, length time.Duration) action {
	return action{name: "alerts/silence", target: s.String(), do: func(ctx context.Context) (_ int, err error) {
		*s, err = alert.AddSilence(ctx, q.site.store, *s, length)
		return 0, err
	}}
}

// unsilence ends a silence.
func (q *request) unsilence() error {
	id := q.text("id")
	err := q.perform(q.unsilencing(id))
	if errors.Is(err, alert.ErrNoSilence) {
		return notFound("silence", id)
	}
	return err
}

func (q *request) unsilencing(id string) action {
	return action{name: "alerts/unsilence", target: id, do: func(ctx context.Context) (int, error) {
		_, err := alert.EndSilence(ctx, q.site.store, id, q.user.Name)
		return 0, err
	}}
}

// testReceiver queues a test message, which the process that runs the rules sends.
func (q *request) testReceiver() error {
	name := q.text("receiver")
	s, err := alert.ReadState(q.Context(), q.site.store)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Receivers, func(r alert.ReceiverState) bool { return r.Name == name }) {
		return notFound("receiver", name)
	}
	if s.Owner == "" {
		return &problem{http.StatusConflict, "error.no_runner", nil}
	}
	return q.perform(action{name: "alerts/test", target: name, do: func(ctx context.Context) (int, error) {
		pushed, err := q.site.store.PushNotice(ctx, name, alert.TestNotice(q.user.Name))
		if err == nil && !pushed {
			err = &problem{http.StatusConflict, "error.no_room", []any{name}}
		}
		return 0, err
	}})
}

// text returns a value of the form without spaces around it.
func (q *request) text(name string) string { return strings.TrimSpace(q.PostFormValue(name)) }
