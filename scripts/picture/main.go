// Picture runs a command in a new terminal and writes the screen to an SVG file: the
// final screen, or an animation of several frames.
//
//	go run ./scripts/picture -o FILE -title TITLE [-frames N] COMMAND [ARG...]
package main

import (
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// The size of a character in pixels, and the margins around the text.
const (
	charWidth  = 8.4
	lineHeight = 19
	margin     = 16
	bar        = 34 // height of the title bar
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("picture: ")
	file := flag.String("o", "", "the `file` to write")
	title := flag.String("title", "", "what the first line shows after the prompt")
	columns := flag.Int("columns", 100, "width of the terminal in characters")
	rows := flag.Int("rows", 40, "height of the terminal in lines")
	most := flag.Int("frames", 1, "how many frames the picture has at most; one shows the end only")
	flag.Parse()
	if *file == "" || flag.NArg() == 0 || *columns < 1 || *rows < 1 || *most < 1 {
		flag.Usage()
		os.Exit(2)
	}
	frames, err := record(*columns, *rows, flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*file, []byte(draw(*title, *columns, sample(frames, *most))), 0o644); err != nil {
		log.Fatal(err)
	}
}

// frame is the contents of the screen from a time on.
type frame struct {
	at    time.Duration // since the command began
	lines [][]vt10x.Glyph
}

// frameEvery is the interval at which the screen is read while the command
// runs.
const frameEvery = 100 * time.Millisecond

// record runs a command and returns its frames. The command must succeed. The
// last frame shows the end.
func record(columns, rows int, args []string) ([]frame, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	begin, screen := time.Now(), vt10x.New(vt10x.WithSize(columns, rows))
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(screen, tty)
		read <- err
	}()
	var frames []frame
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
		case err = <-read:
			running = false
		}
		if lines := cells(screen); len(lines) > 0 {
			frames = append(frames, frame{time.Since(begin), lines})
		}
	}
	// On Linux, reading a terminal whose other side is closed returns EIO.
	if err != nil && !errors.Is(err, syscall.EIO) {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w; its screen:\n%s", args[0], err, screen.String())
	}
	return frames, nil
}

// sample returns at most so many of the frames: the last one, and others at
// equal intervals before it.
func sample(frames []frame, most int) (some []frame) {
	if len(frames) == 0 {
		return nil
	}
	last := frames[len(frames)-1]
	every := last.at / time.Duration(most)
	next := time.Duration(0)
	for _, f := range frames[:len(frames)-1] {
		if f.at >= next && len(some) < most-1 {
			some, next = append(some, f), f.at+every
		}
	}
	return append(some, last)
}

// cells returns the screen without the empty lines at its end.
func cells(screen vt10x.Terminal) (lines [][]vt10x.Glyph) {
	screen.Lock()
	defer screen.Unlock()
	columns, rows := screen.Size()
	used := 0
	for y := range rows {
		line := make([]vt10x.Glyph, columns)
		for x := range columns {
			line[x] = screen.Cell(x, y)
			if c := line[x].Char; c != 0 && c != ' ' {
				used = y + 1
			}
		}
		lines = append(lines, line)
	}
	return lines[:used]
}

// palette is the first 16 colours of a terminal on a dark background.
var palette = [...]string{
	"#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
	"#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#f0f6fc",
}

// hold is how long the animation shows the last frame before it restarts.
const hold = 6 * time.Second

// draw writes the frames as one picture. A viewer without animation, or with
// reduced motion, shows the last frame.
func draw(title string, columns int, frames []frame) string {
	used := 0
	for _, f := range frames {
		used = max(used, len(f.lines))
	}
	width, height := float64(columns)*charWidth+2*margin, bar+(used+1)*lineHeight+margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString("A terminal in which "+title+" has run"))
	b.WriteString("<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#c9d1d9}")
	animate(&b, frames)
	b.WriteString("</style>\n")
	fmt.Fprintf(&b, `<rect width="%.0f" height="%d" rx="8" fill="#0d1117"/>`+"\n", width, height)
	for i, colour := range []string{"#ff5f56", "#ffbd2e", "#27c93f"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="17" r="6" fill="%s"/>`+"\n", margin+6+i*20, colour)
	}
	write(&b, 0, 0, "$ "+title, "#f0f6fc")
	for i, f := range frames {
		if len(frames) > 1 {
			fmt.Fprintf(&b, `<g id="f%d">`+"\n", i)
		}
		drawLines(&b, f.lines)
		if len(frames) > 1 {
			b.WriteString("</g>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// animate writes the style that shows the frames one after the other and
// repeats.
func animate(b *strings.Builder, frames []frame) {
	if len(frames) < 2 {
		return
	}
	last := len(frames) - 1
	total := frames[last].at + hold
	share := func(i int) float64 {
		if i == 0 {
			return 0
		}
		return 100 * frames[i].at.Seconds() / total.Seconds()
	}
	fmt.Fprintf(b, "g{visibility:hidden}#f%d{visibility:visible}@media(prefers-reduced-motion:no-preference){", last)
	for i := range frames {
		fmt.Fprintf(b, "#f%d{animation:k%d %.1fs step-end infinite}", i, i, total.Seconds())
	}
	b.WriteString("}")
	for i := range frames {
		fmt.Fprintf(b, "@keyframes k%d{0%%{visibility:hidden}%.2f%%{visibility:visible}", i, share(i))
		if i < last {
			fmt.Fprintf(b, "%.2f%%{visibility:hidden}", share(i+1))
		}
		b.WriteString("}")
	}
}

func drawLines(b *strings.Builder, lines [][]vt10x.Glyph) {
	for y, line := range lines {
		for x := 0; x < len(line); {
			// A run of characters of one colour is one text element.
			begin := x
			var text strings.Builder
			for ; x < len(line) && line[x].FG == line[begin].FG; x++ {
				if c := line[x].Char; c == 0 {
					text.WriteByte(' ')
				} else {
					text.WriteRune(c)
				}
			}
			write(b, begin, y+1, text.String(), colour(line[begin].FG))
		}
	}
}

// colour returns a CSS colour, "" for the default colour of the terminal.
func colour(c vt10x.Color) string {
	switch {
	case c >= vt10x.DefaultFG:
		return ""
	case int(c) < len(palette):
		return palette[c]
	}
	return fmt.Sprintf("#%06x", uint32(c)&0xffffff)
}

// write places text at a column and line. It sets the text length, so that the
// text fits where the font differs. It replaces the spaces so that no SVG
// viewer collapses them.
func write(b *strings.Builder, x, y int, text, colour string) {
	text = strings.TrimRight(text, " ")
	begin := len(text) - len(strings.TrimLeft(text, " "))
	x, text = x+begin, text[begin:]
	if text == "" {
		return
	}
	fill := ""
	if colour != "" {
		fill = fmt.Sprintf(` style="fill:%s"`, colour)
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n",
		margin+float64(x)*charWidth, bar+(y+1)*lineHeight-5, float64(len([]rune(text)))*charWidth, fill, strings.ReplaceAll(html.EscapeString(text), " ", "\u00a0"))
}
