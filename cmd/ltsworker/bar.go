package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

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

// set draws the bar: so many are done, of roughly so many. One that cannot be
// drawn is no reason to stop.
func (p *patientBar) set(done, roughly int) {
	if p.bar == nil {
		if !isTerminal(p.out) || time.Since(p.began) < patient {
			return
		}
		p.bar = progressbar.NewOptions(roughly,
			progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(p.what), progressbar.OptionShowCount(),
			progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
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
