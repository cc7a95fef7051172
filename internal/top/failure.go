package top

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/failures"
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
		first, last := s.age(g.First), s.age(g.Last.EndedAt)
		rows = append(rows, row{id: g.Key, of: failureSubject(g), cells: []cell{
			number(len(g.Tasks), strconv.Itoa(len(g.Tasks))), text(g.Last.Kind), text(string(g.Last.Code)), text(queueText(g)),
			number(-first.Seconds(), terminal.Ago(first)), number(-last.Seconds(), terminal.Ago(last)), text(terminal.Cut(g.Last.Error, 500)),
		}})
	}
	return rows
}

// queueText returns the queue of the tasks, or how many queues they have.
func queueText(g failures.Group) string {
	queues := map[string]bool{}
	for _, t := range g.Tasks {
		queues[t.Queue] = true
	}
	if len(queues) == 1 {
		return g.Last.Queue
	}
	return terminal.Count(len(queues), "queue")
}

// failureSubject is the tasks that failed alike, as they were when the row was made.
type failureSubject failures.Group

// title has "#" in place of each number, since the errors may differ in them.
func (g failureSubject) title() string {
	return fmt.Sprintf("failures of kind %s: %s", terminal.Printable(g.Last.Kind), terminal.Printable(failures.Group(g).Title()))
}

func (failureSubject) keys() string { return "t retry  s stop the kind's tasks" }

func (g failureSubject) act(m *model, key string) tea.Cmd {
	switch key {
	case "t":
		return m.ask(func(ctx context.Context) (action, error) { return m.pool.retryAlike(ctx, failures.Group(g)) })
	case "s":
		return m.ask(func(ctx context.Context) (action, error) {
			return m.pool.stop(ctx, pool.Filter{Kinds: []string{g.Last.Kind}}, "of kind "+terminal.Printable(g.Last.Kind))
		})
	}
	return nil
}

func (g failureSubject) read(_ context.Context, _ *reader, s *snapshot) (content, error) {
	i := slices.IndexFunc(s.failures, func(other failures.Group) bool { return other.Key == g.Key })
	if i < 0 {
		return content{lines: []string{"none of these tasks is left: they were retried or deleted, or are no longer kept"}}, nil
	}
	now := s.failures[i]
	f := newFields()
	f.add("failed", terminal.Count(len(now.Tasks), "task"))
	f.add("kind", terminal.Printable(now.Last.Kind))
	f.add("code", terminal.Printable(string(now.Last.Code)))
	f.add("first", terminal.Ago(s.age(now.First)))
	f.add("last", terminal.Ago(s.age(now.Last.EndedAt)))
	lines := append(f.lines(), "")
	lines = append(lines, strings.Split(terminal.VisibleLines(now.Last.Error), "\n")...)
	return content{lines: lines, rows: taskRows(now.Tasks[:min(len(now.Tasks), mostAlike)], s), note: "failed like this"}, nil
}
