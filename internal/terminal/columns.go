package terminal

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// columnGap is the number of spaces between two columns.
const columnGap = 2

// The least widths of a column of text, in columns of the terminal: nameColumn for the
// first one, enoughColumn for the others while spare columns can be left out, leastColumn
// in a terminal that is too narrow even then.
const (
	nameColumn   = 36 // a UUID, which callers often use as an id
	enoughColumn = 12
	leastColumn  = 6
)

// widths returns the widths of the columns. If these do not fit the terminal, columns of
// text are made narrower, then spare columns are left out, then columns of text are made
// narrower still. The widest is narrowed first, and the first column last: it mostly
// holds a name to copy. Short cells, such as figures and states, are never cut.
func (t *Table) widths(rows [][]string) []int {
	if t.texts == nil {
		t.texts, t.left = map[int]bool{}, map[int]bool{}
	}
	widths := slices.Clone(t.least)
	for n, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(cell))
			if n > 0 || len(t.header) == 0 {
				t.texts[i] = t.texts[i] || isText(cell)
			}
		}
	}
	if t.width == 0 {
		return widths
	}
	narrow := slices.Clone(widths)
	for {
		t.narrow(narrow, nameColumn, enoughColumn)
		if t.over(narrow) <= 0 || len(t.spares) == 0 {
			break
		}
		t.left[t.spares[0]] = true
		t.spares = t.spares[1:]
		copy(narrow, widths)
	}
	t.narrow(narrow, nameColumn, leastColumn)
	t.narrow(narrow, leastColumn, leastColumn)
	return narrow
}

// isText reports whether a cell is long and holds more than figures.
func isText(cell string) bool {
	return ansi.StringWidth(cell) > enoughColumn && strings.Trim(cell, "0123456789./,:") != ""
}

// over returns by how much all columns together are too wide. It is negative or 0 if
// they fit.
func (t *Table) over(widths []int) int {
	total := -columnGap
	for i, w := range widths {
		if !t.left[i] {
			total += w + columnGap
		}
	}
	return total - t.width
}

// narrow makes the columns of text narrower until all fit. The first column is not made
// narrower than first, the others not narrower than least.
func (t *Table) narrow(widths []int, first, least int) {
	for over := t.over(widths); over > 0; over-- {
		widest := -1
		for i, w := range widths {
			floor := least
			if i == 0 {
				floor = first
			}
			if t.texts[i] && !t.left[i] && w > floor && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}
