package main

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
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

func newTable(w io.Writer, header ...string) *table {
	t := &table{w: w, screen: isTerminal(w), palette: colours(w), header: header, paints: map[int]func(string) style{}}
	if len(header) > 0 {
		t.width = terminalWidth(w)
	}
	return t
}

// newTableOfWidth makes a table that is cut to width columns and painted with p,
// whatever w is. Width 0 cuts nothing.
func newTableOfWidth(w io.Writer, width int, p palette, header ...string) *table {
	return &table{w: w, width: width, palette: p, header: header, paints: map[int]func(string) style{}}
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
