package main

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// table writes rows in columns. With a header it is cut, on a terminal, to the
// width of that, and may have coloured cells there; elsewhere, and without a
// header, every cell is whole. On a terminal cells with right-to-left text are
// isolated. The caller makes the cells printable.
type table struct {
	w       io.Writer
	width   int  // columns of the terminal; 0 for as wide as it gets
	screen  bool // w is a terminal
	palette palette
	least   []int // widths of what has been written
	header  []string
	spares  []int        // columns that a narrow terminal does without, the first to go first
	left    map[int]bool // columns that are left out
	texts   map[int]bool // columns that hold long text, and may be cut
	paints  map[int]func(cell string) style
	rows    [][]string
}

// columnGap is the space between two columns.
const columnGap = 2

// How narrow a column of text is made: to enough as long as columns can be left
// out, the first one to a name, and to least in a terminal that is far too narrow.
const (
	nameColumn   = 36 // a UUID, which callers often use as an id
	enoughColumn = 12
	leastColumn  = 6
)

func newTable(w io.Writer, header ...string) *table {
	t := &table{w: w, screen: isTerminal(w), palette: colours(w), header: header, paints: map[int]func(string) style{}}
	if len(header) > 0 {
		t.width = terminalWidth(w)
	}
	return t
}

// paint colours the cells of the column with this header.
func (t *table) paint(header string, by func(cell string) style) {
	for i, h := range t.header {
		if h == header {
			t.paints[i] = by
		}
	}
}

// spare names the columns that a narrow terminal does without, the first to go
// first.
func (t *table) spare(headers ...string) {
	for _, h := range headers {
		t.spares = append(t.spares, slices.Index(t.header, h))
	}
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// flush writes what there is. The header is written once.
func (t *table) flush() error {
	rows := t.rows
	if len(t.header) > 0 {
		rows = append([][]string{t.header}, rows...)
	}
	widths := t.widths(rows)
	t.least = widths
	out := bufio.NewWriter(t.w)
	for n, row := range rows {
		last := len(row) - 1
		for last > 0 && (row[last] == "" || t.left[last]) {
			last--
		}
		for i, cell := range row[:last+1] {
			if t.left[i] {
				continue
			}
			if t.width > 0 {
				cell = ansi.Truncate(cell, widths[i], "…")
			}
			gap := ""
			if i < last {
				gap = strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+columnGap)
			}
			style := t.styleOf(n, i, cell)
			if t.screen {
				cell = isolated(cell)
			}
			out.WriteString(t.palette.paint(style, cell) + gap)
		}
		out.WriteString("\n")
	}
	t.header, t.rows = nil, nil
	return out.Flush()
}

func (t *table) styleOf(row, column int, cell string) style {
	if row == 0 && len(t.header) > 0 {
		return bold
	}
	if by := t.paints[column]; by != nil {
		return by(cell)
	}
	return plain
}

// widths are the columns' widths. Where they do not fit the terminal, columns of
// text are made narrower, then spare ones are left out, then those of text are made
// narrower still: the widest first, but the first column, which mostly holds a name
// to copy, last. What is short, figures and states, is never cut.
func (t *table) widths(rows [][]string) []int {
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
func (t *table) over(widths []int) int {
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
func (t *table) narrow(widths []int, first, least int) {
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

// terminalWidth is how many columns the terminal w has, 0 where it is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
