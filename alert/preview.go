package alert

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Outlook is the result of an evaluation of one rule, without effect.
type Outlook struct {
	Rule   Rule
	Stored bool    // a stored rule; false for one of the Options
	Values []Value // the values of the rule, the worst first, up to 20
	Over   int     // how many of all its values are beyond the threshold
	// Problem says in English what keeps a stored rule from being used as it is, or why the rule of
	// another version is not evaluated here; "" for nothing.
	Problem string
}

// Value is a value of a rule.
type Value struct {
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
	Over   bool              `json:"over"`
}

// previewTime bounds the time in which a preview counts events.
const previewTime = 30 * time.Second

// Preview evaluates the rules and the stored rules of the pool once, without any effect. It counts the
// events of the last windows from the stream, for up to 30 seconds. A stored rule that is not used has
// no values.
func (r *Runner) Preview(ctx context.Context) ([]Outlook, error) {
	records, err := r.store.ReadAlerts(ctx)
	if err != nil {
		return nil, err
	}
	// Run may use the rules of r meanwhile.
	own := &Runner{store: r.store, opts: r.opts, log: r.log}
	return own.preview(ctx, records, receiverNames(r.opts.Receivers))
}

// Preview evaluates once, without any effect, the rules of the last process that ran the rules of a
// pool, and the stored rules as they are now. See Runner.Preview.
func Preview(ctx context.Context, store Store) ([]Outlook, error) {
	records, err := store.ReadAlerts(ctx)
	if err != nil {
		return nil, err
	}
	r := &Runner{store: store, log: slog.New(slog.DiscardHandler)}
	r.opts.Rules, _ = readEvaluated(records.Fields["rules"])
	var kinds map[string]string
	_ = json.Unmarshal([]byte(records.Fields["receivers"]), &kinds) // none if damaged
	return r.preview(ctx, records, receiverNames(kinds))
}

// preview evaluates the rules. receivers are the names of those that the process which runs the rules
// has, nil if they are unknown.
func (r *Runner) preview(ctx context.Context, records task.AlertRecords, receivers []string) ([]Outlook, error) {
	stored := r.merge(records.Rules, receivers)
	w := newWindows(r.rules)
	if r.needs&needEvents != 0 {
		start := encode(records.Now.Add(-w.longest()).UnixMilli()) + "-0"
		if _, err := readEvents(ctx, r.store, start, w, records.Now, previewTime); err != nil {
			return nil, err
		}
	}
	found, err := read(ctx, r.store, r.needs, newMemory(r.rules), w)
	if err != nil {
		return nil, err
	}
	if r.needs&needDoctor != 0 {
		if found.findings, err = inspect(ctx, r.store); err != nil {
			return nil, err
		}
	}
	var all []Outlook
	for i := range r.rules {
		all = append(all, found.outlook(&r.rules[i], i >= len(r.opts.Rules)))
	}
	for i := range stored {
		s := &stored[i]
		at := slices.IndexFunc(all, func(o Outlook) bool { return o.Stored && o.Rule.Name == s.Name })
		if at < 0 {
			all = append(all, Outlook{Rule: s.WithDefaults(), Stored: true})
			at = len(all) - 1
		}
		all[at].Problem = s.Problem()
	}
	return all, nil
}

// outlook evaluates a rule.
func (r *round) outlook(rule *Rule, stored bool) Outlook {
	o := Outlook{Rule: *rule, Stored: stored}
	c, known := conditions[rule.When]
	if !known {
		o.Problem = "this version does not know its condition " + string(rule.When)
		return o
	}
	samples := c.samples(r, rule)
	slices.SortFunc(samples, func(a, b sample) int {
		if a.value > b.value {
			return -1
		}
		return 1
	})
	for _, s := range samples {
		over := rule.exceeded(s.value)
		if over {
			o.Over++
		}
		if len(o.Values) < 20 {
			o.Values = append(o.Values, Value{s.labels, s.value, over})
		}
	}
	return o
}
