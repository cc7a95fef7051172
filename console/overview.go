package console

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// trouble is a problem that may need an action.
type trouble struct {
	Severity string // error or warning
	Key      string // of the text
	Args     []any
	Link     string // to what it concerns
	Remedy   *remedy
}

// overviewPage is the first page of a pool.
type overviewPage struct {
	Stats    pool.Stats
	Counts   map[task.State]int
	Trouble  []trouble
	Alerts   *alertSummary // nil if none fires
	Failures []failures.Group
	All      bool // Failures are of all failed tasks that are kept
	Newest   int  // of how many failed tasks Failures are
	// KeptFailed is how many failed tasks Redis keeps.
	KeptFailed int
	Slow       []*task.Task
	Chart      *chart
}

// longest bounds the groups of failures on the page.
const longest = 20

func (q *request) overview() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	page := overviewPage{Stats: p.Stats, Counts: counts(p.Stats), KeptFailed: p.Stats.Kept[task.Failed], Failures: p.Failures, All: p.AllFailures, Trouble: q.troubles(p), Alerts: summary(&p.Alerts)}
	for _, g := range page.Failures {
		page.Newest += len(g.Tasks)
	}
	page.Failures = page.Failures[:min(len(page.Failures), longest)]
	page.Chart = q.chartOf("")
	page.Slow = p.Slow[:min(len(p.Slow), longest)]
	return q.render("overview", p.At, page)
}

// alertSummary is what the overview shows of the alerts that fire.
type alertSummary struct {
	alert.State
	First []alert.Alert
}

// firstAlerts is how many alerts the overview lists.
const firstAlerts = 5

// summary returns the alerts that fire; nil if none does. First has the critical ones before the
// others, and silenced ones last.
func summary(s *alert.State) *alertSummary {
	if len(s.Firing) == 0 {
		return nil
	}
	rank := func(a *alert.Alert) int {
		switch {
		case s.SilencedBy(a) != nil:
			return 2
		case a.Severity != alert.Critical:
			return 1
		}
		return 0
	}
	first := slices.Clone(s.Firing) // the picture belongs to all viewers
	slices.SortStableFunc(first, func(a, b alert.Alert) int { return cmp.Compare(rank(&a), rank(&b)) })
	return &alertSummary{*s, first[:min(len(first), firstAlerts)]}
}

// More is how many alerts fire besides those of First.
func (s *alertSummary) More() int { return len(s.Firing) - len(s.First) }

// Silenced reports whether messages about an alert are kept back.
func (s *alertSummary) Silenced(a alert.Alert) bool { return s.SilencedBy(&a) != nil }

// troubles finds what is wrong in a picture of the pool, the worst first.
func (q *request) troubles(p *picture) (all []trouble) {
	add := func(severity, key, link string, args ...any) *trouble {
		all = append(all, trouble{Severity: severity, Key: key, Args: args, Link: link})
		return &all[len(all)-1]
	}
	if p.Stats.Paused {
		add("warning", "trouble.pool_paused", q.Path("queues")).Remedy = resumePool()
	}
	if len(p.Replicas) == 0 && p.Stats.Waiting > 0 {
		add("error", "trouble.no_replica", q.Path("replicas"), p.Stats.Waiting)
	}
	for _, load := range p.Queues {
		q.troublesOfQueue(p, load, add)
	}
	for _, g := range p.Groups {
		switch {
		case g.Held > 0 && g.Full():
			t := add("warning", "trouble.group_full", q.Path("group", "name", g.Name), g.Name, g.Running, g.Limit, g.Held)
			t.Remedy = changeSetting("limit", "queue.limit", task.GroupScope, g.Name, strconv.Itoa(g.Limit))
		case g.Held > 0 && !g.RateUntil.IsZero():
			t := add("warning", "trouble.group_rate", q.Path("group", "name", g.Name), g.Name, g.Rate, g.Held)
			t.Remedy = changeSetting("rate", "queue.rate", task.GroupScope, g.Name, q.Rate(g.Rate))
		}
	}
	for _, r := range p.Replicas {
		switch {
		case r.Silent > r.Lease:
			add("error", "trouble.silent", q.Path("replicas"), r.ID, q.Duration(r.Silent))
		case r.Stuck > 0:
			t := add("error", "trouble.stuck", q.Path("replicas"), r.ID, r.Stuck)
			if !r.Draining {
				t.Remedy = drainReplica(r.ID)
			}
		case r.Refuses != "":
			add("warning", "trouble.refuses", q.Path("replicas"), r.ID, q.meaning(r.Refuses))
		}
		for _, o := range r.Outages {
			add("warning", "trouble.outage", q.Path("replicas"), r.ID, q.meaning(o.Of), q.Duration(max(p.At.Sub(o.Since), 0)), q.meaning(o.Error))
		}
	}
	for _, t := range p.Triggers {
		if !t.Paused && !t.Due.IsZero() && p.At.Sub(t.Due) > lateTrigger {
			add("error", "trouble.trigger_late", q.Path("trigger", "name", t.Name), t.Name, q.Duration(p.At.Sub(t.Due))).Remedy = runTrigger(t.Name)
		}
		if t.Err != nil {
			add("error", "trouble.trigger_broken", q.Path("trigger", "name", t.Name), t.Name, q.said(t.Err))
		}
	}
	open := slices.DeleteFunc(slices.Clone(q.site.openFindings()), func(f task.Finding) bool { return slices.Contains(shownAnyway, f.Code) })
	for _, f := range open[:min(len(open), mostFindings)] {
		add(string(f.Severity), "trouble.finding", cmp.Or(q.Concerned(f), q.Path("doctor")), readable(q.Found(f))).Remedy = q.Remedied(f)
	}
	if more := len(open) - mostFindings; more > 0 {
		add(string(open[mostFindings].Severity), "trouble.doctor", q.Path("doctor"), more)
	}
	if p.Stats.Rejected > 0 {
		add("warning", "trouble.rejected", q.Path("rejected"), p.Stats.Rejected)
	}
	for _, kind := range p.Stats.Full {
		add("warning", "trouble.staged", q.Path("tasks", "state", "exporting"), kind)
	}
	slices.SortStableFunc(all, func(a, b trouble) int {
		switch {
		case a.Severity == b.Severity:
			return 0
		case a.Severity == "error":
			return -1
		}
		return 1
	})
	return all
}

// shownAnyway are the codes of findings that the page has without the doctor.
var shownAnyway = []string{"no_replica_works", "queue_unserved", "replica_stuck", "replica_refuses", "replicas_refuse", "outage", "outages",
	"trigger_late", "triggers_late", "exports_full"}

// mostFindings is how many findings of the doctor the page names one by one.
const mostFindings = 5

// lateTrigger is how late a trigger is before the page says so. A replica that died may delay
// one by a second or two.
const lateTrigger = 10 * time.Second

func (q *request) troublesOfQueue(p *picture, load pool.QueueLoad, add func(severity, key, link string, args ...any) *trouble) {
	link := q.Path("queue", "name", load.Name)
	served := slices.ContainsFunc(p.Replicas, func(r pool.ReplicaInfo) bool { return r.Queues[load.Name] > 0 && !r.Draining })
	switch {
	case load.Paused && load.Waiting > 0:
		add("warning", "trouble.queue_paused", link, load.Name, load.Waiting).Remedy = resumeQueue(load.Name)
	case load.Waiting > 0 && !served && len(p.Replicas) > 0:
		add("error", "trouble.queue_unserved", link, load.Name, load.Waiting)
	case load.Waiting > 0 && !load.RateUntil.IsZero():
		t := add("warning", "trouble.queue_rate", link, load.Name, load.Rate, load.Waiting)
		t.Remedy = changeSetting("rate", "queue.rate", task.QueueScope, load.Name, q.Rate(load.Rate))
	case load.OldestWait > longWait:
		add("warning", "trouble.oldest", link, load.Name, q.Duration(load.OldestWait), load.Waiting)
	}
}

// longWait is the wait of the oldest task of a queue from which the page names the queue.
const longWait = time.Minute
