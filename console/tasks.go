package console

import (
	"bytes"
	"context"
	"errors"
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
	// searchTime is how long the reads for one page take before it ends with fewer tasks.
	searchTime = 150 * time.Millisecond
)

// tasksPage is the list of tasks.
type tasksPage struct {
	Query  string
	State  task.State
	Counts map[task.State]int
	Tasks  []*task.Task
	Total  int    // tasks of the state
	Read   int    // of these, how many were compared for this page
	Next   string // asks for the next page
	More   int    // running tasks that are not shown
	Costly bool   // payloads were searched
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
	page := tasksPage{Query: text, Counts: counts(p.Stats), Costly: wanted.whole()}
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
	page.State, page.Total = wanted.State, total(page.Counts, wanted.State)
	after, archived := strings.CutPrefix(q.FormValue("after"), inArchive)
	if archived {
		q.goOn(&page, wanted, p.At, after)
	} else if err := q.fill(&page, wanted, p, after, rows); err != nil {
		return err
	} else if page.Next == "" && wanted.Parent == "" {
		q.goOn(&page, wanted, p.At, "")
	}
	return q.render("tasks", p.At, page)
}

// Tab returns the page of a state: without a state in the query, which would be another one.
func (q *request) Tab(state task.State) string {
	words := slices.DeleteFunc(splitWords(q.FormValue("q")), func(w string) bool { return strings.HasPrefix(w, "state:") || w == "hold:true" })
	for i, w := range words {
		if strings.Contains(w, " ") {
			name, value, _ := strings.Cut(w, ":")
			words[i] = name + ":\"" + value + "\""
		}
	}
	return q.Path("tasks", "q", strings.Join(words, " "), "state", string(state))
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

// fill reads the tasks of a page after a position, of the states with an index at most limit.
func (q *request) fill(page *tasksPage, wanted query, p *picture, after string, limit int) error {
	end, err := q.search(page.Costly)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(q.Context(), patience)
	defer cancel()
	if wanted.State == anyState {
		return q.fillAny(ctx, page, wanted, p, after, limit)
	}
	return q.fillOne(ctx, page, wanted, p, after, limit)
}

// fillOne is fill for one state.
func (q *request) fillOne(ctx context.Context, page *tasksPage, wanted query, p *picture, after string, limit int) error {
	if wanted.Parent != "" || wanted.State == task.Exporting {
		return q.fillFrom(ctx, page, wanted, p.At)
	}
	if wanted.State == task.Running {
		return q.fillRunning(ctx, page, wanted, p)
	}
	ask := wanted.pageQuery(p.At)
	if match := ask.Match; ask.Whole {
		// Otherwise a search would reveal hidden values.
		ask.Match = func(t *task.Task) bool {
			q.c.redact(t)
			ok := match(t)
			forgetData(t)
			return ok
		}
	}
	ask.After, ask.Limit, ask.Budget = after, limit, readAtOnce
	for began := time.Now(); ; {
		found, err := q.site.pool.Page(ctx, ask)
		if err != nil {
			return err
		}
		page.Tasks, page.Read, page.Next = append(page.Tasks, found.Tasks...), page.Read+found.Read, found.Next
		ask.After, ask.Limit = found.Next, ask.Limit-len(found.Tasks)
		if found.Next == "" || ask.Limit <= 0 || page.Read >= searched || time.Since(began) > searchTime {
			return nil
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

// fillRunning selects running tasks of the picture. The index has only their kind, queue, group
// and start: for other words the tasks are read.
func (q *request) fillRunning(ctx context.Context, page *tasksPage, wanted query, p *picture) error {
	known := query{State: wanted.State, Kinds: wanted.Kinds, Queues: wanted.Queues, Groups: wanted.Groups}
	var found []*task.Task
	for _, t := range slices.Concat(p.Running, p.Parents) {
		if page.Read++; known.matches(t, p.At) {
			found = append(found, t)
		}
	}
	page.More = max(p.Stats.Running-len(p.Running)-len(p.Parents), 0)
	if wanted.indexed() {
		page.Tasks = found
		return nil
	}
	for t, err := range q.site.details(ctx, found, !wanted.whole()) {
		if err != nil {
			return err
		}
		if q.c.redact(t); wanted.matches(t, p.At) {
			forgetData(t)
			page.Tasks = append(page.Tasks, t)
		}
	}
	return nil
}

// fillFrom reads the children of a parent or the exporting tasks, both of which are few.
func (q *request) fillFrom(ctx context.Context, page *tasksPage, wanted query, now time.Time) error {
	f := task.Filter{Parent: wanted.Parent, Brief: !wanted.whole()}
	if wanted.State != "" {
		f.States = []task.State{wanted.State}
	}
	for t, err := range q.site.pool.Tasks(ctx, f) {
		if err != nil {
			return err
		}
		q.c.redact(t)
		if page.Read++; !wanted.matches(t, now) {
			continue
		}
		if len(page.Tasks) == mostChosen {
			page.More++
			continue
		}
		forgetData(t)
		page.Tasks = append(page.Tasks, t)
	}
	page.Total = page.Read
	return nil
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
	return q.render("tasks", p.At, tasksPage{Query: text, Counts: counts(p.Stats), Tasks: found, Total: len(found), Read: len(found)})
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
