package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// rows is how many tasks a page has at most, and searched how many index entries it reads.
const (
	rows     = 50
	searched = 5000
	// readAtOnce is how many one read of a search has: their payloads may have a MiB each.
	readAtOnce = 500
)

// listed is a page of a list of tasks. Viewers share it.
type listed struct {
	Tasks []*task.Task
	Total int    // tasks of the state
	Read  int    // of these, how many were compared for this page
	Next  string // asks for the next page
	More  int    // tasks that no page has
}

// tasksPage is the list of tasks.
type tasksPage struct {
	listed
	Query  string
	State  task.State
	Turned bool // the list is in the reverse order
	Counts map[task.State]int
	Costly bool // payloads were searched
	// Archived are further tasks, of the archive. ArchiveNote says why some are missing.
	Archived    []*task.Task
	ArchiveRead int // how many were compared
	ArchiveNote string
}

// tasks shows a list of tasks in one state. A query that is the id of a task leads to its page.
// The state is always in the address, so that the list stays one of that state. A query without a state
// finds tasks of all states.
func (q *request) tasks() error {
	text := q.FormValue("q")
	wanted, err := parseQuery(text)
	if id := strings.TrimSpace(text); err != nil && q.isTask(id) {
		http.Redirect(q.w, q.Request, q.Path("task", "id", id), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	if wanted.State == "" {
		wanted.State = task.State(q.FormValue("state"))
	}
	if wanted.State == "" && len(wanted.IDs) == 0 && wanted.Unique != "" {
		live := ""
		for t, err := range q.site.pool.Tasks(q.Context(), task.Filter{Unique: []string{wanted.Unique}, States: []task.State{task.Scheduled, task.Waiting, task.Running, task.Exporting}, Brief: true}) {
			if err != nil {
				return err
			}
			live = t.ID
		}
		to := q.With("state", string(anyState)) // an ended task holds its key no longer
		if live != "" {
			to = q.Path("task", "id", live)
		}
		http.Redirect(q.w, q.Request, to, http.StatusSeeOther)
		return nil
	}
	if len(wanted.IDs) > 0 {
		return q.named(wanted, text, p)
	}
	page := tasksPage{Query: text, Turned: wanted.Reverse, Counts: counts(p.Stats), Costly: wanted.whole()}
	switch wanted.anywhere(); {
	case wanted.Hold:
		wanted.State = task.Scheduled
	case wanted.State == anyState:
	case wanted.Parent != "" && wanted.State == "": // the children in all states
	case !slices.Contains(task.States(), wanted.State):
		first := firstState(p.Stats)
		if text != "" && wanted.State == "" {
			first = anyState
		}
		http.Redirect(q.w, q.Request, q.With("state", string(first)), http.StatusSeeOther)
		return nil
	}
	page.State = wanted.State
	after, archived := strings.CutPrefix(q.FormValue("after"), inArchive)
	if archived {
		page.Total = total(page.Counts, wanted.State)
		q.goOn(&page, wanted, p.At, after)
	} else if page.listed, err = q.list(wanted, p, rows); err != nil {
		return err
	} else if page.Next == "" && wanted.Parent == "" {
		q.goOn(&page, wanted, p.At, "")
	}
	return q.render("tasks", p.At, page)
}

// Tab returns the page of a state: without a state in the query, which would be another one.
func (q *request) Tab(state task.State) string {
	words := slices.DeleteFunc(splitWords(q.FormValue("q")), func(w string) bool { return strings.HasPrefix(w, "state:") || w == "hold:true" })
	return q.Path("tasks", "q", joinWords(words), "state", string(state))
}

// Turned returns the address of the page in the other order.
func (q *request) Turned() string {
	const reverse = "order:reverse"
	words := splitWords(q.FormValue("q"))
	if rest := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == reverse }); len(rest) < len(words) {
		words = rest
	} else {
		words = append(words, reverse)
	}
	return q.With("q", joinWords(words))
}

// counts returns how many tasks each state has.
func counts(s pool.Stats) map[task.State]int {
	c := map[task.State]int{task.Scheduled: s.Scheduled, task.Waiting: s.Waiting, task.Running: s.Running}
	for state, n := range s.Kept {
		c[state] = n
	}
	return c
}

// firstState returns the state that the list begins with: that of the failed tasks, if there
// are some, else the first one that has tasks.
func firstState(s pool.Stats) task.State {
	c := counts(s)
	for _, state := range []task.State{task.Failed, task.Running, task.Waiting, task.Scheduled, task.Succeeded, task.Stopped, task.Expired} {
		if c[state] > 0 {
			return state
		}
	}
	return task.Running
}

// list reads a page of tasks. Viewers of the same page share one read. A search in payloads or headers is read for
// each: its pages do not follow events.
func (q *request) list(wanted query, p *picture, limit int) (listed, error) {
	c, s, after := q.c, q.site, q.FormValue("after")
	read := func(ctx context.Context) (listed, error) { return c.list(ctx, s, wanted, p, after, limit) }
	if wanted.State == task.Running && !wanted.unindexed() || wanted.whole() {
		end, err := q.search(wanted.whole())
		if err != nil {
			return listed{}, err
		}
		defer end()
		ctx, cancel := context.WithTimeout(q.Context(), patience)
		defer cancel()
		return read(ctx)
	}
	return s.lists.get(q.Context(), s.hub, fmt.Sprintf("%#v %q %d", wanted, after, limit), read)
}

// list reads the tasks of a page after a position, of the states with an index at most limit.
func (c *Console) list(ctx context.Context, s *site, wanted query, p *picture, after string, limit int) (page listed, err error) {
	switch {
	case wanted.State == anyState:
		return c.listAny(ctx, s, wanted, p, after, limit)
	case wanted.Parent != "" || wanted.State == task.Exporting:
		return c.listFrom(ctx, s, wanted, p.At)
	case wanted.State == task.Running:
		return c.listRunning(ctx, s, wanted, p, after, limit)
	}
	ask := wanted.pageQuery(p.At)
	if match := ask.Match; ask.Whole {
		// Otherwise a search would reveal hidden values.
		ask.Match = func(t *task.Task) bool {
			c.redact(t)
			ok := match(t)
			forgetData(t)
			return ok
		}
	}
	page.Total = total(counts(p.Stats), wanted.State)
	ask.After, ask.Limit, ask.Budget = after, limit, readAtOnce
	for began := time.Now(); ; {
		found, err := s.pool.Page(ctx, ask)
		if err != nil {
			return page, err
		}
		page.Tasks, page.Read, page.Next = append(page.Tasks, found.Tasks...), page.Read+found.Read, found.Next
		ask.After, ask.Limit = found.Next, ask.Limit-len(found.Tasks)
		if found.Next == "" || ask.Limit <= 0 || page.Read >= searched || time.Since(began) > c.searchTime {
			return page, nil
		}
	}
}

// search waits for one of the places of searches that cost much, of which each may read many
// payloads or rows. end gives it back. Other searches need none.
func (q *request) search(costly bool) (end func(), err error) {
	if !costly {
		return func() {}, nil
	}
	select {
	case q.c.searches <- struct{}{}:
		return func() { <-q.c.searches }, nil
	case <-q.Context().Done():
		return nil, q.Context().Err()
	}
}

// listFrom reads the children of a parent or the exporting tasks. Both are few. A page has at most mostChosen of them.
func (c *Console) listFrom(ctx context.Context, s *site, wanted query, now time.Time) (page listed, err error) {
	f := task.Filter{Parent: wanted.Parent, Brief: !wanted.whole()}
	if wanted.State != "" {
		f.States = []task.State{wanted.State}
	}
	for t, err := range s.pool.Tasks(ctx, f) {
		if err != nil {
			return page, err
		}
		c.redact(t)
		if page.Read++; !wanted.matches(t, now) {
			continue
		}
		forgetData(t)
		page.Tasks = append(page.Tasks, t)
	}
	if wanted.Reverse {
		slices.Reverse(page.Tasks)
	}
	page.More = max(len(page.Tasks)-mostChosen, 0)
	page.Tasks = page.Tasks[:len(page.Tasks)-page.More]
	page.Total = page.Read
	return page, nil
}

// forgetData removes what a search has compared and a list does not show: a list may have hundreds of
// tasks with a MiB each.
func forgetData(t *task.Task) { t.Payload, t.Result, t.Headers = nil, nil, nil }

// named shows the tasks with the ids of the query or with its unique key.
func (q *request) named(wanted query, text string, p *picture) error {
	found, err := q.look(wanted)
	if err != nil {
		return err
	}
	if len(found) == 0 && len(wanted.IDs) == 1 && task.CheckName(wanted.IDs[0]) == nil {
		// Its page looks for what is left of it.
		http.Redirect(q.w, q.Request, q.Path("task", "id", wanted.IDs[0]), http.StatusSeeOther)
		return nil
	}
	if len(found) == 1 {
		http.Redirect(q.w, q.Request, q.Path("task", "id", found[0].ID), http.StatusSeeOther)
		return nil
	}
	return q.render("tasks", p.At, tasksPage{listed: listed{Tasks: found, Total: len(found), Read: len(found)}, Query: text, Counts: counts(p.Stats)})
}

// look returns the tasks with the ids of the query and the one with its unique key.
func (q *request) look(wanted query) (found []*task.Task, err error) {
	if wanted.Unique != "" {
		t, err := q.site.pool.ByUnique(q.Context(), wanted.Unique)
		if err != nil && !errors.Is(err, pool.ErrNotFound) {
			return nil, err
		}
		if t != nil {
			found = append(found, t)
		}
	}
	if ids := slices.DeleteFunc(slices.Clone(wanted.IDs), func(id string) bool { return task.CheckName(id) != nil }); len(ids) > 0 {
		tasks, err := q.site.pool.Find(q.Context(), ids...)
		if err != nil {
			return nil, err
		}
		found = append(found, slices.DeleteFunc(tasks, func(t *task.Task) bool { return t == nil })...)
	}
	return found, nil
}

// isTask reports whether a text that is no query is the id of a task: an id may have a colon.
func (q *request) isTask(id string) bool {
	found, err := q.look(query{IDs: []string{id}})
	if err != nil || len(found) > 0 {
		return err == nil
	}
	archived, err := q.fromArchive(id)
	return err == nil && len(archived) > 0
}

// find reads a task. Its values are not redacted.
func (q *request) find(id string) (*task.Task, error) {
	if task.CheckName(id) != nil {
		return nil, notFound("task", id)
	}
	found, err := q.site.pool.Find(q.Context(), id)
	if err != nil {
		return nil, err
	}
	if found[0] == nil {
		return nil, notFound("task", id)
	}
	return found[0], nil
}

// redact hides what the hook of the options hides. It reports whether it has changed the
// payload.
func (c *Console) redact(t *task.Task) (changed bool) {
	hide := c.opts.Redact
	if hide == nil {
		return false
	}
	payload := hide(t.Kind, "payload", bytes.Clone(t.Payload))
	changed = !bytes.Equal(payload, t.Payload)
	t.Payload, t.Result = payload, hide(t.Kind, "result", bytes.Clone(t.Result))
	t.Progress = hide(t.Kind, "progress", bytes.Clone(t.Progress))
	t.LastCheckpoint = hide(t.Kind, "checkpoint", bytes.Clone(t.LastCheckpoint))
	t.Shard.Param = string(hide(t.Kind, "shard_param", []byte(t.Shard.Param)))
	for name, value := range t.Headers {
		t.Headers[name] = string(hide(t.Kind, name, []byte(value)))
	}
	return changed
}
