package main

import (
	"io"
	"os"
)

// style is how text looks on a terminal: the number of an SGR sequence, "" for
// plain.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// palette paints text, or leaves it alone.
type palette bool

// colours is the palette for what is written to w: only a terminal that has not
// declined gets any.
func colours(w io.Writer) palette { return palette(isTerminal(w) && coloured()) }

// coloured reports whether the user wants colours: NO_COLOR with any value says
// no (https://no-color.org), and a dumb terminal cannot show them.
func coloured() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (p palette) paint(s style, text string) string {
	if !p || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
