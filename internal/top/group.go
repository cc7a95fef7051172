package top

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

var groupColumns = []column{
	{header: "GROUP"},
	{header: "RUNNING", number: true},
	{header: "HELD", number: true},
	{header: "STATE", paint: terminal.NotEmpty(terminal.Yellow)},
}

func groupRows(s *snapshot) (rows []row) {
	for _, g := range s.groups {
		rows = append(rows, row{id: g.Name, of: groupSubject(g.Name), rank: limitShare(g), cells: []cell{
			text(g.Name), number(g.Running, terminal.RunningText(g.Running, g.Limit)), number(g.Held, strconv.Itoa(g.Held)),
			text(groupState(g)),
		}})
	}
	return rows
}

// limitShare returns how much of its limit a group uses, 1 for all of it.
func limitShare(g pool.GroupInfo) float64 {
	if g.Limit == 0 {
		return 0
	}
	return float64(g.Running) / float64(g.Limit)
}

func groupState(g pool.GroupInfo) string {
	if !g.RateUntil.IsZero() {
		return "rate, next at " + g.RateUntil.Local().Format("15:04:05.000")
	}
	if g.Own && g.Limit == 0 {
		return "exempt"
	}
	return terminal.FlagText(g.Full(), "full")
}

// groupSubject is the group of that name.
type groupSubject string

func (g groupSubject) title() string { return "group " + terminal.Printable(string(g)) }

func (groupSubject) keys() string { return "" }

func (groupSubject) act(*model, string) tea.Cmd { return nil }

func (g groupSubject) read(_ context.Context, _ *reader, s *snapshot) (content, error) {
	f := newFields()
	if i := slices.IndexFunc(s.groups, func(info pool.GroupInfo) bool { return info.Name == string(g) }); i >= 0 {
		info := s.groups[i]
		f.add("limit", terminal.GroupLimitText(info.Limit, info.Own))
		f.add("rate", terminal.GroupRateText(info.Rate, info.OwnRate))
		f.add("running", strconv.Itoa(info.Running))
		f.add("held", fmt.Sprintf("%s that the limit or the rate blocks", terminal.Count(info.Held, "waiting task")))
	} else {
		f.add("state", "no task of the group runs, and it has no limit of its own")
	}
	tasks := s.runningIn(func(t *task.Task) bool { return t.Group == string(g) })
	return content{lines: f.lines(), rows: taskRows(tasks, s), note: "running"}, nil
}
