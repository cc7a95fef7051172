package alert

import (
	"cmp"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// sample is a value of a condition.
type sample struct {
	labels map[string]string
	value  float64
	detail string // such as the error of a task, in the language of its source
}

// label returns labels from pairs of a name and a value. It leaves out empty values.
func label(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			m[pairs[i]] = pairs[i+1]
		}
	}
	return m
}

func counted(r *round, rule *Rule) (all []sample) {
	for s, t := range r.windows.over(r.at, rule) {
		v := sample{labels: label("queue", s.Queue, "kind", s.Kind, "group", s.Group)}
		switch rule.When {
		case Failed:
			v.value, v.detail = float64(t.Failed), t.Error
		case Lost:
			v.value = float64(t.Lost)
		case Slow:
			v.value = float64(t.Slow)
		case FailedShare:
			if t.Ended < rule.Min {
				continue
			}
			v.value, v.detail = float64(t.Failed)/float64(t.Ended), t.Error
		}
		all = append(all, v)
	}
	return all
}

// ofQueues returns a sample of each queue of the rule for which value returns true.
func (r *round) ofQueues(rule *Rule, value func(q task.QueueInfo) (float64, bool)) (all []sample) {
	for _, q := range r.stats.Queues {
		if !matches(rule.Queues, q.Name) {
			continue
		}
		if v, ok := value(q); ok {
			all = append(all, sample{labels: label("queue", q.Name), value: v})
		}
	}
	return all
}

func oldestWait(r *round, rule *Rule) []sample {
	return r.ofQueues(rule, func(q task.QueueInfo) (float64, bool) {
		since, ok := r.oldest[q.Name]
		return r.at.Sub(since).Seconds(), ok && !q.Paused && !r.stats.Paused
	})
}

func waiting(r *round, rule *Rule) []sample {
	return r.ofQueues(rule, func(q task.QueueInfo) (float64, bool) { return float64(q.Waiting), q.Waiting > 0 })
}

func queuePaused(r *round, rule *Rule) []sample {
	return r.ofQueues(rule, func(q task.QueueInfo) (float64, bool) { return float64(q.Waiting), q.Paused && q.Waiting > 0 })
}

func unserved(r *round, rule *Rule) []sample {
	return r.ofQueues(rule, func(q task.QueueInfo) (float64, bool) {
		served := slices.ContainsFunc(r.replicas, func(replica task.ReplicaInfo) bool { return replica.Queues[q.Name] > 0 && !replica.Draining })
		return float64(q.Waiting), !served && q.Waiting > 0
	})
}

func poolPaused(r *round, _ *Rule) []sample {
	if !r.stats.Paused || r.stats.Waiting == 0 {
		return nil
	}
	return []sample{{value: float64(r.stats.Waiting)}}
}

func runTime(r *round, rule *Rule) (all []sample) {
	type place struct{ queue, kind string }
	first := map[place]*task.Task{}
	for _, t := range r.running {
		at := place{t.Queue, t.Kind}
		if t.StartedAt.IsZero() || !matches(rule.Queues, t.Queue) || !matches(rule.Kinds, t.Kind) {
			continue
		}
		if first[at] == nil || t.StartedAt.Before(first[at].StartedAt) {
			first[at] = t
		}
	}
	for at, t := range first {
		all = append(all, sample{label("queue", at.queue, "kind", at.kind), r.at.Sub(t.StartedAt).Seconds(), "task " + t.ID})
	}
	return all
}

func groupFull(r *round, rule *Rule) (all []sample) {
	for _, g := range r.groups {
		if g.Held > 0 && g.Full() && matches(rule.Groups, g.Name) {
			all = append(all, sample{labels: label("group", g.Name), value: float64(g.Held)})
		}
	}
	return all
}

func inbox(r *round, _ *Rule) []sample    { return []sample{{value: float64(r.stats.Inbox)}} }
func rejected(r *round, _ *Rule) []sample { return []sample{{value: float64(r.stats.Rejected)}} }

func exportsFull(r *round, rule *Rule) (all []sample) {
	for _, kind := range r.stats.Full {
		if matches(rule.Kinds, kind) {
			all = append(all, sample{labels: label("kind", kind), value: 1})
		}
	}
	return all
}

func replicas(r *round, _ *Rule) []sample { return []sample{{value: float64(len(r.replicas))}} }

func replicaGone(r *round, rule *Rule) (all []sample) {
	for id, k := range r.known {
		if !k.Gone.IsZero() && r.at.Sub(k.Gone) < rule.Window {
			all = append(all, sample{labels: label("replica", id, "host", k.Host), value: 1})
		}
	}
	return all
}

func replicaStuck(r *round, _ *Rule) (all []sample) {
	for _, replica := range r.replicas {
		if replica.Stuck > 0 {
			all = append(all, sample{labels: label("replica", replica.ID, "host", replica.Host), value: float64(replica.Stuck)})
		}
	}
	return all
}

func replicaRefuses(r *round, _ *Rule) (all []sample) {
	for _, replica := range r.replicas {
		if replica.Refuses != "" {
			all = append(all, sample{label("replica", replica.ID, "host", replica.Host), 1, replica.Refuses})
		}
	}
	return all
}

func outages(r *round, _ *Rule) (all []sample) {
	seen := map[string]bool{}
	for _, replica := range r.replicas {
		for _, o := range replica.Outages {
			if !seen[o.Of] {
				seen[o.Of] = true
				all = append(all, sample{label("server", o.Of), 1, o.Error})
			}
		}
	}
	return all
}

func triggerOverdue(r *round, _ *Rule) (all []sample) {
	for _, t := range r.late {
		all = append(all, sample{labels: label("trigger", t.Name), value: r.at.Sub(t.Due).Seconds()})
	}
	return all
}

func triggerPaused(r *round, _ *Rule) (all []sample) {
	for _, t := range r.triggers {
		if t.Paused {
			all = append(all, sample{labels: label("trigger", t.Name), value: 1})
		}
	}
	return all
}

func triggerRefused(r *round, rule *Rule) (all []sample) {
	for name, records := range r.refused {
		n, why := 0, ""
		for _, e := range records {
			if r.at.Sub(e.At) < rule.Window {
				n++
				why = cmp.Or(why, e.Why)
			}
		}
		if n > 0 {
			all = append(all, sample{label("trigger", name), float64(n), why})
		}
	}
	return all
}

func eventsBehind(r *round, _ *Rule) []sample {
	if r.behind == 0 {
		return nil
	}
	return []sample{{value: r.behind.Seconds()}}
}

func subscription(r *round, _ *Rule) (all []sample) {
	for name, lag := range r.lags {
		if most := cmp.Or(lag.MaxEvents, r.kept); most > 0 {
			all = append(all, sample{labels: label("subscription", name), value: float64(lag.Unread) / float64(most)})
		}
	}
	return all
}

func archiveBehind(r *round, _ *Rule) (all []sample) {
	for _, a := range r.archives {
		if !a.Once {
			all = append(all, sample{labels: label("archive", a.Place), value: a.Behind.Seconds()})
		}
	}
	return all
}

func archiveOutage(r *round, _ *Rule) (all []sample) {
	for _, a := range r.archives {
		detail := ""
		switch {
		case a.Outage != nil && !a.Stopped():
			detail = a.Outage.Error
		case a.Stopped():
			detail = "stopped " + a.Silent.Round(time.Second).String() + " ago"
		default:
			continue
		}
		all = append(all, sample{label("archive", a.Place), 1, detail})
	}
	return all
}

func doctor(r *round, _ *Rule) []sample {
	byCheck, what := map[string]float64{}, map[string]string{}
	for _, f := range r.findings {
		byCheck[f.Check]++
		what[f.Check] = f.What
	}
	var all []sample
	for check, n := range byCheck {
		all = append(all, sample{label("check", check), n, what[check]})
	}
	return all
}
