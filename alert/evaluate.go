package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// perWrite is how many alerts one write changes.
const perWrite = 200

// evaluate makes one round. It returns the receivers that have new notices.
func (r *Runner) evaluate(ctx context.Context) (notified []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	records, err := r.store.ReadAlerts(ctx)
	if err != nil {
		return nil, err
	}
	if r.use(records.Rules) {
		r.state = nil // the windows and what is remembered are those of the rules
	}
	if r.state == nil {
		r.state = r.load(records)
		if r.memory == nil {
			r.memory = r.state.memory
		}
		r.memory.keepGone = r.state.memory.keepGone
		r.state.memory = r.memory
	}
	notified, err = r.round(ctx, r.state, records)
	if r.state.unsure {
		// It is not known what was written: the next round reads it.
		r.state = nil
	}
	return notified, err
}

// round reads the pool, evaluates the rules and writes the changes. An error of single rules does not
// keep the others from being evaluated.
func (r *Runner) round(ctx context.Context, s *state, records task.AlertRecords) (notified []string, err error) {
	s.unsure = true
	r.ahead.Store(int64(time.Until(records.Now)))
	counted := progress{cursor: s.cursor}
	var unread error // of the events
	if r.needs&needEvents != 0 {
		if unread = r.seed(ctx, s, records.Now); unread == nil {
			counted, unread = readEvents(ctx, r.store, s.cursor, s.windows, records.Now, r.opts.Interval)
		}
		if unread == nil {
			r.reportLag(s, counted)
		}
	}
	found, failed := read(ctx, r.store, r.needs, s.memory, s.windows)
	if found.failed&needCounts != 0 {
		return nil, failed
	}
	if unread != nil {
		failed = errors.Join(failed, unread)
		found.failed |= needEvents
	}
	found.behind = counted.behind
	if found.findings, err = r.findings(); err != nil {
		found.failed |= needDoctor
	}
	j := &judge{now: found.at, alerts: s.alerts, resends: r.resends(records), to: r.receivers, unread: found.unread, recovered: s.recovered, beyond: s.beyond,
		unusable: r.unusable}
	j.clamp()
	ended := j.readSilences(records)
	r.judgeRules(j, found)
	j.forget(r.rules)
	first := r.common(s, found, counted.cursor, records)
	r.endSilences(&first, j, ended)
	if err := r.write(ctx, first, byUrgency(j.changes)); err != nil {
		return nil, err
	}
	s.unsure = false
	s.cursor = counted.cursor
	return j.notified(&first), failed
}

// readSilences takes the active silences. It returns those that have ended, and lets their alerts be
// announced again in this round.
func (j *judge) readSilences(records task.AlertRecords) (ended []Silence) {
	for _, silence := range readSilences(records.Silences) {
		if silence.Active(records.Now) {
			j.silences = append(j.silences, silence)
			continue
		}
		ended = append(ended, silence)
		for _, a := range j.alerts {
			if a.Firing() && a.Silence == silence.ID {
				a.Silence, a.released = "", true
			}
		}
	}
	return ended
}

// judgeRules evaluates all rules whose data could be read.
func (r *Runner) judgeRules(j *judge, found *round) {
	for i := range r.rules {
		rule := &r.rules[i]
		if conditions[rule.When].need&found.failed != 0 {
			continue
		}
		samples := conditions[rule.When].samples(found, rule)
		if r.opts.HideErrors {
			for k := range samples {
				samples[k].detail = ""
			}
		}
		j.rule(rule, samples)
	}
}

// notified returns the receivers that have notices in the first write or in the changes.
func (j *judge) notified(first *task.AlertWrite) []string {
	names := map[string]bool{}
	to := func(all []string) {
		for _, name := range all {
			names[name] = true
		}
	}
	for _, n := range first.Notices {
		names[n.Receiver] = true
	}
	for _, c := range j.changes {
		for _, n := range c.notices {
			to(n.to)
		}
		if c.more > 0 {
			to(c.to)
		}
	}
	return slices.Collect(maps.Keys(names))
}

// reportLag logs when the rules begin to miss events, and when they have counted all again.
func (r *Runner) reportLag(s *state, p progress) {
	switch {
	case p.gap:
		r.log.Error("events were trimmed from the stream before the alert rules counted them: keep more events", "behind", p.behind)
	case p.behind > 0 && !s.behind:
		r.log.Error("the alert rules cannot count the events as fast as they come", "behind", p.behind)
	case p.behind == 0 && s.behind:
		r.log.Warn("the alert rules have counted all events again")
	}
	s.behind = p.behind > 0
}

// clamp corrects times in the future. There are some after the clock of the store was set back.
func (j *judge) clamp() {
	for _, a := range j.alerts {
		for _, at := range []*time.Time{&a.Since, &a.Fired, &a.Seen, &a.Sent, &a.Resent, &a.written} {
			*at = earlier(*at, j.now)
		}
	}
}

// resends returns the receivers that are a Resender, with the time after which they get a firing alert
// again.
func (r *Runner) resends(records task.AlertRecords) map[string]time.Duration {
	all := map[string]time.Duration{}
	for name, receiver := range r.opts.Receivers {
		var h health
		_ = json.Unmarshal([]byte(records.Fields["r:"+name]), &h) // a receiver without messages has none
		// While a receiver takes no messages, its queue would fill with the same alerts.
		if again, ok := receiver.Channel.(Resender); ok && h.Since.IsZero() {
			all[name] = again.Resend()
		}
	}
	return all
}

// common returns the part of the write that belongs to no alert.
func (r *Runner) common(s *state, found *round, cursor string, records task.AlertRecords) task.AlertWrite {
	w := task.AlertWrite{Set: map[string]string{}}
	s.windows.write(found.at, &w)
	set := func(field, text string) {
		if records.Fields[field] != text {
			w.Set[field] = text
		}
	}
	if cursor != "" {
		set("cursor", cursor)
	}
	if r.needs&needReplicas != 0 {
		set("replicas", encode(map[string]any{"Replicas": s.memory.known, "Lost": s.memory.lost}))
	} else {
		clear(s.memory.known) // replicas that leave meanwhile would seem to have gone
		if records.Fields["replicas"] != "" {
			w.Remove = append(w.Remove, "replicas")
		}
	}
	rules := make([]evaluated, len(r.rules))
	for i, rule := range r.rules {
		rules[i] = evaluated{rule, i >= len(r.opts.Rules)}
	}
	set("rules", encode(rules))
	kinds := map[string]string{}
	for name, receiver := range r.opts.Receivers {
		kinds[name] = receiver.Channel.Kind()
	}
	set("receivers", encode(kinds))
	w.Set["at"] = found.at.UTC().Format(time.RFC3339)
	for id, n := range s.recovered {
		set("s:"+id, encode(n))
	}
	return w
}

// endSilences announces silences that have ended, to the receivers of their rules, and removes
// them.
func (r *Runner) endSilences(w *task.AlertWrite, j *judge, ended []Silence) {
	for _, s := range ended {
		n := Notice{State: StateUnsilenced, Silence: &s, Recovered: j.recovered[s.ID], Since: s.From, Ended: j.now}
		for _, a := range j.alerts {
			if a.Firing() && s.silences(a) {
				n.Firing++
			}
		}
		to := map[string]bool{}
		for i := range r.rules {
			if rule := &r.rules[i]; s.concerns(rule) {
				for _, name := range r.receivers(rule) {
					to[name] = true
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(to)) {
			w.Notices = append(w.Notices, task.AlertNotice{Receiver: name, Text: encode(n), Count: n.countField()})
		}
		w.Unsilent = append(w.Unsilent, s.ID)
		w.Remove = append(w.Remove, "s:"+s.ID)
		delete(w.Set, "s:"+s.ID)
		delete(j.recovered, s.ID)
		text := s.String()
		if s.EndedBy != "" {
			text += ", by " + s.EndedBy
		}
		w.Log = append(w.Log, task.AlertLogEntry{What: "unsilence", Message: s.ID, Text: text, Alerts: n.Firing})
	}
}

// byUrgency sorts changes so that the queue of a receiver, if it has no room for all their notices,
// gets the most urgent ones, and some of each rule.
func byUrgency(changes []change) []change {
	type ranked struct {
		change
		severity, rank int
	}
	all, ranks := make([]ranked, len(changes)), map[string]int{}
	for i, c := range changes {
		all[i].change = c
		if len(c.notices) > 0 {
			n := c.notices[len(c.notices)-1] // the first may be the end of the alert before a change of its rule
			all[i].severity, all[i].rank = -slices.Index(severities, n.Severity), ranks[n.Rule]
			ranks[n.Rule]++
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Or(a.severity-b.severity, a.rank-b.rank) })
	for i := range all {
		changes[i] = all[i].change
	}
	return changes
}

// write writes the changes, up to perWrite alerts in one step. An alert and its notices are written
// in the same step.
func (r *Runner) write(ctx context.Context, w task.AlertWrite, changes []change) error {
	for {
		part := changes[:min(len(changes), perWrite)]
		changes = changes[len(part):]
		for _, c := range part {
			if c.more > 0 {
				w.Set[c.key] = c.text
				n := Notice{State: StateFiring, Rule: c.rule}
				for _, to := range c.to {
					w.Notices = append(w.Notices, task.AlertNotice{Receiver: to, Count: n.countField(), Only: c.more})
				}
				continue
			}
			if c.set == nil {
				w.Remove = append(w.Remove, c.key)
			} else {
				w.Set[c.key] = encode(c.set)
			}
			for _, n := range c.notices {
				for _, to := range n.to {
					w.Notices = append(w.Notices, task.AlertNotice{Receiver: to, Text: encode(n.Notice), Count: n.countField()})
				}
			}
		}
		held, err := r.store.WriteAlerts(ctx, r.owner, w)
		if err != nil {
			return err
		}
		if !held {
			return errLost
		}
		if len(changes) == 0 {
			return nil
		}
		w = task.AlertWrite{Set: map[string]string{}}
	}
}
