package terminal

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// lineEvery is the least time between two lines where there is no bar.
const lineEvery = time.Second

// Progress shows how many of a known number of tasks are done: with a bar on a terminal,
// elsewhere with a line every second. It is not safe for concurrent use.
type Progress struct {
	out     io.Writer
	bar     *progressbar.ProgressBar // nil where there is none
	total   int
	done    int
	written time.Time // when the last line was
}

// NewProgress makes a Progress that writes to out. Note works before Begin is called.
func NewProgress(out io.Writer) *Progress {
	return &Progress{out: out}
}

// Begin shows that none of total tasks is done.
func (p *Progress) Begin(total int) {
	p.total, p.written = total, time.Now()
	if IsTerminal(p.out) {
		p.bar = newProgressBar(p.out, total, "tasks")
	}
}

// Set shows that done tasks are done. An error of the terminal is ignored.
func (p *Progress) Set(done int) {
	if done == p.done {
		return
	}
	p.done = done
	switch {
	case p.bar != nil:
		_ = p.bar.Set(done)
	case time.Since(p.written) >= lineEvery || done == p.total:
		p.written = time.Now()
		fmt.Fprintf(p.out, "%d of %d tasks done\n", done, p.total)
	}
}

// Note writes a line of its own. What it shows must be printable.
func (p *Progress) Note(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.out, format+"\n", args...)
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
}

// End removes the bar.
func (p *Progress) End() {
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
		p.bar = nil
	}
}
