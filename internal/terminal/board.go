package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Board is a block of lines on a terminal that are drawn again in place.
type Board struct {
	out    io.Writer
	height int // lines on the screen; 0 if there is none
	drawn  time.Time
}

// NewBoard returns a board for out, which must be a terminal.
func NewBoard(out io.Writer) *Board { return &Board{out: out} }

// Due reports whether the board was drawn long enough ago to be drawn again.
func (b *Board) Due() bool { return time.Since(b.drawn) >= drawEvery }

// Draw replaces the lines. Lines that are longer than the terminal is wide are cut.
func (b *Board) Draw(lines []string) {
	var s strings.Builder
	b.erase(&s)
	width := Width(b.out)
	for _, line := range lines {
		if width > 0 {
			line = ansi.Truncate(line, width, "…")
		}
		s.WriteString(line + "\n")
	}
	b.height, b.drawn = len(lines), time.Now()
	fmt.Fprint(b.out, s.String())
}

// Clear removes the lines.
func (b *Board) Clear() {
	var s strings.Builder
	b.erase(&s)
	b.height, b.drawn = 0, time.Time{}
	fmt.Fprint(b.out, s.String())
}

func (b *Board) erase(s *strings.Builder) {
	if b.height > 0 {
		s.WriteString(ansi.CursorUp(b.height) + "\r" + ansi.EraseScreenBelow)
	}
}
