package main

import (
	"io"
	"os"

	"github.com/ltsworker/ltsworker/task"
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

// stateStyle is the colour of a task's state.
func stateStyle(state string) style {
	switch task.State(state) {
	case task.Running:
		return cyan
	case task.Succeeded:
		return green
	case task.Failed:
		return red
	case task.Stopped, task.Expired:
		return yellow
	}
	return plain
}

// notEmpty is the colour of a cell that draws the eye where it says something.
func notEmpty(s style) func(string) style {
	return func(text string) style {
		if text == "" || text == "0" || text == "-" {
			return plain
		}
		return s
	}
}
