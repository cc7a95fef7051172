package terminal

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

// newProgressBar is a bar for so many of what, such as "tasks".
func newProgressBar(out io.Writer, total int, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(drawEvery), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
}

// Patience is how long a command may work before a person is shown how far it is.
const Patience = time.Second

// Bar is for a command that works longer than patient, on a terminal only:
// one for all that it does, one after the other. It may be used at once by several.
type Bar struct {
	out io.Writer

	mu    sync.Mutex
	began time.Time // of the work, less what a person took to answer
	what  string    // what it counts, such as "tasks"
	bar   *progressbar.ProgressBar
	line  string    // a count that stands in place of the bar
	drawn time.Time // when line was
}

func NewBar(out io.Writer, what string) *Bar {
	return &Bar{out: out, what: what, began: time.Now()}
}

// SwitchTo goes on with something else to count.
func (p *Bar) SwitchTo(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.what, p.bar = what, nil
}

// Exclude leaves out the time that do takes, a person's.
func (p *Bar) Exclude(do func() error) error {
	p.Clear()
	left := time.Now()
	err := do()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = p.began.Add(time.Since(left))
	return err
}

// Watched reports whether a person at a terminal sees the bar.
func (p *Bar) Watched() bool { return IsTerminal(p.out) }

// due reports whether there is somebody who has waited for long enough.
func (p *Bar) due() bool { return p.Watched() && time.Since(p.began) >= Patience }

// Set draws the bar: so many are done, of roughly so many. One that cannot be
// drawn is no reason to stop.
func (p *Bar) Set(done, roughly int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		if !p.due() {
			return
		}
		p.bar = newProgressBar(p.out, roughly, p.what)
	}
	p.bar.ChangeMax(max(roughly, done, 1))
	_ = p.bar.Set(done)
}

// Count draws how many are done where nobody knows of how many.
func (p *Bar) Count(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.drawn) < drawEvery || !p.due() {
		return
	}
	p.line, p.drawn = fmt.Sprintf("%d %s", done, p.what), time.Now()
	fmt.Fprint(p.out, "\r"+p.line)
}

// Clear makes room for a line of output; the next step draws the bar again.
func (p *Bar) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

func (p *Bar) wipe() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	if p.line != "" {
		fmt.Fprint(p.out, "\r"+strings.Repeat(" ", len(p.line))+"\r")
		p.line, p.drawn = "", time.Time{}
	}
}
