package terminal

import (
	"io"
	"os"
)

// Style is how text looks on a terminal: the number of an SGR sequence. The zero value
// is Plain.
type Style string

// The styles that are used.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Invert Style = "7" // the colours of text and background change places
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Palette paints text if it is true. If it is false, text stays as it is.
type Palette bool

// Colours returns the palette for w. It is true for a terminal whose user wants colours.
func Colours(w io.Writer) Palette { return Palette(IsTerminal(w) && Coloured()) }

// Coloured reports whether the user wants colours. NO_COLOR with any value means no
// (https://no-color.org), and so does TERM=dumb.
func Coloured() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Paint returns text in the style, and resets the style after it.
func (p Palette) Paint(s Style, text string) string {
	if !p || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
