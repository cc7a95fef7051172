package console

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// mostHolding is how many of the tasks that hold places a page names, the oldest ones.
const mostHolding = 50

// setting is a setting of a queue or a group: what holds, and what a config of replicas says.
type setting struct {
	Action string // limit, rate, aging; "" for one that cannot be changed here
	Label  string // a key of the texts
	Live   string
	Config string // "" for none
	Value  string // that a form begins with
}

// Differs reports whether the setting was changed after a replica has configured it.
func (s setting) Differs() bool { return s.Config != "" && s.Config != s.Live }

// settingsPage is what the pages of a queue and of a group have in common.
type settingsPage struct {
	Scope    pool.Scope
	Settings []setting
	Holding  []*task.Task // running tasks of the queue or the group
	MoreHold int
}

// placesOf returns the running tasks that a picture has of a queue or a group, the oldest first,
// and how many more there are of running.
func placesOf(p *picture, running int, of func(*task.Task) bool) (holding []*task.Task, more int) {
	for _, t := range p.Running {
		if of(t) && len(holding) < mostHolding {
			holding = append(holding, t)
		}
	}
	return holding, max(running-len(holding), 0)
}

func limitText(n int) string {
	switch n {
	case 0:
		return ""
	case pool.NoLimit:
		return "none"
	}
	return strconv.Itoa(n)
}

func agingText(d time.Duration) string {
	if d == task.NoAging {
		return "none"
	}
	return spanText(d, "")
}

// configText returns a configured value; one that says "none" is that of a setting that is not set.
func configText(text string, own bool) string {
	if text == "none" && !own {
		return ""
	}
	return text
}

// share is how a replica serves a queue.
type share struct {
	pool.ReplicaInfo
	Slots  int
	Shared string // the name of slots that queues share; "" for slots of its own
	Weight int
}

type queuePage struct {
	settingsPage
	*pool.QueueLoad
	Shares []share
	Chart  *chart
}

// queue is the page of one queue.
func (q *request) queue() error {
	name := q.FormValue("name")
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(p.Queues, func(l pool.QueueLoad) bool { return l.Name == name })
	if i < 0 {
		return notFound("queue", name)
	}
	load, set := &p.Queues[i], p.Configured[name]
	page := queuePage{QueueLoad: load, settingsPage: settingsPage{Scope: pool.QueueScope, Settings: []setting{
		{"limit", "queue.limit", limitText(load.Limit), configText(limitText(set.Limit), false), limitText(load.Limit)},
		{"rate", "queue.rate", q.Rate(load.Rate), configText(q.Rate(set.Rate), false), q.Rate(load.Rate)},
		{"aging", "queue.aging", agingText(load.Aging), configText(agingText(set.Aging), false), agingText(load.Aging)},
		{"", "queue.max_len", limitText(load.MaxLen), configText(limitText(set.MaxLen), false), ""},
	}}}
	page.Holding, page.MoreHold = placesOf(p, load.Running, func(t *task.Task) bool { return t.Queue == name })
	page.Chart = q.chartOf(name)
	for _, r := range p.Replicas {
		if n := r.Queues[name]; n > 0 {
			page.Shares = append(page.Shares, share{r, n, r.Shared[name], r.Weights[name]})
		}
	}
	return q.render("queue", p.At, page)
}

type groupPage struct {
	settingsPage
	*pool.GroupInfo
}

// group is the page of one group. A group that has neither tasks nor settings has one, too.
func (q *request) group() error {
	name := q.FormValue("name")
	if task.CheckName(name) != nil {
		return notFound("group", name)
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	g, err := q.site.group(q.Context(), name)
	if err != nil {
		return err
	}
	set := g.Configured
	page := groupPage{GroupInfo: g.GroupInfo, settingsPage: settingsPage{Scope: pool.GroupScope, Settings: []setting{
		{"limit", "queue.limit", own(limitText(g.Limit), g.Own), configText(limitText(set.Limit), true), own(limitText(g.Limit), g.Own)},
		{"rate", "queue.rate", own(q.Rate(g.Rate), g.OwnRate), configText(q.Rate(set.Rate), true), own(q.Rate(g.Rate), g.OwnRate)},
	}}}
	page.Holding, page.MoreHold = placesOf(p, g.Running, func(t *task.Task) bool { return t.Group == name })
	return q.render("group", p.At, page)
}

// own returns the value of a setting of a group, "" for that of all groups.
func own(text string, own bool) string {
	switch {
	case !own:
		return ""
	case text == "":
		return "none"
	}
	return text
}

// groupsSettings are those of each group without its own.
func (q *request) groupsSettings(p *picture) []setting {
	set := p.ConfiguredGroups
	return []setting{
		{"limit", "group.default", limitText(p.DefaultLimit), configText(limitText(set.Limit), false), limitText(p.DefaultLimit)},
		{"rate", "group.default_rate", q.Rate(p.DefaultRate), configText(q.Rate(set.Rate), false), q.Rate(p.DefaultRate)},
	}
}

// aging sets the aging of a queue: a duration, or nothing for strict priority.
func (q *request) aging() error {
	name, text := q.PostFormValue("name"), strings.TrimSpace(q.PostFormValue("aging"))
	var step time.Duration
	if text != "" && text != "none" {
		var err error
		if step, err = timespan.Parse(text); err != nil {
			return wrong("aging", "wrong.aging")
		}
	}
	target := strings.TrimSpace(name + ": " + text)
	return q.perform(action{name: "aging", target: target, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.SetAging(ctx, name, step) }})
}

// poolSettings are those of the whole pool.
func (q *request) poolSettings(p *picture) []setting {
	return []setting{{"limit", "queue.limit", limitText(p.Stats.Limit), configText(limitText(p.ConfiguredPool.Limit), false), limitText(p.Stats.Limit)}}
}
