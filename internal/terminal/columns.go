package terminal

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// columnGap is the space between two columns.
const columnGap = 2

// How narrow a column of text is made: to enough as long as columns can be left
// out, the first one to a name, and to least in a terminal that is far too narrow.
const (
	nameColumn   = 36 // a UUID, which callers often use as an id
	enoughColumn = 12
	leastColumn  = 6
)

// widths are the columns' widths. Where they do not fit the terminal, columns of
// text are made narrower, then spare ones are left out, then those of text are made
// narrower still: the widest first, but the first column, which mostly holds a name
// to copy, last. What is short, figures and states, is never cut.
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

// isText reports whether a cell is long, and not because of its figures.
func isText(cell string) bool {
	return ansi.StringWidth(cell) > enoughColumn && strings.Trim(cell, "0123456789./,:") != ""
}

// over is by how much the columns are too wide together.
func (t *Table) over(widths []int) int {
	total := -columnGap
	for i, w := range widths {
		if !t.left[i] {
			total += w + columnGap
		}
	}
	return total - t.width
}

// narrow makes the columns of text narrower, as far as they have to be: the first
// column down to first, the others to least.
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
