package terminal

import (
	"fmt"
	"io"
	"time"
)

// Progress shows how far the work is: on a terminal with a board, else with a line now and
// then.
type Progress struct {
	out   io.Writer
	board *Board          // nil if there is none
	lines func() []string // of the board
	total int
	done  int
	wrote time.Time // the last line
}

// lineEvery is how often a line is written if there is no terminal.
const lineEvery = time.Second

// NewProgress returns the progress of work that has not begun.
func NewProgress(out io.Writer) *Progress { return &Progress{out: out} }

// Palette returns the palette of the output.
func (p *Progress) Palette() Palette { return Colours(p.out) }

// Begin starts the progress of total tasks. A terminal shows what lines returns.
func (p *Progress) Begin(total int, lines func() []string) {
	p.total, p.wrote = total, time.Now()
	if IsTerminal(p.out) {
		p.board, p.lines = NewBoard(p.out), lines
	}
}

// End removes the board.
func (p *Progress) End() {
	if p.board != nil {
		p.board.Clear()
		p.board = nil
	}
}

// Note writes a line above the board. It must be printable.
func (p *Progress) Note(format string, args ...any) {
	if p.board != nil {
		p.board.Clear()
	}
	fmt.Fprintf(p.out, format+"\n", args...)
	if p.board != nil {
		p.board.Draw(p.lines())
	}
}

// Set shows that so many tasks are done. A board is drawn again even if none is done since.
func (p *Progress) Set(done int) {
	if p.board != nil && p.board.Due() {
		p.board.Draw(p.lines())
	}
	if done == p.done {
		return
	}
	p.done = done
	if p.board == nil && (time.Since(p.wrote) >= lineEvery || done == p.total) {
		p.wrote = time.Now()
		fmt.Fprintf(p.out, "%d of %d tasks done\n", done, p.total)
	}
}
