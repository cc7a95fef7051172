package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

type queuesPage struct {
	*picture
	Slots    map[string]int // of the live replicas, by queue
	Settings []setting      // of the pool
}

func (q *request) queues() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	page := queuesPage{p, map[string]int{}, q.poolSettings(p)}
	for _, r := range p.Replicas {
		if r.Draining {
			continue
		}
		for name, n := range r.Queues {
			page.Slots[name] += n
		}
	}
	return q.render("queues", p.At, page)
}

type groupsPage struct {
	*picture
	Settings []setting // of each group without its own
}

func (q *request) groups() error {
	own, err := q.groupsOf(q.Form["name"])
	if err != nil {
		return err
	}
	return q.render("groups", own.At, groupsPage{own, q.groupsSettings(own)})
}

// groupsOf returns a picture with the named groups, or with those that it has, those with the
// most held tasks first.
func (q *request) groupsOf(names []string) (*picture, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	own := *p // the picture belongs to all viewers
	if names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" }); len(names) > 0 {
		if own.Groups, err = q.site.groupsNamed(q.Context(), names); err != nil {
			return nil, err
		}
	}
	own.Groups = slices.SortedStableFunc(slices.Values(own.Groups), func(a, b pool.GroupInfo) int {
		return cmp.Or(cmp.Compare(b.Held, a.Held), cmp.Compare(b.Running, a.Running), cmp.Compare(a.Name, b.Name))
	})
	return &own, nil
}

func (q *request) triggers() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	return q.render("triggers", p.At, p)
}

type triggerPage struct {
	*pool.TriggerInfo
	NextTimes []time.Time
	Month     *month
	History   []pool.TriggerRecord
}

func (q *request) trigger() error {
	name := q.FormValue("name")
	t, p, err := q.triggerOf(name)
	if err != nil {
		return err
	}
	page := triggerPage{TriggerInfo: t}
	if page.Err == nil && !page.Paused {
		if page.NextTimes, err = q.site.pool.Triggers().Next(q.Context(), name, 5); err != nil {
			return err
		}
	}
	zone := page.Zone
	if page.Err != nil {
		zone = "" // it may be the zone that is wrong
	}
	if page.Month, err = q.month([]*pool.TriggerInfo{t}, p.At, zone); err != nil {
		return err
	}
	page.Month.Named = true
	if page.History, err = q.site.pool.Triggers().History(q.Context(), name); err != nil {
		return err
	}
	return q.render("trigger", p.At, page)
}

// triggerOf returns a trigger of the picture.
func (q *request) triggerOf(name string) (*pool.TriggerInfo, *picture, error) {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(p.Triggers, func(t *pool.TriggerInfo) bool { return t.Name == name })
	if i < 0 {
		return nil, nil, notFound("trigger", name)
	}
	return p.Triggers[i], p, nil
}

type eventsPage struct {
	Events []task.Event
	Next   string
}

func (q *request) events() error {
	events, err := q.site.store.RecentEvents(q.Context(), q.FormValue("after"), 2*rows)
	if err != nil {
		return err
	}
	page := eventsPage{Events: events}
	// A read returns fewer events than it was asked for if the entries have fewer than those read
	// before. Only an empty page is the last one.
	if len(events) > 0 {
		page.Next = events[len(events)-1].Cursor
	}
	return q.render("events", time.Now(), page)
}

type rejectedPage struct{ Rejected []rejectedEntry }

type rejectedEntry struct {
	task.Reject
	Shown, Why string // the entry and the reason, without what the hook of the options hides
}

func (q *request) rejected() error {
	var page rejectedPage
	for r, err := range q.site.pool.Rejected(q.Context()) {
		if err != nil {
			return err
		}
		shown := q.hideEntry(&r)
		if page.Rejected = append(page.Rejected, rejectedEntry{r, shown, q.hideReason(r.Reason, shown)}); len(page.Rejected) == 2*rows {
			break
		}
	}
	return q.render("rejected", time.Now(), page)
}

// home leads to the first pool that the user may see.
func (q *request) home() error {
	names := q.readable()
	if len(names) == 0 {
		return &problem{http.StatusForbidden, "error.no_pools", nil}
	}
	http.Redirect(q.w, q.Request, q.c.path(names[0], ""), http.StatusSeeOther)
	return nil
}
