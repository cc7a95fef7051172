package console

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/task"
)

// mostCauses bounds the causes that the page lists, and mostRead the failed tasks that are read for
// it, the newest ones. By default a pool keeps fewer.
const (
	mostCauses = 200
	mostRead   = 100_000
	// recently is how long a failure counts as a recent one.
	recently = 10 * time.Minute
)

// cause is the failed tasks that failed alike.
type cause struct {
	Name        string // the error, with # in place of what differs
	Kind        string
	Queues      []string
	Tasks       int
	Recent      int       // failed within recently
	First, Last time.Time // of the ends
	ID          string    // of the task that failed last
}

// causeList is all causes, those with the most tasks first.
type causeList struct {
	At     time.Time
	Causes []*cause
	Read   int  // failed tasks
	All    bool // these are all that Redis keeps
}

// causesPage is the failed tasks by cause.
type causesPage struct {
	causeList
	Kept, Ever int
	More       int // causes that are not shown
}

func (q *request) causes() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	list, _, err := q.site.causes.get(q.Context(), q.site.countCauses)
	if err != nil {
		return err
	}
	page := causesPage{causeList: list, Kept: p.Stats.Kept[task.Failed], Ever: int(p.Stats.Ended[task.Failed]), More: max(len(list.Causes)-mostCauses, 0)}
	page.Causes = page.Causes[:min(len(page.Causes), mostCauses)]
	return q.render("causes", list.At, page)
}

// countCauses reads all failed tasks and groups them.
func (s *site) countCauses(ctx context.Context) (list causeList, err error) {
	p, err := s.picture(ctx)
	if err != nil {
		return list, err
	}
	list.At = p.At
	found := map[[2]string]*cause{}
	ask := task.PageQuery{State: task.Failed, Budget: searched, Match: func(t *task.Task) bool {
		key := [2]string{t.Kind, failures.Cause(t)}
		c := found[key]
		if c == nil {
			c = &cause{Name: key[1], Kind: t.Kind, First: t.EndedAt}
			found[key] = c
		}
		c.add(t, p.At)
		return false // it need not be in the page
	}}
	for list.Read < mostRead {
		page, err := s.pool.Page(ctx, ask)
		if err != nil {
			return list, err
		}
		list.Read += page.Read
		if ask.After = page.Next; page.Next == "" {
			list.All = true
			break
		}
	}
	for _, c := range found {
		slices.Sort(c.Queues)
		list.Causes = append(list.Causes, c)
	}
	slices.SortFunc(list.Causes, func(a, b *cause) int {
		return cmp.Or(cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// CauseQuery returns the query for the tasks of a cause.
func (q *request) CauseQuery(kind, name string) string {
	return "kind:" + kind + ` cause:"` + name + `"`
}

func (c *cause) add(t *task.Task, now time.Time) {
	c.Tasks++
	if now.Sub(t.EndedAt) < recently {
		c.Recent++
	}
	if t.EndedAt.Before(c.First) {
		c.First = t.EndedAt
	}
	if !t.EndedAt.Before(c.Last) {
		c.Last, c.ID = t.EndedAt, t.ID
	}
	if !slices.Contains(c.Queues, t.Queue) && len(c.Queues) < 10 {
		c.Queues = append(c.Queues, t.Queue)
	}
}
