package terminal

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress tells a person how far the work is: with a bar on a terminal, else
// with a line now and then.
type Progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil where there is none
	total int
	done  int
	told  time.Time
}

func (p *Progress) Begin(total int) {
	p.total, p.told = total, time.Now()
	if IsTerminal(p.out) {
		p.bar = newProgressBar(p.out, total, "tasks")
	}
}

func (p *Progress) End() {
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
		p.bar = nil
	}
}

// Note writes a line between the others. What it shows must be printable.
func (p *Progress) Note(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.out, format+"\n", args...)
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
}

func (p *Progress) Set(done int) {
	if done == p.done {
		return
	}
	p.done = done
	switch {
	case p.bar != nil:
		// A bar that cannot be drawn is no reason to stop.
		_ = p.bar.Set(done)
	case time.Since(p.told) >= lineEvery || done == p.total:
		p.told = time.Now()
		fmt.Fprintf(p.out, "%d of %d tasks done\n", done, p.total)
	}
}

func NewProgress(out io.Writer) *Progress {
	return &Progress{out: out}
}

// lineEvery is how often a line is written where there is no bar.
const lineEvery = time.Second
