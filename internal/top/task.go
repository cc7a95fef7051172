package top

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// longestLine is how many characters of a line of a page are shown at most. Payloads may
// be much longer.
const longestLine = 4000

var runningColumns = []column{
	{header: "RUNNING"},
	{header: "KIND"},
	{header: "QUEUE"},
	{header: "FOR", number: true},
	{header: "REPLICA"},
	{header: "ATTEMPT", number: true, from: 100},
	{header: "GROUP", from: 120},
	{header: "PROGRESS", from: progressFrom},
}

// progressFrom is the width of a terminal from which the progress of tasks is shown.
const progressFrom = 140

func runningRows(s *snapshot) (rows []row) {
	for _, t := range s.Running {
		age := s.age(t.StartedAt)
		rows = append(rows, row{id: t.ID, of: taskSubject(t.ID), cells: []cell{
			text(t.ID), text(t.Kind), text(t.Queue), number(age.Seconds(), terminal.ShortDuration(age)), text(t.Replica),
			number(t.Attempt, strconv.FormatInt(t.Attempt, 10)), text(t.Group), text(terminal.Cut(string(t.Progress), 100)),
		}})
	}
	return rows
}

// taskColumns are the columns of the tasks of a page.
var taskColumns = []column{
	{header: "TASK"},
	{header: "STATE", paint: taskStyle},
	{header: "KIND"},
	{header: "QUEUE", from: 100},
	{header: "SINCE", number: true},
	{header: "REPLICA"},
	{header: "ATTEMPT", number: true, from: 100},
	{header: "GROUP", from: 120},
	{header: "ERROR", from: 140, differ: true},
}

func taskStyle(state string) terminal.Style {
	switch task.State(state) {
	case task.Running:
		return terminal.Cyan
	case task.Failed:
		return terminal.Red
	}
	return terminal.Plain
}

// taskRows returns the rows of tasks. SINCE is the age of the state.
func taskRows(tasks []*task.Task, s *snapshot) (rows []row) {
	for _, t := range tasks {
		since := t.CreatedAt
		switch {
		case t.State.Terminal():
			since = t.EndedAt
		case t.State == task.Running:
			since = t.StartedAt
		case t.DueAt.After(since):
			since = t.DueAt
		}
		age := s.age(since)
		rows = append(rows, row{id: t.ID, of: taskSubject(t.ID), cells: []cell{
			text(t.ID), text(string(t.State)), text(t.Kind), text(t.Queue), number(age.Seconds(), terminal.ShortDuration(age)), text(t.Replica),
			number(t.Attempt, strconv.FormatInt(t.Attempt, 10)), text(t.Group), text(terminal.Cut(t.Error, 500)),
		}})
	}
	return rows
}

// taskSubject is the task with that id.
type taskSubject string

func (id taskSubject) title() string { return "task " + terminal.Printable(string(id)) }

func (taskSubject) keys() string { return "s stop  t retry  n run now" }

func (id taskSubject) act(m *model, key string) tea.Cmd {
	if task.CheckName(string(id)) != nil {
		return nil // no call takes such an id
	}
	f := pool.Filter{IDs: []string{string(id)}}
	switch key {
	case "s":
		return m.ask(func(ctx context.Context) (action, error) {
			return m.pool.stop(ctx, f, "with the ID "+terminal.Printable(string(id)))
		})
	case "t":
		m.confirm(m.pool.retry(f, "retry task "+terminal.Printable(string(id))+"?"))
	case "n":
		m.confirm(m.pool.runNow(f, "run task "+terminal.Printable(string(id))+" now?"))
	}
	return nil
}

func (id taskSubject) read(ctx context.Context, r *reader, s *snapshot) (content, error) {
	t, text, err := r.describe(ctx, string(id))
	if err != nil || t == nil {
		return content{lines: []string{cmp.Or(text, "there is no such task: it was deleted, or is no longer kept")}}, err
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    ")
		lines = append(lines, terminal.Cut(line, longestLine))
	}
	c := content{lines: lines}
	if t.State == task.Waiting {
		holders, of := holdersOf(t, s)
		c.rows, c.note = taskRows(holders, s), of
	}
	return c, nil
}

// holdersOf returns the running tasks that hold what a waiting task needs: the running
// tasks of its group, its queue or the pool, depending on which is full.
func holdersOf(t *task.Task, s *snapshot) (holders []*task.Task, of string) {
	group := slices.IndexFunc(s.groups, func(g pool.GroupInfo) bool { return t.Group != "" && g.Name == t.Group })
	queue := slices.IndexFunc(s.queues, func(q pool.QueueLoad) bool { return q.Name == t.Queue })
	switch {
	case group >= 0 && s.groups[group].Full():
		return s.runningIn(func(o *task.Task) bool { return o.Group == t.Group }), "running in its group"
	case queue >= 0 && s.queues[queue].Limit > 0 && s.queues[queue].Running >= s.queues[queue].Limit:
		return s.runningIn(func(o *task.Task) bool { return o.Queue == t.Queue }), "running in its queue"
	case s.Stats.Limit > 0 && s.Stats.Running >= s.Stats.Limit:
		return s.Running, "running in the pool"
	}
	return s.runningIn(func(o *task.Task) bool { return o.Queue == t.Queue }), "running in its queue"
}

// describe reads a task and returns it with the text about it. Of a task that does not run,
// the payload and the result are read again only when the state has changed. The task is
// nil if there is none.
func (r *reader) describe(ctx context.Context, id string) (*task.Task, string, error) {
	if task.CheckName(id) != nil {
		return nil, fmt.Sprintf("%s is no valid ID: another program wrote this task", terminal.Printable(id)), nil
	}
	var t *task.Task
	for got, err := range r.Tasks(ctx, pool.Filter{IDs: []string{id}, Brief: true}) {
		if err != nil {
			return nil, "", err
		}
		t = got
	}
	known := r.described
	switch {
	case t == nil:
		return nil, "", nil
	case known == nil || known.ID != id || !known.CreatedAt.Equal(t.CreatedAt) || known.Version != t.Version || t.State == task.Running:
		tasks, err := r.Store.Get(ctx, id)
		if err != nil || tasks[0] == nil {
			return nil, "", err
		}
		t = tasks[0]
	default:
		t.Payload, t.Headers, t.Result = known.Payload, known.Headers, known.Result
	}
	var buf bytes.Buffer
	if err := r.write(ctx, &buf, t); err != nil {
		return nil, "", err
	}
	r.described = t
	return t, buf.String(), nil
}
