package top

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// The lines of the picture around the tables or the page: title, two of counts and an
// empty one above, the message and the keys below.
const (
	linesAbove = 4
	linesBelow = 2
)

// View draws the picture. It fits the terminal.
func (m *model) View() tea.View {
	v := tea.NewView(m.picture())
	v.AltScreen = true
	return v
}

// room returns how many lines the tables or the page have.
func (m *model) room() int { return max(m.height-linesAbove-linesBelow, 0) }

func (m *model) picture() string {
	if m.width == 0 {
		return ""
	}
	lines := append([]string{m.headline()}, m.counts()...)
	lines = append(lines, "")
	switch p := m.page(); {
	case m.help:
		lines = append(lines, helpLines()...)
	case p != nil:
		lines[linesAbove-1] = m.palette.Paint(terminal.Bold, terminal.Isolated(ansi.Truncate(p.of.title(), m.width, "…")))
		lines = append(lines, p.picture(m.width, m.room(), m.palette)...)
	default:
		lines = append(lines, m.overview()...)
	}
	// The last lines are at the bottom of the terminal.
	lines = lines[:min(len(lines), max(m.height-linesBelow, 0))]
	for len(lines) < m.height-linesBelow {
		lines = append(lines, "")
	}
	lines = append(lines, m.message(), m.palette.Paint(terminal.Dim, m.keysHere()))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, m.width, "…")
	}
	return strings.Join(lines[:min(len(lines), m.height)], "\n")
}

// rows returns how many rows of each table are shown, -1 for a table that is not.
func (m *model) rows() (rows [tables]int) {
	var needs [tables]int
	for i := range m.tables {
		rows[i], needs[i] = -1, len(m.tables[i].rows)
	}
	if m.zoom {
		rows[m.focus] = max(m.room()-1, 0)
		return rows
	}
	return share(m.room(), needs, m.focus)
}

// overview draws the tables.
func (m *model) overview() (lines []string) {
	for i, rows := range m.rows() {
		if rows < 0 {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, m.tables[i].lines(m.width, rows, i == m.focus, m.palette)...)
	}
	return lines
}

// share divides the lines among tables that need so many for their rows. A table also has
// a header, and an empty line between it and the one above. No table gets more than it
// needs, and the others share what is left evenly. If not all have room for a header and
// a row, the last ones get -1 and are left out, except the chosen one.
func share(lines int, needs [tables]int, chosen int) (rows [tables]int) {
	free := lines + 1
	for _, n := range needs {
		free -= 2 + min(n, 1)
	}
	for i := tables - 1; i >= 0 && free < 0; i-- {
		if i != chosen {
			rows[i] = -1
			free += 2 + min(needs[i], 1)
		}
	}
	for i, n := range needs {
		// A terminal of a few lines has no room for a row of the chosen table.
		if rows[i] == 0 && n > 0 && free >= 0 {
			rows[i] = 1
		}
	}
	for more := true; more && free > 0; {
		more = false
		for i, n := range needs {
			if rows[i] > 0 && rows[i] < n && free > 0 {
				rows[i]++
				free--
				more = true
			}
		}
	}
	return rows
}

func (m *model) headline() string {
	line := "ltsworker " + m.palette.Paint(terminal.Bold, terminal.Printable(m.title))
	if m.now.Stats.Paused {
		line += " " + m.palette.Paint(terminal.Yellow, "PAUSED")
	}
	switch {
	case m.seen.IsZero():
		return line + "  waiting for Redis"
	case time.Since(m.seen) > stale:
		return line + m.palette.Paint(terminal.Red, "  as it was "+terminal.ShortDuration(time.Since(m.seen))+" ago")
	}
	line += "  " + m.seen.Format("15:04:05")
	if s := m.now.Stats; s.Inbox+s.Rejected > 0 {
		line += fmt.Sprintf("  inbox %d, %d rejected", s.Inbox, s.Rejected)
	}
	return line
}

// counts returns two lines. Live and ended tasks together are those that were enqueued or
// retried.
func (m *model) counts() []string {
	s := m.now.Stats
	live := []string{"live: scheduled " + compact(int64(s.Scheduled)), "waiting " + compact(int64(s.Waiting)), "running " + compact(int64(s.Running)),
		"of enqueued " + compact(s.Enqueued), "retried " + compact(s.Retried)}
	var ended []string
	for _, state := range pool.EndedStates() {
		ended = append(ended, string(state)+" "+compact(s.Ended[state]))
	}
	ended[0] = "ended: " + ended[0]
	ended = append(ended, "leases lost "+compact(s.LeasesLost))
	return []string{m.spread(live), m.spread(ended)}
}

// spread joins parts with two spaces, or with one if they do not fit otherwise.
func (m *model) spread(parts []string) string {
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

// message returns the question, the error, what the last key did, or the filter.
func (m *model) message() string {
	plain := func(text string) string {
		return terminal.Visible(strings.ReplaceAll(terminal.TidyError(text), "\n", "; "))
	}
	switch {
	case m.asked != nil:
		const answers = " [y/N]"
		return m.palette.Paint(terminal.Bold, ansi.Truncate(m.asked.question, m.width-len(answers), "…")+answers)
	case m.typing:
		return m.palette.Paint(terminal.Bold, "/"+terminal.Visible(m.table().filter)+"_")
	case m.done != nil && m.done.Load() > 0:
		return fmt.Sprintf("… %s so far", terminal.Count(int(m.done.Load()), "task"))
	case m.done != nil:
		return "…"
	case errors.Is(m.trouble, context.DeadlineExceeded):
		return m.palette.Paint(terminal.Red, "Redis did not answer within "+stale.String())
	case m.trouble != nil:
		return m.palette.Paint(terminal.Red, plain(m.trouble.Error()))
	case m.says == "" && m.table().filter != "":
		return "only lines with " + terminal.Quoted(m.table().filter) + "; Esc shows all"
	}
	return plain(m.says)
}
