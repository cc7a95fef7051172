package alert

import (
	"maps"
	"slices"
)

// use takes the stored rules for the next round, in addition to those of the options. It logs the problem of
// a stored rule once. It reports whether the rules have changed.
func (r *Runner) use(texts map[string]string) bool {
	if r.texts != nil && maps.Equal(r.texts, texts) {
		return false
	}
	stored := r.merge(texts, receiverNames(r.opts.Receivers))
	problems := map[string]string{}
	for i := range stored {
		s := &stored[i]
		if problems[s.Name] = s.Problem(); problems[s.Name] != "" && problems[s.Name] != r.problems[s.Name] {
			r.log.Error("a stored alert rule has a problem", "rule", s.Name, "problem", problems[s.Name])
		}
	}
	r.problems = problems
	if r.texts != nil {
		r.log.Info("the stored alert rules have changed", "rules", len(r.rules), "stored", len(stored))
	}
	r.texts = maps.Clone(texts)
	if r.texts == nil {
		r.texts = map[string]string{}
	}
	return true
}

// merge sets the rules: those of the options, and the stored ones that can be used. It returns all
// stored ones. Nil receivers are unknown.
func (r *Runner) merge(texts map[string]string, receivers []string) []StoredRule {
	stored := mergeRules(texts, r.opts.Rules, receivers)
	r.rules, r.unusable = slices.Clone(r.opts.Rules), map[string]bool{}
	for i := range stored {
		switch s := &stored[i]; {
		case s.usable():
			r.rules = append(r.rules, s.WithDefaults())
		case s.Err != nil:
			r.unusable[s.Name] = true
		}
	}
	r.needs = 0
	for _, rule := range r.rules {
		r.needs |= conditions[rule.When].need
	}
	return stored
}

// receivers returns the names of the receivers of a rule that this process has.
func (r *Runner) receivers(rule *Rule) (names []string) {
	if len(rule.To) == 0 {
		return receiverNames(r.opts.Receivers)
	}
	for _, name := range rule.To {
		if _, found := r.opts.Receivers[name]; found {
			names = append(names, name)
		}
	}
	return names
}
