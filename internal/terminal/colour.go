package terminal

import (
	"io"
	"os"
)

// Style is how text looks on a terminal: the number of an SGR sequence, "" for
// plain.
type Style string

const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Palette paints text, or leaves it alone.
type Palette bool

// Colours is the palette for what is written to w: only a terminal that has not
// declined gets any.
func Colours(w io.Writer) Palette { return Palette(IsTerminal(w) && Coloured()) }

// Coloured reports whether the user wants colours: NO_COLOR with any value says
// no (https://no-color.org), and a dumb terminal cannot show them.
func Coloured() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (p Palette) Paint(s Style, text string) string {
	if !p || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
