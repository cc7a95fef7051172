package alert

import (
	"cmp"
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
	// By is that of the rule, sorted. To are the receivers that were informed. Both are nil if another
	// version has written the alert, and To is nil before the first message.
	By []string `json:"by,omitzero"`
	To []string `json:"to,omitzero"`
	// NoRecovery is that of the rule, for the end of the alert after the rule was removed.
	NoRecovery bool `json:"no_recovery,omitempty"`

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
	notices []addressed

	// For a rule with too many alerts: the value of the field, how many more are counted, and the
	// receivers.
	text string
	more int
	rule string
	to   []string
}

// addressed is a notice with its receivers.
type addressed struct {
	Notice
	to []string
}

// add adds a notice, if it has receivers.
func (c *change) add(n Notice, to []string) {
	if len(to) > 0 {
		c.notices = append(c.notices, addressed{n, to})
	}
}

// judge compares the samples of a round with the alerts of the round before.
type judge struct {
	now      time.Time
	alerts   map[string]*Alert
	silences []Silence // active ones
	resends  map[string]time.Duration
	to       func(*Rule) []string // the receivers of a rule that this process has
	changes  []change
	// unread reports whether the data that decides about an alert has not been read yet.
	unread func(*Rule, *Alert) bool
	// recovered counts alerts that ended while they were silenced, by the id of the silence.
	recovered map[string]int
	beyond    map[string]int  // by rule: sets of labels without an alert, because there are too many
	unusable  map[string]bool // the stored rules that this version cannot read
}

// candidate is a sample that exceeds the limit of a rule.
type candidate struct {
	sample
	key string // of the alert
	old bool   // the alert exists
}

// exceeding returns the samples that exceed the limit of the rule: first those that have an alert, then the greatest
// values.
func (j *judge) exceeding(r *Rule, samples []sample) []candidate {
	var over []candidate
	for _, s := range samples {
		if r.exceeded(s.value) {
			key := alertKey(r.Name, s.labels)
			over = append(over, candidate{s, key, j.alerts[key] != nil})
		}
	}
	slices.SortFunc(over, func(a, b candidate) int {
		if a.old != b.old {
			if a.old {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.value, a.value), strings.Compare(a.key, b.key))
	})
	return over
}

// rule judges the samples of one rule.
func (j *judge) rule(r *Rule, samples []sample) {
	over := j.exceeding(r, samples)
	beyond := max(len(over)-maxPerRule, 0)
	over = over[:len(over)-beyond]
	changed := j.endChanged(r)
	room := j.room(r)
	found := map[string]bool{}
	for _, s := range over {
		key := s.key
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
		if slices.Index(severities, r.Severity) > slices.Index(severities, a.Severity) && a.Severity != "" {
			a.released = true // announce it as a new one
		}
		a.Severity, a.Value, a.Detail, a.Seen = r.Severity, s.value, task.CutHead(s.detail, maxDetail), j.now
		a.When, a.Threshold, a.Window = r.When, r.Limit(), r.Window
		a.By, a.NoRecovery = r.splits(), r.NoRecovery
		if !a.Firing() && j.now.Sub(a.Since) >= r.For {
			a.Fired = j.now
		}
		c := j.announce(r, a)
		c.notices = append(changed[key].notices, c.notices...)
		delete(changed, key)
		// A new value is written with other changes of the alert, after a large change, and from time to time.
		old := j.now.Sub(a.written) >= max(r.Keep/2, 15*time.Second) || math.Abs(a.Value-a.value) > math.Abs(a.value)/2
		if len(c.notices) > 0 || a.Fired != before.Fired || a.Silence != before.Silence || a.written.IsZero() || old {
			a.written, a.value = j.now, a.Value
			j.changes = append(j.changes, c)
		}
	}
	for _, c := range changed {
		j.changes = append(j.changes, c)
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

// endChanged ends the alerts of a rule that was changed so that it is about other things than they are.
// It returns the changes by the keys of the alerts.
func (j *judge) endChanged(r *Rule) map[string]change {
	all := map[string]change{}
	for key, a := range j.alerts {
		if a.Rule == r.Name && !r.covers(a) {
			all[key] = j.ended(r, key, a, func(n *Notice) { n.Changed = true })
		}
	}
	return all
}

// splits returns By, sorted and not nil.
func (r *Rule) splits() []string {
	by := append([]string{}, r.By...)
	slices.Sort(by)
	return by
}

// covers reports whether an alert of the rule may be one of the rule as it is now.
func (r *Rule) covers(a *Alert) bool {
	in := func(patterns []string, label string) bool {
		name, found := a.Labels[label]
		return !found || matches(patterns, name)
	}
	return a.When == r.When && (a.By == nil || slices.Equal(a.By, r.splits())) && in(r.Queues, "queue") && in(r.Kinds, "kind") && in(r.Groups, "group")
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
	to := j.to(r)
	j.readdress(r, a, to, &c)
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
	n := a.notice(StateFiring, again)
	n.At = j.now
	if !again || r.Repeat > 0 && j.now.Sub(a.Sent) >= r.Repeat {
		if len(to) == 0 {
			return c // it is announced when the rule has a receiver
		}
		a.released = false
		c.add(n, to)
		a.To, a.Sent, a.Resent = to, j.now, j.now
		return c
	}
	if added := without(to, a.To); len(added) > 0 {
		n.Again = false
		c.add(n, added)
		a.To = slices.Concat(a.To, added)
	}
	j.resend(r, a, &c)
	return c
}

// readdress announces the end of an alert to the receivers that were informed of it and that the
// rule no longer has.
func (j *judge) readdress(r *Rule, a *Alert, to []string, c *change) {
	if a.Sent.IsZero() {
		return
	}
	if a.To == nil {
		a.To = to // another version has announced it
	}
	// Receivers that only another process has stay informed.
	gone := without(j.informed(r, a), to)
	a.To = without(a.To, gone)
	if !r.NoRecovery {
		n := a.notice(StateEnded, false)
		n.Ended, n.Changed = j.now, true
		c.add(n, gone)
	}
}

// informed returns the receivers that this process has and that were informed of the alert.
func (j *judge) informed(r *Rule, a *Alert) []string {
	switch {
	case a.To == nil:
		return j.to(r)
	case len(a.To) == 0:
		return nil // a rule without receivers has all
	}
	return j.to(&Rule{To: a.To})
}

// without returns the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(append([]string{}, names...), func(name string) bool { return slices.Contains(others, name) })
}

// resend sends an alert that was announced before to the receivers that are a Resender.
func (j *judge) resend(r *Rule, a *Alert, c *change) {
	var to []string
	for _, receiver := range j.informed(r, a) {
		if every := j.resends[receiver]; every > 0 && j.now.Sub(a.Resent) >= every {
			to = append(to, receiver)
		}
	}
	if len(to) > 0 {
		n := a.notice(StateFiring, true)
		n.Resend, n.At = true, j.now
		c.add(n, to)
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
	j.changes = append(j.changes, j.ended(r, key, a, func(*Notice) {}))
}

// ended removes an alert and announces that. reason sets why it has ended.
func (j *judge) ended(r *Rule, key string, a *Alert, reason func(*Notice)) change {
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
		n.Ended = j.now
		reason(&n)
		c.add(n, j.informed(r, a))
	}
	return c
}

// forget ends the alerts of rules that no longer exist. Those of rules that this version cannot read
// stay as they are.
func (j *judge) forget(rules []Rule) {
	gone := func(name string) bool {
		return !j.unusable[name] && !slices.ContainsFunc(rules, func(r Rule) bool { return r.Name == name })
	}
	for key, a := range j.alerts {
		if gone(a.Rule) {
			// The receivers of an alert of another version are unknown.
			rule := Rule{Name: a.Rule, NoRecovery: a.NoRecovery || a.To == nil}
			j.changes = append(j.changes, j.ended(&rule, key, a, func(n *Notice) { n.Removed = true }))
		}
	}
	for name := range j.beyond {
		if gone(name) {
			delete(j.beyond, name)
			j.changes = append(j.changes, change{key: beyondField(name)})
		}
	}
}
