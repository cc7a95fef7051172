package terminal

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Table writes rows in columns. On a terminal a table with a header is cut to the width
// of the terminal and may have coloured cells, and right-to-left text is isolated.
// Elsewhere, and without a header, every cell is whole. The caller makes the cells
// printable.
type Table struct {
	w       io.Writer
	width   int  // columns of the terminal; 0 is no limit
	screen  bool // w is a terminal
	palette Palette
	least   []int // widths of the columns written so far
	header  []string
	spares  []int        // columns that may be left out, in this order
	left    map[int]bool // columns that are left out
	texts   map[int]bool // columns that hold long text, and may be cut
	paints  map[int]func(cell string) Style
	differ  map[int]bool // columns whose cells are cut so that they differ
	heading Style        // of the header
	rows    [][]string
}

// NewTable makes a table that is written to w. Without a header it is never cut.
func NewTable(w io.Writer, header ...string) *Table {
	t := newTable(w, IsTerminal(w), Colours(w), header)
	if len(header) > 0 {
		t.width = Width(w)
	}
	return t
}

// NewTableOfWidth makes a table for a part of a terminal: it is cut to width columns and
// painted with p even if w is no terminal. Width 0 cuts nothing.
func NewTableOfWidth(w io.Writer, width int, p Palette, header ...string) *Table {
	t := newTable(w, true, p, header)
	t.width = width
	return t
}

func newTable(w io.Writer, screen bool, p Palette, header []string) *Table {
	return &Table{w: w, screen: screen, palette: p, header: header, heading: Bold, paints: map[int]func(string) Style{}, differ: map[int]bool{}}
}

// Heading sets the style of the header. It is Bold if it is not set.
func (t *Table) Heading(s Style) { t.heading = s }

// Differ cuts the cells in the columns with this header as Distinct does.
func (t *Table) Differ(header string) {
	if i := slices.Index(t.header, header); i >= 0 {
		t.differ[i] = true
	}
}

// Paint sets the style of the cells in the columns with this header.
func (t *Table) Paint(header string, by func(cell string) Style) {
	for i, h := range t.header {
		if h == header {
			t.paints[i] = by
		}
	}
}

// Spare names the columns that are left out if the terminal is too narrow, the first of
// them first.
func (t *Table) Spare(headers ...string) {
	for _, h := range headers {
		t.spares = append(t.spares, slices.Index(t.header, h))
	}
}

// Row adds a row. It is written by Flush.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Flush writes the rows that were added since the last Flush. The header is written
// once.
func (t *Table) Flush() error {
	rows := t.rows
	if len(t.header) > 0 {
		rows = append([][]string{t.header}, rows...)
	}
	widths := t.widths(rows)
	t.least = widths
	t.distinguish(rows, widths)
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
				cell = Isolated(cell)
			}
			out.WriteString(t.palette.Paint(style, cell) + gap)
		}
		out.WriteString("\n")
	}
	t.header, t.rows = nil, nil
	return out.Flush()
}

// distinguish changes the cells of the columns that Differ named.
func (t *Table) distinguish(rows [][]string, widths []int) {
	for column := range t.differ {
		cells := make([]string, len(rows))
		for i, row := range rows {
			cells[i] = row[column]
		}
		for i, cell := range Distinct(cells, widths[column]) {
			rows[i][column] = cell
		}
	}
}

func (t *Table) styleOf(row, column int, cell string) Style {
	if row == 0 && len(t.header) > 0 {
		return t.heading
	}
	if by := t.paints[column]; by != nil {
		return by(cell)
	}
	return Plain
}
