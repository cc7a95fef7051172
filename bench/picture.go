package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// The colors of the picture are readable on white and on black: each has a contrast of about 4.5 to
// both. The bars also differ in brightness, for readers who see colors differently.
const (
	inkColor  = "#767676" // text
	ourColor  = "#d9480f"
	peerColor = "#7c8798"
	ruleColor = "#8888884d"
)

// Sizes in the picture, in px at its original width.
const (
	pictureWidth = 880
	margin       = 12
	panelGap     = 36
	rowHeight    = 23
	barHeight    = 15
	titleHeight  = 30
	nameWidth    = 104
	valueWidth   = 112
)

// panel is one figure: a bar per row, and its ratio to ltsworker.
type panel struct {
	title, figure string
	less          bool // less is better
}

// panels are drawn two in a row.
var panels = []panel{
	{"Drain, 10 slots: tasks/s", drainLabel(10), false},
	{"Drain, 50 slots: tasks/s", drainLabel(50), false},
	{"Drain, 200 slots: tasks/s", drainLabel(200), false},
	{"Enqueue, 50 callers: tasks/s", singleLabel, false},
	{"Enqueue, batches of 1,000: tasks/s", batchLabel, false},
	{"Redis CPU per task, µs (less is better)", processLabel, true},
}

// bar is a row of a panel.
type bar struct {
	name  string
	value float64
	ours  bool
}

// bars returns the rows of a panel: ltsworker, then the others, best first.
func (p panel) bars(r *results) []bar {
	var all []bar
	for _, v := range comparisons(peers...) {
		if value, ok := r.median(key{p.figure, v.row}); ok {
			all = append(all, bar{v.row, value, v.system == "ours"})
		}
	}
	rank := func(b bar) float64 {
		switch {
		case b.ours:
			return math.Inf(-1)
		case p.less:
			return b.value
		}
		return -b.value
	}
	slices.SortStableFunc(all, func(a, b bar) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// draw writes the picture of the comparisons as an SVG file. It leaves out panels without figures.
// If no panel has figures, it writes no file.
func draw(path string, r *results) error {
	type drawn struct {
		panel
		bars []bar
	}
	var lines [][]drawn
	for _, p := range panels {
		bars := p.bars(r)
		if len(bars) == 0 {
			continue
		}
		if n := len(lines); n == 0 || len(lines[n-1]) == 2 {
			lines = append(lines, nil)
		}
		last := &lines[len(lines)-1]
		*last = append(*last, drawn{p, bars})
	}
	if len(lines) == 0 {
		return nil
	}
	var body strings.Builder
	width := (pictureWidth - 2*margin - panelGap) / 2
	y := margin
	for _, l := range lines {
		rows := 0
		for i, d := range l {
			drawPanel(&body, margin+i*(width+panelGap), y, width, d.panel, d.bars)
			rows = max(rows, len(d.bars))
		}
		y += titleHeight + rows*rowHeight + 22
	}
	text(&body, margin, y+4, "start", 13, "normal", pictureNote)
	y += 20
	out := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="-apple-system, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif" role="img" aria-label="ltsworker beside other task queues">
%s</svg>
`, pictureWidth, y, pictureWidth, y, body.String())
	return os.WriteFile(path, []byte(out), 0o644)
}

const pictureNote = "2.0 ×: ltsworker reaches twice this rate, or costs half of this. River, tuned: without its pause of 100 ms between fetches."

func drawPanel(out *strings.Builder, x, y, width int, p panel, bars []bar) {
	text(out, x, y+16, "start", 15, "bold", escape(p.title))
	top := 0.0
	for _, b := range bars {
		top = max(top, b.value)
	}
	ours, known := 0.0, false
	for _, b := range bars {
		if b.ours {
			ours, known = b.value, true
		}
	}
	from := x + nameWidth
	room := width - nameWidth - valueWidth
	y += titleHeight
	fmt.Fprintf(out, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="1"/>`+"\n",
		from, y-3, from, y+len(bars)*rowHeight-3, ruleColor)
	for i, b := range bars {
		at := y + i*rowHeight
		fill, weight := peerColor, "normal"
		if b.ours {
			fill, weight = ourColor, "bold"
		}
		length := max(1, int(math.Round(float64(room)*b.value/top)))
		text(out, from-8, at+barHeight-2, "end", 14, weight, escape(b.name))
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`+"\n", from, at, length, barHeight, fill)
		label := escape(number(b.value))
		if !b.ours && known {
			ratio := ours / b.value
			if p.less {
				ratio = b.value / ours
			}
			label += `  <tspan font-weight="bold">` + times(ratio) + "</tspan>"
		}
		text(out, from+length+7, at+barHeight-2, "start", 14, weight, label)
	}
}

// times formats a ratio with two digits.
func times(ratio float64) string {
	if ratio < 9.95 {
		return fmt.Sprintf("%.1f ×", ratio)
	}
	return strings.TrimSuffix(number(math.Round(ratio)), ".0") + " ×"
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace

func text(out *strings.Builder, x, y int, anchor string, size int, weight, markup string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="%s" font-size="%d" font-weight="%s" fill="%s" xml:space="preserve">%s</text>`+"\n",
		x, y, anchor, size, weight, inkColor, markup)
}
