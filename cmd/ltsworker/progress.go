package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// newBar is a bar for so many of what, such as "tasks".
func newBar(out io.Writer, total int, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
}

// patient is how long something may take before a person is shown how far it is.
const patient = time.Second

// patientBar is a bar for what takes longer than patient, on a terminal only.
type patientBar struct {
	out   io.Writer
	what  string // what it counts, such as "tasks"
	began time.Time
	bar   *progressbar.ProgressBar
}

func newPatientBar(out io.Writer, what string) *patientBar {
	return &patientBar{out: out, what: what, began: time.Now()}
}

// anew begins again, with what was drawn forgotten.
func (p *patientBar) anew() { *p = *newPatientBar(p.out, p.what) }

// set draws the bar: so many are done, of roughly so many. One that cannot be
// drawn is no reason to stop.
func (p *patientBar) set(done, roughly int) {
	if p.bar == nil {
		if !isTerminal(p.out) || time.Since(p.began) < patient {
			return
		}
		p.bar = newBar(p.out, roughly, p.what)
	}
	p.bar.ChangeMax(max(roughly, done, 1))
	_ = p.bar.Set(done)
}

// clear makes room for a line of output; the next step draws the bar again.
func (p *patientBar) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// progress tells a person how far the work is: with a bar on a terminal, else
// with a line now and then.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil where there is none
	total int
	done  int
	told  time.Time
}

// lineEvery is how often a line is written where there is no bar.
const lineEvery = time.Second

func newProgress(out io.Writer) *progress {
	return &progress{out: out}
}

func (p *progress) begin(total int) {
	p.total, p.told = total, time.Now()
	if isTerminal(p.out) {
		p.bar = newBar(p.out, total, "tasks")
	}
}

func (p *progress) set(done int) {
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

// note writes a line between the others. What it shows must be printable.
func (p *progress) note(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.out, format+"\n", args...)
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
		p.bar = nil
	}
}
