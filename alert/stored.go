package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// maxStoredRule bounds the size of a stored rule in bytes.
const maxStoredRule = 4096

// maxStoredWindows bounds the different windows of the stored rules of a pool. The events of each
// window are counted on their own.
const maxStoredWindows = 10

// ErrNoRule is returned by RemoveRule if there is no stored rule with the name.
var ErrNoRule = errors.New("no such stored alert rule")

// ErrRuleChanged is returned by SetRuleIf and RemoveRuleIf if the stored rule is another one.
var ErrRuleChanged = errors.New("the stored alert rule has changed since it was read")

// StoredRule is a rule that the store keeps. The process that runs the rules evaluates it in
// addition to the rules of its Options.
type StoredRule struct {
	Rule
	SetAt time.Time // by the store's clock
	By    string    // the user who has set it; "" for unknown

	// Err says why the rule cannot be used, such as one of another version; nil for one that can.
	Err error
	// Overridden says that the process that runs the rules has a rule with this name in its Options,
	// which it uses instead.
	Overridden bool
	// Missing are the receivers of the rule that this process does not have. They get no messages.
	Missing []string
	// Receivers are those that this process has.
	Receivers []string

	text string // in the store
}

// storedRule is the JSON of a StoredRule in the store.
type storedRule struct {
	Rule  Definition `json:"rule"`
	SetAt time.Time  `json:"set_at"`
	By    string     `json:"by,omitempty"`
	// Problem is why the store cannot read the rule. It writes none.
	Problem string `json:"problem,omitempty"`
}

// decodeRule reads a stored rule.
func decodeRule(name, text string) StoredRule {
	var in storedRule
	s := StoredRule{Rule: Rule{Name: name}, text: text}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields() // a key of a later version may restrict the rule
	if s.Err = dec.Decode(&in); s.Err != nil {
		return s
	}
	if in.Problem != "" {
		s.Err = errors.New(in.Problem)
		return s
	}
	s.SetAt, s.By = in.SetAt, in.By
	s.Rule, s.Err = in.Rule.Rule(name)
	return s
}

// usable reports whether the process that runs the rules evaluates the rule.
func (s *StoredRule) usable() bool { return s.Err == nil && !s.Overridden }

// Problem says in English what keeps the rule from being used as it is; "" for nothing.
func (s *StoredRule) Problem() string {
	switch {
	case s.Err != nil:
		return "it is not used: " + strings.ReplaceAll(s.Err.Error(), "\n", "; ")
	case s.Overridden:
		return "it is not used: the config of the process that runs the rules has a rule with this name"
	case len(s.Missing) > 0:
		var names []string
		for _, name := range s.Missing {
			names = append(names, name+receiverHint(name, s.Receivers))
		}
		return "the process that runs the rules has no receiver " + strings.Join(names, ", ")
	}
	return ""
}

// mergeRules returns the stored rules by name, compared with the rules and the receivers of the process
// that runs the rules. Nil receivers are unknown.
func mergeRules(texts map[string]string, own []Rule, receivers []string) (all []StoredRule) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		s := decodeRule(name, texts[name])
		s.Overridden = slices.ContainsFunc(own, func(r Rule) bool { return r.Name == name })
		s.Receivers = receivers
		for _, to := range s.To {
			if receivers != nil && !slices.Contains(receivers, to) {
				s.Missing = append(s.Missing, to)
			}
		}
		all = append(all, s)
	}
	return all
}

// evaluated is a rule in the state of the process that evaluates it.
type evaluated struct {
	Rule
	Stored bool `json:",omitempty"`
}

// readEvaluated reads the rules of the last evaluation: those of the Options of the process, and the
// stored ones. It returns none if the text is damaged.
func readEvaluated(text string) (own, stored []Rule) {
	var all []evaluated
	_ = json.Unmarshal([]byte(text), &all) // none if damaged
	for _, r := range all {
		if r.Stored {
			stored = append(stored, r.Rule)
		} else {
			own = append(own, r.Rule)
		}
	}
	return own, stored
}

// SetRule checks and stores a rule, or replaces the stored one with its name. by is the user who does
// it. The process that runs the rules uses it from its next evaluation on, in addition to the rules of its
// Options. A rule of these with the same name is used instead. Everything that is wrong is in the error,
// as joined *task.FieldErrors whose fields are keys of a Definition, and name. The receivers are not
// checked, because only the process that runs the rules has them. A pool has at most 100 stored rules,
// of at most 4 KiB each, with at most 10 different windows in which events are counted.
func SetRule(ctx context.Context, b Board, r Rule, by string) error {
	return setRule(ctx, b, r, by, func(string) error { return nil })
}

// SetRuleIf is SetRule if before is still the stored rule with the name; nil for none. Otherwise the
// error is ErrRuleChanged.
func SetRuleIf(ctx context.Context, b Board, r Rule, by string, before *StoredRule) error {
	return setRule(ctx, b, r, by, before.check)
}

// check returns an error unless the text in the store is that of s, which is nil for none.
func (s *StoredRule) check(text string) error {
	if s == nil && text == "" || s != nil && s.text == text {
		return nil
	}
	return ErrRuleChanged
}

func setRule(ctx context.Context, b Board, r Rule, by string, check func(before string) error) error {
	d := r.Definition()
	if _, err := d.Rule(r.Name); err != nil {
		return err
	}
	return b.SetAlertRule(ctx, r.Name, func(rules map[string]string, now time.Time) (text string, entry task.AlertLogEntry, err error) {
		before, found := rules[r.Name]
		if err := check(before); err != nil {
			return "", entry, err
		}
		if err := checkWindow(&r, rules); err != nil {
			return "", entry, err
		}
		old := decodeRule(r.Name, before)
		at := now.UTC().Truncate(time.Millisecond)
		if old.Err == nil && !at.After(old.SetAt) && old.SetAt.Year() < 9999 {
			at = old.SetAt.Add(time.Millisecond) // each version has another time
		}
		text = encode(storedRule{Rule: d, SetAt: at, By: task.CutHead(by, 100)})
		if len(text) > maxStoredRule {
			return "", entry, &task.FieldError{Field: "name", Msg: fmt.Sprintf("is of a rule of %d bytes: it must have at most %d; name fewer queues, kinds, groups and receivers", len(text), maxStoredRule)}
		}
		did := r.Name + ": " + d.String()
		if found {
			did += "; before: " + old.Definition().String()
		}
		return text, ruleEntry("rule set", did, by), nil
	})
}

// checkWindow returns an error if the rule would give the stored rules too many different windows.
func checkWindow(r *Rule, rules map[string]string) error {
	window := r.counts()
	used := map[time.Duration]bool{}
	for name, text := range rules {
		if s := decodeRule(name, text); name != r.Name && s.Err == nil && s.counts() > 0 {
			used[s.counts()] = true
		}
	}
	if window == 0 || used[window] || len(used) < maxStoredWindows {
		return nil
	}
	var texts []string
	for _, d := range slices.Sorted(maps.Keys(used)) {
		texts = append(texts, timespan.Text(d))
	}
	return &task.FieldError{Field: "window", Msg: fmt.Sprintf("cannot be %s, because the stored rules of a pool have at most %d different windows in which events are counted; use one of %s",
		timespan.Text(window), maxStoredWindows, strings.Join(texts, ", "))}
}

// counts returns the window in which events are counted for the rule; 0 for none.
func (r *Rule) counts() time.Duration {
	if conditions[r.When].need&needEvents == 0 {
		return 0
	}
	return r.WithDefaults().Window
}

// RemoveRule removes a stored rule. by is the user who does it. The process that runs the rules ends the
// alerts of the rule with its next evaluation. The error is ErrNoRule if there is no stored rule with
// the name.
func RemoveRule(ctx context.Context, b Board, name, by string) error {
	return removeRule(ctx, b, name, by, func(string) error { return nil })
}

// RemoveRuleIf is RemoveRule if before, which is not nil, is still the stored rule. If there is another
// one with its name, the error is ErrRuleChanged.
func RemoveRuleIf(ctx context.Context, b Board, before *StoredRule, by string) error {
	return removeRule(ctx, b, before.Name, by, before.check)
}

func removeRule(ctx context.Context, b Board, name, by string, check func(before string) error) error {
	return b.RemoveAlertRule(ctx, name, func(rules map[string]string, _ time.Time) (text string, entry task.AlertLogEntry, err error) {
		before, found := rules[name]
		if !found {
			return "", entry, fmt.Errorf("rule %s: %w", name, ErrNoRule)
		}
		if err := check(before); err != nil {
			return "", entry, err
		}
		old := decodeRule(name, before)
		return "", ruleEntry("rule removed", name+": "+old.Definition().String(), by), nil
	})
}

// ruleEntry is the entry of the history about a change of a stored rule.
func ruleEntry(what, text, by string) task.AlertLogEntry {
	if by != "" {
		text += "; by " + task.CutHead(by, 100)
	}
	return task.AlertLogEntry{What: what, Text: text}
}
