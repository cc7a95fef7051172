package top

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// mostAlike is how many of the tasks that failed alike their page shows.
const mostAlike = 200

var failureColumns = []column{
	{header: "FAILED", number: true},
	{header: "KIND"},
	{header: "CODE", paint: func(string) terminal.Style { return terminal.Red }},
	{header: "QUEUE", from: 120},
	{header: "FIRST", number: true, from: 120},
	{header: "LAST", number: true},
	{header: "ERROR", differ: true},
}

func failureRows(s *snapshot) (rows []row) {
	for _, g := range s.failures {
		first, last := s.age(g.first), s.age(g.last.EndedAt)
		rows = append(rows, row{id: g.key, of: failureSubject(g), cells: []cell{
			number(len(g.tasks), strconv.Itoa(len(g.tasks))), text(g.last.Kind), text(string(g.last.Code)), text(g.queues()),
			number(-first.Seconds(), terminal.Ago(first)), number(-last.Seconds(), terminal.Ago(last)), text(terminal.Cut(g.last.Error, 500)),
		}})
	}
	return rows
}

// text returns the error of the latest task, or its code if it has none.
func (g *failureGroup) text() string { return cmp.Or(g.last.Error, string(g.last.Code)) }

// queues returns the queue of the tasks, or how many queues they have.
func (g *failureGroup) queues() string {
	queues := map[string]bool{}
	for _, t := range g.tasks {
		queues[t.Queue] = true
	}
	if len(queues) == 1 {
		return g.last.Queue
	}
	return terminal.Count(len(queues), "queue")
}

// failureSubject is the tasks that failed alike, as they were when the row was made.
type failureSubject failureGroup

// title has "#" in place of each number, since the errors may differ in them.
func (g failureSubject) title() string {
	group := failureGroup(g)
	return fmt.Sprintf("failures of kind %s: %s", terminal.Printable(g.last.Kind), terminal.Printable(numbers.ReplaceAllString(group.text(), "#")))
}

func (failureSubject) keys() string { return "t retry  s stop the kind's tasks" }

func (g failureSubject) act(m *model, key string) tea.Cmd {
	switch key {
	case "t":
		return m.ask(func(ctx context.Context) (action, error) { return m.pool.retryAlike(ctx, failureGroup(g)) })
	case "s":
		return m.ask(func(ctx context.Context) (action, error) {
			return m.pool.stop(ctx, pool.Filter{Kinds: []string{g.last.Kind}}, "of kind "+terminal.Printable(g.last.Kind))
		})
	}
	return nil
}

func (g failureSubject) read(_ context.Context, _ *reader, s *snapshot) (content, error) {
	i := slices.IndexFunc(s.failures, func(other failureGroup) bool { return other.key == g.key })
	if i < 0 {
		return content{lines: []string{"none of these tasks is left: they were retried or deleted, or are no longer kept"}}, nil
	}
	now := s.failures[i]
	f := newFields()
	f.add("failed", terminal.Count(len(now.tasks), "task"))
	f.add("kind", terminal.Printable(now.last.Kind))
	f.add("code", terminal.Printable(string(now.last.Code)))
	f.add("first", terminal.Ago(s.age(now.first)))
	f.add("last", terminal.Ago(s.age(now.last.EndedAt)))
	lines := append(f.lines(), "")
	lines = append(lines, strings.Split(terminal.VisibleLines(now.last.Error), "\n")...)
	return content{lines: lines, rows: taskRows(now.tasks[:min(len(now.tasks), mostAlike)], s), note: "failed like this"}, nil
}
