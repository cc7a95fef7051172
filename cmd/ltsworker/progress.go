package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// drawEvery is how often a bar is drawn at most.
const drawEvery = 50 * time.Millisecond

// newBar is a bar for so many of what, such as "tasks".
func newBar(out io.Writer, total int, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(drawEvery), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
}

// patient is how long a command may work before a person is shown how far it is.
const patient = time.Second

// patientBar is for a command that works longer than patient, on a terminal only:
// one for all that it does, one after the other. It may be used at once by several.
type patientBar struct {
	out io.Writer

	mu    sync.Mutex
	began time.Time // of the work, less what a person took to answer
	what  string    // what it counts, such as "tasks"
	bar   *progressbar.ProgressBar
	line  string    // a count that stands in place of the bar
	drawn time.Time // when line was
}

func newPatientBar(out io.Writer, what string) *patientBar {
	return &patientBar{out: out, what: what, began: time.Now()}
}

// turnTo goes on with something else to count.
func (p *patientBar) turnTo(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.what, p.bar = what, nil
}

// away leaves out the time that do takes, a person's.
func (p *patientBar) away(do func() error) error {
	p.clear()
	left := time.Now()
	err := do()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = p.began.Add(time.Since(left))
	return err
}

// watched reports whether a person at a terminal sees the bar.
func (p *patientBar) watched() bool { return isTerminal(p.out) }

// due reports whether there is somebody who has waited for long enough.
func (p *patientBar) due() bool { return p.watched() && time.Since(p.began) >= patient }

// set draws the bar: so many are done, of roughly so many. One that cannot be
// drawn is no reason to stop.
func (p *patientBar) set(done, roughly int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		if !p.due() {
			return
		}
		p.bar = newBar(p.out, roughly, p.what)
	}
	p.bar.ChangeMax(max(roughly, done, 1))
	_ = p.bar.Set(done)
}

// count draws how many are done where nobody knows of how many.
func (p *patientBar) count(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.drawn) < drawEvery || !p.due() {
		return
	}
	p.line, p.drawn = fmt.Sprintf("%d %s", done, p.what), time.Now()
	fmt.Fprint(p.out, "\r"+p.line)
}

// clear makes room for a line of output; the next step draws the bar again.
func (p *patientBar) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

func (p *patientBar) wipe() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	if p.line != "" {
		fmt.Fprint(p.out, "\r"+strings.Repeat(" ", len(p.line))+"\r")
		p.line, p.drawn = "", time.Time{}
	}
}
