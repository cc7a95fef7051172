package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// column is a column of a list of tasks.
type column struct {
	name    string
	cell    func(t *task.Task, now time.Time) string
	compare func(a, b *task.Task) int
	empty   func(t *task.Task) bool // nil for a column that every task has
}

// order returns the order of the tasks by this column. Tasks without a value are last.
func (c column) order(downwards bool) func(a, b *task.Task) int {
	return func(a, b *task.Task) int {
		if c.empty != nil && c.empty(a) != c.empty(b) {
			if c.empty(a) {
				return 1
			}
			return -1
		}
		if downwards {
			a, b = b, a
		}
		return c.compare(a, b)
	}
}

// defaultColumns are the columns of a list, runningColumns those of a list of running tasks only.
var (
	defaultColumns = []string{"id", "kind", "queue", "state", "priority", "attempt", "age", "note"}
	runningColumns = []string{"id", "kind", "queue", "group", "attempt", "replica", "running", "note"}
)

var taskColumns = []column{
	textColumn("id", func(t *task.Task) string { return t.ID }),
	textColumn("kind", func(t *task.Task) string { return t.Kind }),
	textColumn("queue", func(t *task.Task) string { return t.Queue }),
	textColumn("group", func(t *task.Task) string { return t.Group }),
	textColumn("labels", func(t *task.Task) string { return strings.Join(t.Labels, " ") }),
	textColumn("unique", func(t *task.Task) string { return t.Unique }),
	{
		name: "state",
		cell: func(t *task.Task, _ time.Time) string { return terminal.Printable(string(t.State)) },
		compare: func(a, b *task.Task) int {
			return cmp.Compare(slices.Index(task.States(), a.State), slices.Index(task.States(), b.State))
		},
	},
	numberColumn("priority", func(t *task.Task) int64 { return int64(t.Priority) }),
	numberColumn("attempt", func(t *task.Task) int64 { return t.Attempt }),
	numberColumn("failures", func(t *task.Task) int64 { return int64(t.Failures) }),
	numberColumn("lost", func(t *task.Task) int64 { return int64(t.Lost) }),
	textColumn("replica", func(t *task.Task) string { return t.Replica }),
	timeColumn("running", true, func(t *task.Task) time.Time {
		if t.State != task.Running {
			return time.Time{}
		}
		return t.StartedAt
	}),
	timeColumn("slow", true, func(t *task.Task) time.Time { return t.SlowAt }),
	timeColumn("age", true, func(t *task.Task) time.Time { return t.CreatedAt }),
	timeColumn("due", false, dueAt),
	timeColumn("started", false, func(t *task.Task) time.Time { return t.StartedAt }),
	timeColumn("ended", false, func(t *task.Task) time.Time { return t.EndedAt }),
	textColumn("code", func(t *task.Task) string { return string(t.Code) }),
	textColumn("error", func(t *task.Task) string { return terminal.Cut(t.Error, 500) }),
	{name: "note", cell: note, compare: func(a, b *task.Task) int { return cmp.Compare(note(a, time.Time{}), note(b, time.Time{})) }},
}

func textColumn(name string, of func(t *task.Task) string) column {
	return column{
		name:    name,
		cell:    func(t *task.Task, _ time.Time) string { return terminal.Printable(of(t)) },
		compare: func(a, b *task.Task) int { return cmp.Compare(of(a), of(b)) },
		empty:   func(t *task.Task) bool { return of(t) == "" },
	}
}

func numberColumn(name string, of func(t *task.Task) int64) column {
	return column{
		name:    name,
		cell:    func(t *task.Task, _ time.Time) string { return strconv.FormatInt(of(t), 10) },
		compare: func(a, b *task.Task) int { return cmp.Compare(of(a), of(b)) },
	}
}

// timeColumn shows an instant relative to now, or with age how long ago it was, and sorts by that.
func timeColumn(name string, age bool, of func(t *task.Task) time.Time) column {
	return column{
		name: name,
		cell: func(t *task.Task, now time.Time) string {
			switch at := of(t); {
			case at.IsZero():
				return "-"
			case age:
				return terminal.AgeAt(at, now)
			default:
				return terminal.RelativeTo(at, now)
			}
		},
		compare: func(a, b *task.Task) int {
			if age {
				a, b = b, a
			}
			return of(a).Compare(of(b))
		},
		empty: func(t *task.Task) bool { return of(t).IsZero() },
	}
}

func columnNames() []string {
	var names []string
	for _, c := range taskColumns {
		names = append(names, c.name)
	}
	return names
}

// columnsNamed returns the columns with these names.
func columnsNamed(flag string, names []string) ([]column, error) {
	var found []column
	for _, name := range names {
		name = strings.ToLower(name)
		i := slices.IndexFunc(taskColumns, func(c column) bool { return c.name == name })
		if i < 0 {
			msg := flag + " must be of " + strings.Join(columnNames(), " ") + ", not " + terminal.Quoted(name)
			if meant := spelling.Nearest(name, columnNames()); meant != "" {
				msg += "; did you mean " + meant + "?"
			}
			return nil, usagef("%s", msg)
		}
		found = append(found, taskColumns[i])
	}
	return found, nil
}

// note returns the most important fact about a task in its state.
func note(t *task.Task, now time.Time) string {
	switch {
	case t.State == task.Scheduled && t.Hold:
		return "on hold"
	case t.State == task.Scheduled:
		if t.DueAt.Before(now) {
			return "due"
		}
		return "due " + terminal.RelativeTo(t.DueAt, now)
	case t.State == task.Waiting && t.Group != "":
		return "group " + terminal.Printable(t.Group)
	case t.State == task.Running && (!t.SlowAt.IsZero() || !t.OutsideUntil.IsZero() || len(t.Progress) > 0):
		return strings.TrimSpace(slowMark(t) + outsideMark(t) + terminal.Printable(terminal.Cut(string(t.Progress), 60)))
	case t.State == task.Stopped && t.StopWhy != "":
		return terminal.Printable(terminal.Cut(t.StopWhy, 60))
	case t.State == task.Succeeded:
		return ""
	case t.Error != "" && !t.State.Terminal():
		return "last: " + terminal.Printable(terminal.Cut(t.Error, 60))
	case t.Error != "":
		return terminal.Printable(terminal.Cut(t.Error, 60))
	case t.State != task.Running && t.State != task.Waiting:
		return terminal.Printable(string(t.Code))
	}
	return ""
}

// slowMark returns the mark of a running task that is past its soft timeout, "" for others.
func slowMark(t *task.Task) string {
	if t.SlowAt.IsZero() {
		return ""
	}
	return "slow "
}

// outsideMark returns the mark of a task outside, with the time until when a report may arrive, ""
// for others.
func outsideMark(t *task.Task) string {
	if t.OutsideUntil.IsZero() {
		return ""
	}
	return "outside until " + terminal.LocalTime(t.OutsideUntil) + " "
}

// stateStyle is the colour of a task's state.
func stateStyle(state string) terminal.Style {
	switch task.State(state) {
	case task.Running:
		return terminal.Cyan
	case task.Succeeded:
		return terminal.Green
	case task.Failed:
		return terminal.Red
	case task.Stopped, task.Expired:
		return terminal.Yellow
	}
	return terminal.Plain
}
