package alert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// Severity says how urgent an alert is.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

var severities = []Severity{Info, Warning, Critical}

// Never is a Rule.Repeat without repetition.
const Never = time.Duration(-1)

// Rule is a condition and the receivers of its alerts. Only Name and When are required.
type Rule struct {
	Name string
	When Condition
	// Threshold is what the value has to exceed, or for Replicas to fall below: a number, a share
	// from 0 to 1, or seconds, as the condition says. 0 is the default of the condition.
	Threshold float64
	// Window is the time whose events are counted. Default: that of the condition. At most 24 h.
	Window time.Duration
	// Min is how many tasks must have ended within the window. It is for FailedShare. Default: 10.
	Min int
	// For is how long the rule must apply before it alerts.
	For time.Duration
	// Keep is how long the rule must not apply before the alert ends. Default: 1 min.
	Keep time.Duration
	// Repeat is the time between two messages about an alert that still fires; Never for one
	// message. Default: 4 h, of Watchdog 5 min.
	Repeat time.Duration
	// Queues, Kinds and Groups restrict the rule to these names. A name that ends with * stands for
	// all names with that beginning. Empty: all.
	Queues, Kinds, Groups []string
	// By has the labels with which the values are separated: queue, kind, group. It is for the
	// conditions that count events. Default: that of the condition.
	By []string
	// Severity is in the messages. Default: Warning.
	Severity Severity
	// To are the names of the receivers. Default: all.
	To []string
	// NoRecovery leaves out the message at the end of an alert.
	NoRecovery bool
}

const (
	maxWindow = 24 * time.Hour
	maxRules  = 100
)

// WithDefaults returns the rule with the defaults of its condition filled in.
func (r Rule) WithDefaults() Rule {
	c := conditions[r.When]
	r.Threshold = cmp.Or(r.Threshold, c.threshold)
	r.Window = cmp.Or(r.Window, c.window)
	if c.min > 0 {
		r.Min = cmp.Or(r.Min, c.min)
	}
	r.Keep = cmp.Or(r.Keep, time.Minute)
	r.Repeat = cmp.Or(r.Repeat, c.repeat, 4*time.Hour)
	r.Severity = cmp.Or(r.Severity, Warning)
	if len(r.By) == 0 {
		r.By = c.by
	}
	return r
}

// Limit returns the threshold as messages and lists show it. A config file sets half a task for
// "over: 0", which they show as 0.
func (r *Rule) Limit() float64 {
	if conditions[r.When].unit == number {
		return math.Floor(r.Threshold)
	}
	return r.Threshold
}

// check returns all that is wrong with a rule but for its receivers, as joined FieldErrors. Their
// fields begin with rules.NAME.
func (r Rule) check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: "rules." + r.Name + "." + field, Msg: fmt.Sprintf(format, args...)})
	}
	if err := task.CheckName(r.Name); err != nil {
		add("name", "%v", err)
	}
	for name, d := range map[string]time.Duration{"for": r.For, "keep": r.Keep} {
		if d < 0 || d > maxWindow {
			add(name, "must be from 0 to 24h, not %s", timespan.Text(d))
		}
	}
	if r.Repeat != Never && r.Repeat != 0 && (r.Repeat < time.Minute || r.Repeat > task.MaxDuration) {
		add("repeat", "must be at least 1m, or none, not %s", timespan.Text(r.Repeat))
	}
	if r.Severity != "" && !slices.Contains(severities, r.Severity) {
		add("severity", "must be info, warning or critical, not %q", string(r.Severity))
	}
	for _, to := range r.To {
		if err := task.CheckName(to); err != nil {
			add("to", "has %q: %v", to, err)
		}
	}
	c, known := conditions[r.When]
	if !known {
		add("when", "is not a condition: %q; %s", string(r.When), spelling.Hint(string(r.When), Conditions()))
		return errors.Join(errs...)
	}
	switch {
	case c.unit == none && r.Threshold != 0:
		add("over", "is not for %s, which has no value to compare", r.When)
	case r.Threshold < 0, c.unit == share && r.Threshold >= 1:
		add("over", "must be from 0 to %s, not %v", map[bool]string{true: "less than 1", false: "any number"}[c.unit == share], r.Threshold)
	}
	if r.Window != 0 && c.window == 0 {
		add("window", "is not for %s, which has no window", r.When)
	} else if r.Window != 0 && (r.Window < 10*time.Second || r.Window > maxWindow) {
		add("window", "must be from 10s to 24h, not %s", timespan.Text(r.Window))
	}
	if r.Min != 0 && c.min == 0 {
		add("min", "is only for %s", FailedShare)
	} else if r.Min < 0 {
		add("min", "must be at least 1, not %d", r.Min)
	}
	r.checkLabels(c, add)
	return errors.Join(errs...)
}

// checkReceivers returns an error for each receiver of the rule that does not exist.
func (r Rule) checkReceivers(receivers map[string]Receiver) error {
	var errs []error
	for _, to := range r.To {
		if _, ok := receivers[to]; !ok && task.CheckName(to) == nil {
			msg := fmt.Sprintf("names %q, which is no receiver", to) + receiverHint(to, slices.Sorted(maps.Keys(receivers)))
			errs = append(errs, &task.FieldError{Field: "rules." + r.Name + ".to", Msg: msg})
		}
	}
	return errors.Join(errs...)
}

func (r Rule) checkLabels(c condition, add func(field, format string, args ...any)) {
	for label, names := range map[string][]string{"queue": r.Queues, "kind": r.Kinds, "group": r.Groups} {
		if len(names) > 0 && !slices.Contains(c.filters, label) {
			add(label+"s", "is not for %s: it has no %s", r.When, label)
		}
		for _, name := range names {
			if plain := strings.TrimSuffix(name, "*"); name != "*" && task.CheckName(plain) != nil {
				add(label+"s", "has %q: %v", name, task.CheckName(plain))
			}
		}
	}
	if len(r.By) > 0 && c.need&needEvents == 0 {
		add("by", "is only for conditions that count events, not for %s", r.When)
		return
	}
	for _, label := range r.By {
		if !slices.Contains(c.splits(), label) {
			add("by", "cannot have %q for %s; it may have %s", label, r.When, cmp.Or(strings.Join(c.splits(), ", "), "no label"))
		}
	}
}

// matches reports whether one of the patterns stands for the name. No patterns stand for all.
func matches(patterns []string, name string) bool {
	if len(patterns) == 0 {
		return true
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		if head, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, head)
		}
		return p == name
	})
}
