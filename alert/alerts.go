package alert

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Alert is a rule that applies for one set of labels.
type Alert struct {
	Rule     string            `json:"rule"`
	Labels   map[string]string `json:"labels,omitempty"`
	Severity Severity          `json:"severity"`
	Value    float64           `json:"value"`
	Detail   string            `json:"detail,omitempty"`
	Since    time.Time         `json:"since"`           // when the rule began to apply
	Fired    time.Time         `json:"fired,omitzero"`  // when it began to fire; zero while pending
	Seen     time.Time         `json:"seen"`            // when the rule applied last
	Sent     time.Time         `json:"sent,omitzero"`   // when the last notice was queued
	Resent   time.Time         `json:"resent,omitzero"` // for receivers that get firing alerts again and again
	Silence  string            `json:"silence,omitempty"`
	// When, Threshold and Window are those of the rule.
	When      Condition     `json:"when"`
	Threshold float64       `json:"threshold,omitempty"`
	Window    time.Duration `json:"window,omitempty"`

	written time.Time // when it was last written to the store, and its value then
	value   float64
}

// Firing reports whether the alert fires. If not, it is pending.
func (a *Alert) Firing() bool { return !a.Fired.IsZero() }

// key identifies the alert.
func (a *Alert) key() string { return alertKey(a.Rule, a.Labels) }

func alertKey(rule string, labels map[string]string) string {
	var b strings.Builder
	b.WriteString("a:" + rule)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString("|" + name + "=" + labels[name])
	}
	return b.String()
}

// maxAlerts bounds the alerts of a pool, maxPerRule those of a rule. Of more, the greatest values
// count.
const maxAlerts, maxPerRule = 3000, 1000

// change is what a round does with one alert. It is written in one step.
type change struct {
	key     string
	set     *Alert // nil removes it
	notices []Notice
	to      []string // the receivers of the notices
}

// judge compares what a round has found with the alerts of before.
type judge struct {
	now      time.Time
	alerts   map[string]*Alert
	silences []Silence // active ones
	resends  map[string]time.Duration
	to       func(*Rule) []string // the receivers of a rule
	changes  []change
	// recovered counts alerts that ended while they were silenced, by the id of the silence.
	recovered map[string]int
}

// rule judges the samples of one rule.
func (j *judge) rule(r *Rule, samples []sample) {
	over := slices.DeleteFunc(samples, func(s sample) bool { return !r.exceeded(s.value) })
	slices.SortFunc(over, func(a, b sample) int {
		if a.value != b.value {
			if a.value > b.value {
				return -1
			}
			return 1
		}
		return strings.Compare(alertKey("", a.labels), alertKey("", b.labels))
	})
	over = over[:min(len(over), maxPerRule)]
	found := map[string]bool{}
	for _, s := range over {
		key := alertKey(r.Name, s.labels)
		found[key] = true
		a := j.alerts[key]
		if a == nil {
			if len(j.alerts) >= maxAlerts {
				continue
			}
			a = &Alert{Rule: r.Name, Labels: s.labels, Since: j.now}
			j.alerts[key] = a
		}
		before := *a
		a.Severity, a.Value, a.Detail, a.Seen = r.Severity, s.value, task.CutHead(s.detail, maxDetail), j.now
		a.When, a.Threshold, a.Window = r.When, r.Threshold, r.Window
		if !a.Firing() && j.now.Sub(a.Since) >= r.For {
			a.Fired = j.now
		}
		c := j.announce(r, a)
		// A value is written with other changes, when it is another one by much, and at times.
		old := j.now.Sub(a.written) >= max(r.Keep/2, 15*time.Second) || math.Abs(a.Value-a.value) > math.Abs(a.value)/2
		if len(c.notices) > 0 || a.Fired != before.Fired || a.Silence != before.Silence || a.written.IsZero() || old {
			a.written, a.value = j.now, a.Value
			j.changes = append(j.changes, c)
		}
	}
	for key, a := range j.alerts {
		if a.Rule == r.Name && !found[key] {
			j.absent(r, key, a)
		}
	}
}

// exceeded reports whether a value is beyond the threshold.
func (r *Rule) exceeded(v float64) bool {
	if r.When == Replicas {
		return v < r.Threshold
	}
	return v > r.Threshold || conditions[r.When].unit == none
}

// announce adds the notices that are due of an alert whose rule applies.
func (j *judge) announce(r *Rule, a *Alert) change {
	c := change{key: a.key(), set: a}
	if !a.Firing() {
		return c
	}
	a.Silence = ""
	for _, s := range j.silences {
		if s.silences(a) {
			a.Silence = s.ID
			return c
		}
	}
	again := !a.Sent.IsZero()
	if !again || r.Repeat > 0 && j.now.Sub(a.Sent) >= r.Repeat {
		c.notices, c.to = []Notice{a.notice(StateFiring, again)}, j.to(r)
		a.Sent, a.Resent = j.now, j.now
		return c
	}
	// Receivers such as Alertmanager forget an alert that is not sent again.
	for _, receiver := range j.to(r) {
		if every := j.resends[receiver]; every > 0 && j.now.Sub(a.Resent) >= every {
			c.to = append(c.to, receiver)
		}
	}
	if len(c.to) > 0 {
		c.notices = []Notice{a.notice(StateFiring, true)}
		a.Resent = j.now
	}
	return c
}

// absent handles an alert whose rule does not apply now.
func (j *judge) absent(r *Rule, key string, a *Alert) {
	if a.Firing() && j.now.Sub(a.Seen) < r.Keep {
		if c := j.announce(r, a); len(c.notices) > 0 {
			j.changes = append(j.changes, c)
		}
		return
	}
	c := change{key: key}
	delete(j.alerts, key)
	silenced := slices.ContainsFunc(j.silences, func(s Silence) bool { return s.silences(a) })
	switch {
	case !a.Firing() || a.Sent.IsZero() && !silenced:
	case silenced:
		for _, s := range j.silences {
			if s.silences(a) {
				j.recovered[s.ID]++
			}
		}
	case !r.NoRecovery:
		n := a.notice(StateEnded, false)
		n.Ended = j.now
		c.notices, c.to = []Notice{n}, j.to(r)
	}
	j.changes = append(j.changes, c)
}

// forget removes the alerts of rules that no longer exist.
func (j *judge) forget(rules []Rule) {
	for key, a := range j.alerts {
		if !slices.ContainsFunc(rules, func(r Rule) bool { return r.Name == a.Rule }) {
			delete(j.alerts, key)
			j.changes = append(j.changes, change{key: key})
		}
	}
}
