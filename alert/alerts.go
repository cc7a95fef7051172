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
	Since    time.Time         `json:"since"`             // when the rule began to apply
	Fired    time.Time         `json:"fired,omitzero"`    // when it began to fire; zero while pending
	Seen     time.Time         `json:"seen"`              // when the rule applied last
	Sent     time.Time         `json:"sent,omitzero"`     // when the last notice was queued
	Resent   time.Time         `json:"resent,omitzero"`   // when it was last sent to a Resender
	Silence  string            `json:"silence,omitempty"` // the ID of the silence that suppresses its messages
	// When, Threshold and Window are those of the rule.
	When      Condition     `json:"when"`
	Threshold float64       `json:"threshold,omitempty"`
	Window    time.Duration `json:"window,omitempty"`

	released bool      // a silence of it has ended in this round
	written  time.Time // when it was last written to the store, and its value then
	value    float64
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

// maxAlerts bounds the alerts of a pool that have the severity of a rule or a higher one, so that a rule
// keeps none with a higher severity out. maxPerRule bounds those of a rule. Alerts that exist come first,
// then the greatest values. The others are only counted.
const maxAlerts, maxPerRule = 3000, 1000

// change is what a round does with one alert. It is written in one step.
type change struct {
	key     string
	set     *Alert // nil removes it
	notices []Notice
	to      []string // the receivers of the notices

	// For a rule with too many alerts: the value of the field, and how many more are counted.
	text string
	more int
	rule string
}

// judge compares the samples of a round with the alerts of the round before.
type judge struct {
	now      time.Time
	alerts   map[string]*Alert
	silences []Silence // active ones
	resends  map[string]time.Duration
	to       func(*Rule) []string // the receivers of a rule
	changes  []change
	// unread reports whether the data that decides about an alert has not been read yet.
	unread func(*Rule, *Alert) bool
	// recovered counts alerts that ended while they were silenced, by the id of the silence.
	recovered map[string]int
	beyond    map[string]int // by rule: sets of labels without an alert, because there are too many
}

// rule judges the samples of one rule.
func (j *judge) rule(r *Rule, samples []sample) {
	over := slices.DeleteFunc(samples, func(s sample) bool { return !r.exceeded(s.value) })
	exists := func(s sample) bool { return j.alerts[alertKey(r.Name, s.labels)] != nil }
	slices.SortFunc(over, func(a, b sample) int {
		if old := exists(a); old != exists(b) {
			if old {
				return -1
			}
			return 1
		}
		if a.value != b.value {
			if a.value > b.value {
				return -1
			}
			return 1
		}
		return strings.Compare(alertKey("", a.labels), alertKey("", b.labels))
	})
	beyond := max(len(over)-maxPerRule, 0)
	over = over[:len(over)-beyond]
	room := j.room(r)
	found := map[string]bool{}
	for _, s := range over {
		key := alertKey(r.Name, s.labels)
		found[key] = true
		a := j.alerts[key]
		if a == nil {
			if room == 0 {
				beyond++
				continue
			}
			room--
			a = &Alert{Rule: r.Name, Labels: s.labels, Since: j.now}
			j.alerts[key] = a
		}
		before := *a
		a.Severity, a.Value, a.Detail, a.Seen = r.Severity, s.value, task.CutHead(s.detail, maxDetail), j.now
		a.When, a.Threshold, a.Window = r.When, r.Limit(), r.Window
		if !a.Firing() && j.now.Sub(a.Since) >= r.For {
			a.Fired = j.now
		}
		c := j.announce(r, a)
		// A new value is written with other changes of the alert, after a large change, and from time to time.
		old := j.now.Sub(a.written) >= max(r.Keep/2, 15*time.Second) || math.Abs(a.Value-a.value) > math.Abs(a.value)/2
		if len(c.notices) > 0 || a.Fired != before.Fired || a.Silence != before.Silence || a.written.IsZero() || old {
			a.written, a.value = j.now, a.Value
			j.changes = append(j.changes, c)
		}
	}
	j.count(r, beyond)
	for key, a := range j.alerts {
		if a.Rule == r.Name && !found[key] && (j.unread == nil || !j.unread(r, a)) {
			j.absent(r, key, a)
		}
	}
}

// room returns how many new alerts a rule can have.
func (j *judge) room(r *Rule) int {
	n := 0
	for _, a := range j.alerts {
		if slices.Index(severities, a.Severity) >= slices.Index(severities, r.Severity) {
			n++
		}
	}
	return max(maxAlerts-n, 0)
}

// count announces for how many sets of labels the rule applies beyond those that have alerts. An
// increase is announced once, until there are none.
func (j *judge) count(r *Rule, beyond int) {
	before := j.beyond[r.Name]
	switch {
	case beyond == 0 && before > 0:
		delete(j.beyond, r.Name)
		j.changes = append(j.changes, change{key: beyondField(r.Name)})
	case beyond > before:
		j.beyond[r.Name] = beyond
		j.changes = append(j.changes, change{key: beyondField(r.Name), text: encode(beyond), more: beyond - before, rule: r.Name, to: j.to(r)})
	}
}

// beyondField is the field of the number of sets of labels that have no alert.
func beyondField(rule string) string { return "m:" + rule }

// exceeded reports whether a value is beyond the threshold.
func (r *Rule) exceeded(v float64) bool {
	if r.When == Replicas {
		return v < r.Threshold
	}
	return v > r.Threshold || conditions[r.When].unit == none
}

// announce returns the notices that are due for an alert whose rule applies.
func (j *judge) announce(r *Rule, a *Alert) change {
	c := change{key: a.key(), set: a}
	if !a.Firing() {
		return c
	}
	a.Silence = ""
	for _, s := range j.silences {
		if s.silences(a) {
			a.Silence = s.ID
			if !a.Sent.IsZero() {
				j.resend(r, a, &c)
			}
			return c
		}
	}
	again := !a.Sent.IsZero() && !a.released
	a.released = false
	if !again || r.Repeat > 0 && j.now.Sub(a.Sent) >= r.Repeat {
		if c.to = j.to(r); len(c.to) == 0 {
			return c // it is announced when the rule has a receiver
		}
		n := a.notice(StateFiring, again)
		n.At = j.now
		c.notices = []Notice{n}
		a.Sent, a.Resent = j.now, j.now
		return c
	}
	j.resend(r, a, &c)
	return c
}

// resend sends an alert that was announced before to the receivers that are a Resender.
func (j *judge) resend(r *Rule, a *Alert, c *change) {
	for _, receiver := range j.to(r) {
		if every := j.resends[receiver]; every > 0 && j.now.Sub(a.Resent) >= every {
			c.to = append(c.to, receiver)
		}
	}
	if len(c.to) > 0 {
		n := a.notice(StateFiring, true)
		n.Resend, n.At = true, j.now
		c.notices = []Notice{n}
		a.Resent = j.now
	}
}

// absent handles an alert whose rule does not apply now.
func (j *judge) absent(r *Rule, key string, a *Alert) {
	if a.Firing() && j.now.Sub(a.Seen) < r.Keep {
		if c := j.announce(r, a); len(c.notices) > 0 {
			j.changes = append(j.changes, c)
		}
		return
	}
	j.end(r, key, a, false)
}

// end removes an alert and announces that. removed says that its rule no longer exists.
func (j *judge) end(r *Rule, key string, a *Alert, removed bool) {
	c := change{key: key}
	delete(j.alerts, key)
	switch {
	case !a.Firing():
	case a.Sent.IsZero(): // it was silenced all the time
		for _, s := range j.silences {
			if s.silences(a) {
				j.recovered[s.ID]++
			}
		}
	case !r.NoRecovery:
		n := a.notice(StateEnded, false)
		n.Ended, n.Removed = j.now, removed
		c.notices, c.to = []Notice{n}, j.to(r)
	}
	j.changes = append(j.changes, c)
}

// forget ends the alerts of rules that no longer exist. before are the rules of the last evaluation.
func (j *judge) forget(rules, before []Rule) {
	has := func(all []Rule, name string) int {
		return slices.IndexFunc(all, func(r Rule) bool { return r.Name == name })
	}
	for key, a := range j.alerts {
		if has(rules, a.Rule) >= 0 {
			continue
		}
		rule := Rule{Name: a.Rule, NoRecovery: true} // its receivers are unknown
		if i := has(before, a.Rule); i >= 0 {
			rule = before[i]
		}
		j.end(&rule, key, a, true)
	}
	for name := range j.beyond {
		if has(rules, name) < 0 {
			delete(j.beyond, name)
			j.changes = append(j.changes, change{key: beyondField(name)})
		}
	}
}
