package top

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// The lines of the picture that belong to no section: title, counts and an empty line
// above, two lines below. An empty line is between two sections.
const (
	aboveSections = 3
	belowSections = 2
)

// View draws the picture. It fits the terminal.
func (m *model) View() tea.View {
	v := tea.NewView(m.picture())
	v.AltScreen = true
	return v
}

func (m *model) picture() string {
	if m.width == 0 {
		return ""
	}
	var lines []string
	lines = append(lines, m.headline(), m.counts(), "")
	room := m.share(m.height - aboveSections - belowSections)
	for s := range sections {
		if room[s] < 0 {
			continue
		}
		if len(lines) > aboveSections {
			lines = append(lines, "")
		}
		lines = append(lines, m.table(s, room[s])...)
	}
	// The last lines are at the bottom of the terminal.
	lines = lines[:min(len(lines), max(m.height-belowSections, 0))]
	for len(lines) < m.height-belowSections {
		lines = append(lines, "")
	}
	lines = append(lines, m.message(), m.palette.Paint(terminal.Dim, m.keys()))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, m.width, "…")
	}
	return strings.Join(lines[:min(len(lines), m.height)], "\n")
}

// share divides the lines among the sections. No section gets more than it needs, and
// the others share what is left evenly. If not all have room for a header and a line,
// the last ones get -1 and are left out, except the chosen one.
func (m *model) share(lines int) (room [sections]int) {
	fit := min((lines+1)/3, int(sections)) // each with a line above it, but the first
	for s := range sections {
		room[s] = -1
		if int(s) < fit {
			room[s] = 0
		}
	}
	if fit > 0 && int(m.section) >= fit {
		room[fit-1], room[m.section] = -1, 0
	}
	free := lines + 1 - 2*fit
	for more := true; more && free > 0; {
		more = false
		for s := range sections {
			if room[s] >= 0 && room[s] < max(m.lines(s), 1) && free > 0 {
				room[s]++
				free--
				more = true
			}
		}
	}
	return room
}

func (m *model) headline() string {
	line := "ltsworker " + m.palette.Paint(terminal.Bold, terminal.Printable(m.title))
	if m.now.stats.Paused {
		line += " " + m.palette.Paint(terminal.Yellow, "PAUSED")
	}
	switch {
	case m.seen.IsZero():
		return line + "  waiting for Redis"
	case time.Since(m.seen) > stale:
		return line + m.palette.Paint(terminal.Red, "  as it was "+terminal.ShortDuration(time.Since(m.seen))+" ago")
	}
	line += "  " + m.seen.Format("15:04:05")
	if n := m.now.stats.Inbox; n > 0 {
		line += fmt.Sprintf("  inbox %d", n)
	}
	return line
}

func (m *model) counts() string {
	s := m.now.stats
	parts := []string{"enqueued " + compact(s.Enqueued)}
	for _, state := range pool.EndedStates() {
		parts = append(parts, string(state)+" "+compact(s.Ended[state]))
	}
	parts = append(parts, "lost "+compact(s.LeasesLost))
	line := strings.Join(parts, "  ")
	if len(line) > m.width {
		line = strings.Join(parts, " ")
	}
	return line
}

// compact returns a count in at most four characters, up to 999 million.
func compact(n int64) string {
	switch {
	case n < 10_000:
		return strconv.FormatInt(n, 10)
	case n < 1_000_000:
		return strconv.FormatInt(n/1000, 10) + "k"
	case n < 10_000_000:
		return strconv.FormatFloat(float64(n/100_000)/10, 'f', 1, 64) + "M"
	}
	return strconv.FormatInt(n/1_000_000, 10) + "M"
}

// message returns the question, the error or what the last key did.
func (m *model) message() string {
	switch {
	case m.asked != nil:
		const answers = " [y/N]"
		return m.palette.Paint(terminal.Bold, ansi.Truncate(m.asked.question, m.width-len(answers), "…")+answers)
	case m.done != nil && m.done.Load() > 0:
		return fmt.Sprintf("… %s so far", terminal.Count(int(m.done.Load()), "task"))
	case m.done != nil:
		return "…"
	case m.trouble != nil:
		return m.palette.Paint(terminal.Red, terminal.Visible(strings.ReplaceAll(terminal.TidyError(m.trouble.Error()), "\n", "; ")))
	}
	return terminal.Visible(strings.ReplaceAll(terminal.TidyError(m.says), "\n", "; "))
}

// keys lists the keys that do something in the chosen section.
func (m *model) keys() string {
	here := [sections]string{"p pause  r resume  s stop", "d drain", "t retry  s stop the kind's tasks"}[m.section]
	return "q quit  ↑ ↓ line  tab table  " + here
}

// table draws a section with at most room lines.
func (m *model) table(s section, room int) []string {
	// The chosen line is always shown.
	first := &m.first[s]
	*first = max(min(*first, m.line[s], m.lines(s)-room), m.line[s]-room+1, 0)
	var buf bytes.Buffer
	header := m.heading(s)
	if hidden := m.lines(s) - room; hidden > 0 && room >= 0 {
		header[0] += fmt.Sprintf(" (%d more)", hidden)
	}
	t := terminal.NewTableOfWidth(&buf, m.width, m.palette, header...)
	t.Paint("STATE", terminal.NotEmpty(terminal.Yellow))
	t.Paint("STUCK", terminal.NotEmpty(terminal.Red))
	t.Paint("CODE", func(string) terminal.Style { return terminal.Red })
	for i := *first; i < min(*first+room, m.lines(s)); i++ {
		mark := "  "
		if s == m.section && i == m.line[s] && !m.gone[s] {
			mark = "▸ "
		}
		cells := m.cells(s, i)
		cells[0] = mark + cells[0]
		t.Row(cells...)
	}
	if m.lines(s) == 0 && room > 0 {
		t.Row("  none")
	}
	// A write to a buffer does not fail.
	_ = t.Flush()
	return strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
}

// heading returns the header of a section's table.
func (m *model) heading(s section) []string {
	switch s {
	case queueSection:
		return []string{"QUEUE", "WAITING", "RUNNING", "OLDEST", "IN/S", "OUT/S", "STATE"}
	case replicaSection:
		return []string{"REPLICA", "HOST", "PID", "RUNNING", "STUCK", "HEARTBEAT", "STATE"}
	}
	name := "FAILED"
	if !m.now.all && !m.seen.IsZero() {
		name = fmt.Sprintf("FAILED (of %d)", mostFailures)
	}
	return []string{name, "KIND", "CODE", "LAST", "ERROR"}
}

func (m *model) cells(s section, i int) []string {
	switch s {
	case queueSection:
		if i == 0 {
			return m.poolCells()
		}
		q := m.now.queues[i-1]
		return []string{terminal.Printable(q.Name), strconv.Itoa(q.Waiting), terminal.RunningText(q.Running, q.Limit), terminal.WaitText(q.OldestWait),
			terminal.RateText(q.In), terminal.RateText(q.Out), terminal.QueueState(q.QueueInfo, m.now.stats.Paused)}
	case replicaSection:
		r := m.now.replicas[i]
		return []string{terminal.Printable(r.ID), terminal.Printable(r.Host), strconv.Itoa(r.PID), terminal.RunningText(r.Running, terminal.Slots(r)),
			strconv.Itoa(r.Stuck), terminal.Ago(r.Silent), terminal.FlagText(r.Draining, "draining")}
	}
	f := m.now.failures[i]
	return []string{strconv.Itoa(f.tasks), terminal.Printable(f.kind), terminal.Printable(string(f.code)), terminal.Ago(time.Since(f.last)), terminal.Printable(terminal.Cut(f.error, 500))}
}

// poolCells returns the cells of the line of the whole pool.
func (m *model) poolCells() []string {
	var oldest time.Duration
	var in, out float64
	for _, q := range m.now.queues {
		oldest, in, out = max(oldest, q.OldestWait), in+q.In, out+q.Out
	}
	s := m.now.stats
	return []string{"(whole pool)", strconv.Itoa(s.Waiting), terminal.RunningText(s.Running, s.Limit), terminal.WaitText(oldest), terminal.RateText(in), terminal.RateText(out), terminal.FlagText(s.Paused, "paused")}
}
