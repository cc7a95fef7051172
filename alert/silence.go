package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// Silence suppresses the messages about alerts that match all of its parts. Its end is announced,
// with the alerts that still fire.
type Silence struct {
	ID string `json:"id"`
	// Rule is the name of a rule; Queue, Kind and Group are labels of the alert. A name that ends
	// with * stands for all names with that beginning, and "" for any. At least one is required.
	Rule    string    `json:"rule,omitempty"`
	Queue   string    `json:"queue,omitempty"`
	Kind    string    `json:"kind,omitempty"`
	Group   string    `json:"group,omitempty"`
	From    time.Time `json:"from"` // by the store's clock
	Until   time.Time `json:"until"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	EndedBy string    `json:"ended_by,omitempty"` // the user who has ended it before Until
}

// maxSilence is the longest silence.
const maxSilence = 90 * 24 * time.Hour

// Check returns all mistakes of a silence of this length, as joined FieldErrors. The field of the
// length is "for".
func (s Silence) Check(length time.Duration) error {
	var errs []error
	for _, f := range []struct{ field, name string }{{"rule", s.Rule}, {"queue", s.Queue}, {"kind", s.Kind}, {"group", s.Group}} {
		if plain := strings.TrimSuffix(f.name, "*"); plain != "" {
			if err := task.CheckName(plain); err != nil {
				errs = append(errs, &task.FieldError{Field: f.field, Msg: err.Error()})
			}
		}
	}
	if s.Rule == "" && s.Queue == "" && s.Kind == "" && s.Group == "" {
		errs = append(errs, &task.FieldError{Field: "rule", Msg: `or queue, kind or group is required; the rule "*" stands for all`})
	}
	if length < time.Minute || length > maxSilence {
		errs = append(errs, &task.FieldError{Field: "for", Msg: "must be from 1m to 90d, not " + timespan.Text(length)})
	}
	return errors.Join(errs...)
}

// Active reports whether the silence holds at a time.
func (s Silence) Active(now time.Time) bool { return s.EndedBy == "" && now.Before(s.Until) }

// silences reports whether the silence suppresses messages about the alert.
func (s Silence) silences(a *Alert) bool {
	if a.When == Watchdog && s.Rule != a.Rule {
		return false // its messages show that the rules run
	}
	is := func(pattern, name string) bool {
		return pattern == "" || name != "" && matches([]string{pattern}, name)
	}
	return is(s.Rule, a.Rule) && is(s.Queue, a.Labels["queue"]) && is(s.Kind, a.Labels["kind"]) && is(s.Group, a.Labels["group"])
}

// concerns reports whether the silence may match an alert of the rule.
func (s Silence) concerns(r *Rule) bool {
	if s.Rule != r.Name && (r.When == Watchdog || s.Rule != "" && !matches([]string{s.Rule}, r.Name)) {
		return false
	}
	labels := conditions[r.When].filters
	if r.Window > 0 && conditions[r.When].need&needEvents != 0 {
		labels = r.By
	}
	for label, pattern := range map[string]string{"queue": s.Queue, "kind": s.Kind, "group": s.Group} {
		if pattern != "" && !slices.Contains(labels, label) {
			return false
		}
	}
	return true
}

// String lists the parts of the silence, such as "rule wait, queue mail".
func (s Silence) String() string { return s.text(words[English]) }

func (s Silence) text(w *wording) string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"rule", s.Rule}, {"queue", s.Queue}, {"kind", s.Kind}, {"group", s.Group}} {
		if p.value != "" {
			parts = append(parts, cmp.Or(w.labels[p.name], p.name)+" "+p.value)
		}
	}
	return strings.Join(parts, w.comma)
}

// AddSilence checks and writes a silence that begins now, and returns it with its ID. The length is
// from 1 minute to 90 days. It cuts Reason after 500 bytes and By after 100.
func AddSilence(ctx context.Context, b Board, s Silence, length time.Duration) (Silence, error) {
	if err := s.Check(length); err != nil {
		return s, err
	}
	records, err := b.ReadAlerts(ctx)
	if err != nil {
		return s, err
	}
	s.ID = strings.ToLower(rand.Text()[:10])
	s.From, s.Until = records.Now, records.Now.Add(length)
	s.Reason, s.By = task.CutHead(s.Reason, 500), task.CutHead(s.By, 100)
	if err := b.SetSilence(ctx, s.ID, encode(s)); err != nil {
		return s, err
	}
	return s, b.LogAlert(ctx, task.AlertLogEntry{What: "silence", Message: s.ID, Text: s.describe()})
}

func (s Silence) describe() string {
	text := fmt.Sprintf("%s until %s", s, s.Until.UTC().Format(time.RFC3339))
	if s.By != "" {
		text += ", by " + s.By
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// ErrNoSilence is returned by EndSilence if there is no active silence with the ID.
var ErrNoSilence = errors.New("no such silence")

// EndSilence ends a silence now. by is the user who ends it. The process that runs the rules announces
// the end. The error is ErrNoSilence if there is no such active silence.
func EndSilence(ctx context.Context, b Board, id, by string) (Silence, error) {
	records, err := b.ReadAlerts(ctx)
	if err != nil {
		return Silence{}, err
	}
	all := readSilences(records.Silences)
	i := slices.IndexFunc(all, func(s Silence) bool { return s.ID == id && s.Active(records.Now) })
	if i < 0 {
		return Silence{}, fmt.Errorf("silence %s: %w", id, ErrNoSilence)
	}
	s := all[i]
	s.Until, s.EndedBy = records.Now, task.CutHead(by, 100)
	if s.EndedBy == "" {
		s.EndedBy = "unknown"
	}
	return s, b.SetSilence(ctx, id, encode(s))
}

// readSilences decodes silences, the one that ends first first. It leaves out damaged ones.
func readSilences(texts map[string]string) (all []Silence) {
	for id, text := range texts {
		var s Silence
		if json.Unmarshal([]byte(text), &s) == nil && s.ID == id {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Silence) int {
		if c := a.Until.Compare(b.Until); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}
