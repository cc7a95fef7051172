package top

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/maruel/natural"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// column is a column of a table.
type column struct {
	header string
	number bool // sorted by cell.order, the largest first; other columns by text
	from   int  // left out in terminals with fewer columns
	differ bool // cut cells show where they differ
	paint  func(cell string) terminal.Style
}

// cell is what a row has in a column.
type cell struct {
	text  string // printable
	order float64
}

func text(s string) cell { return cell{text: terminal.Printable(s)} }

func number[N int | int64 | float64](n N, text string) cell { return cell{text, float64(n)} }

// row is a line of a table.
type row struct {
	id    string // identifies the row in its table
	of    subject
	cells []cell
	first bool    // above all others, and shown with any filter
	rank  float64 // orders rows that are equal in the column that sorts, the largest first
}

// matches reports whether a cell contains the text, which is in lower case.
func (r *row) matches(text string) bool {
	return r.first || slices.ContainsFunc(r.cells, func(c cell) bool { return strings.Contains(strings.ToLower(c.text), text) })
}

// table is the rows of one kind. It remembers the chosen row, the order and the filter
// while the rows change.
type table struct {
	columns []column
	by      int  // the column that sorts the rows; -1 keeps them as they were read
	reverse bool // sorts the other way round
	filter  string
	note    string // added to the first header

	all    []row
	rows   []row  // of all, those that match the filter, in order
	line   int    // the chosen one of rows
	chosen string // its id; "" for the first row, whichever it is
	gone   bool   // the chosen row no longer exists: no row is chosen until a key moves
	top    int    // the first one of rows that is shown
}

// set replaces the rows.
func (t *table) set(rows []row) {
	t.all = rows
	t.arrange()
}

// arrange filters and sorts the rows. The chosen row stays chosen, so that a key does not
// act on another one.
func (t *table) arrange() {
	t.rows = t.rows[:0:0]
	filter := strings.ToLower(t.filter)
	for _, r := range t.all {
		if r.matches(filter) {
			t.rows = append(t.rows, r)
		}
	}
	if t.by >= 0 {
		slices.SortStableFunc(t.rows, t.compare)
	} else if t.reverse {
		slices.Reverse(t.rows)
	}
	i := slices.IndexFunc(t.rows, func(r row) bool { return r.id == t.chosen })
	switch {
	case i >= 0:
		t.choose(i)
	case t.chosen == "":
		t.line, t.gone = 0, false
	default:
		t.gone = true
		t.line = max(min(t.line, len(t.rows)-1), 0)
	}
}

func (t *table) compare(a, b row) int {
	if a.first != b.first {
		if a.first {
			return -1
		}
		return 1
	}
	x, y := a.cells[t.by], b.cells[t.by]
	order := natural.Compare(x.text, y.text)
	if t.columns[t.by].number {
		order = cmp.Compare(y.order, x.order)
	}
	if t.reverse {
		order = -order
	}
	return cmp.Or(order, cmp.Compare(b.rank, a.rank), natural.Compare(a.id, b.id))
}

// setFilter shows the rows that contain the text in any case. If the chosen row does not,
// the first one that does is chosen.
func (t *table) setFilter(filter string) {
	t.filter = filter
	t.arrange()
	if r := t.current(); filter != "" && (r == nil || r.first) {
		t.choose(slices.IndexFunc(t.rows, func(r row) bool { return !r.first }))
	}
}

// choose makes the row the chosen one, or the nearest if there is none.
func (t *table) choose(line int) {
	t.line, t.gone = max(min(line, len(t.rows)-1), 0), false
	t.chosen = ""
	if len(t.rows) > 0 {
		t.chosen = t.rows[t.line].id
	}
}

// hold makes the row that is in the place of the chosen one the chosen one if that no
// longer exists, and the first row if none was chosen.
func (t *table) hold() {
	if t.gone || t.chosen == "" {
		t.choose(t.line)
	}
}

// release ends the choice of the first row: then whichever row is the first is chosen.
func (t *table) release() {
	if t.line == 0 {
		t.chosen = ""
	}
}

// current returns the chosen row, nil for none.
func (t *table) current() *row {
	if t.gone || t.line >= len(t.rows) {
		return nil
	}
	return &t.rows[t.line]
}

// move chooses another row. It returns false if there is none so far in that direction.
// If the chosen row no longer exists, it chooses the row that is in its place now.
func (t *table) move(by int) bool {
	switch next := t.line + by; {
	case t.gone && len(t.rows) > 0:
		t.choose(t.line)
	case next < 0 || next >= len(t.rows):
		return false
	default:
		t.choose(next)
	}
	return true
}

// sortBy sorts by the nearest column to the right, or with a step of -1 to the left, that
// a terminal of that width shows.
func (t *table) sortBy(step, width int) {
	if t.by < 0 && step < 0 {
		t.by = 0
	}
	for {
		if t.by = (t.by + step + len(t.columns)) % len(t.columns); t.columns[t.by].from <= width {
			break
		}
	}
	t.reverse = false
	t.arrange()
}

func (t *table) reverseOrder() {
	t.reverse = !t.reverse
	t.arrange()
}

// showFirst shows the first of the rows. The chosen row stays chosen if it is one of the
// first room rows. Otherwise the first row below the one for the whole pool is chosen.
func (t *table) showFirst(room int) {
	t.top = 0
	first := max(slices.IndexFunc(t.rows, func(r row) bool { return !r.first }), 0)
	if t.gone || t.line >= max(room, 1) || room <= first {
		t.choose(first)
	}
}

// lines draws the header and at most room rows, among them the chosen one. A table with
// the focus marks it.
func (t *table) lines(width, room int, focus bool, p terminal.Palette) []string {
	t.top = max(min(t.top, t.line, len(t.rows)-room), t.line-room+1, 0)
	shown := t.columnsIn(width)
	var headers []string
	for _, i := range shown {
		headers = append(headers, t.header(i, room))
	}
	var buf bytes.Buffer
	tab := terminal.NewTableOfWidth(&buf, width, p, headers...)
	if !focus {
		tab.Heading(terminal.Dim)
	}
	for n, i := range shown {
		if paint := t.columns[i].paint; paint != nil {
			tab.Paint(headers[n], paint)
		}
		if t.columns[i].differ {
			tab.Differ(headers[n])
		}
	}
	mark := "▸ "
	tab.Paint(headers[0], func(cell string) terminal.Style {
		if strings.HasPrefix(cell, mark) {
			return terminal.Invert
		}
		return terminal.Plain
	})
	for n := t.top; n < min(t.top+room, len(t.rows)); n++ {
		var cells []string
		for _, i := range shown {
			cells = append(cells, t.rows[n].cells[i].text)
		}
		if focus && n == t.line && !t.gone {
			cells[0] = mark + cells[0]
		} else {
			cells[0] = "  " + cells[0]
		}
		tab.Row(cells...)
	}
	_ = tab.Flush() // a write to a buffer does not fail
	lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
	if len(t.rows) == 0 {
		heading := terminal.Bold
		if !focus {
			heading = terminal.Dim
		}
		lines[0] = p.Paint(heading, t.header(0, room)) + "  none"
	}
	return lines
}

// columnsIn returns the columns that a terminal of that width shows.
func (t *table) columnsIn(width int) (shown []int) {
	for i, c := range t.columns {
		if c.from <= width {
			shown = append(shown, i)
		}
	}
	return shown
}

// header returns the header of a column. The first one says how many rows are not shown.
func (t *table) header(i, room int) string {
	header := t.columns[i].header
	if i == t.by {
		if header += "↑"; t.columns[i].number != t.reverse {
			header = t.columns[i].header + "↓"
		}
	}
	if i > 0 {
		return header
	}
	if t.note != "" {
		header += " " + t.note
	}
	if t.filter != "" {
		header += " /" + terminal.Printable(t.filter)
	}
	if hidden := len(t.rows) - room; hidden > 0 {
		header += fmt.Sprintf(" (%d more)", hidden)
	}
	return header
}
