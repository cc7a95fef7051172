package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// drawEvery is the least time between two drawings of a bar.
const drawEvery = 50 * time.Millisecond

// newProgressBar makes a bar that counts to total. what names the things, such as "tasks".
func newProgressBar(out io.Writer, total int, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(drawEvery), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
}

// Patience is how long a command works before a Bar is shown.
const Patience = time.Second

// Bar shows how far a command is. It is shown on a terminal only, and only when the
// command has worked longer than Patience. A command has one Bar for all its steps; see
// SwitchTo. Its methods are safe for concurrent use.
type Bar struct {
	out io.Writer

	mu    sync.Mutex
	began time.Time // of the work, plus the time that Exclude left out
	what  string    // what it counts, such as "tasks"
	bar   *progressbar.ProgressBar
	line  string    // a count that is shown instead of the bar
	drawn time.Time // when line was
}

// NewBar makes a bar. Its time starts now. what names the things it counts, such as
// "tasks".
func NewBar(out io.Writer, what string) *Bar {
	return &Bar{out: out, what: what, began: time.Now()}
}

// SwitchTo clears the bar and counts something else from now on.
func (p *Bar) SwitchTo(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.what, p.bar = what, nil
}

// Exclude calls do and leaves its time out of the time that the command has worked: a
// person answers meanwhile. It returns the error of do.
func (p *Bar) Exclude(do func() error) error {
	p.Clear()
	left := time.Now()
	err := do()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = p.began.Add(time.Since(left))
	return err
}

// Watched reports whether the bar is on a terminal.
func (p *Bar) Watched() bool { return IsTerminal(p.out) }

// due reports whether the bar is to be shown.
func (p *Bar) due() bool { return p.Watched() && time.Since(p.began) >= Patience }

// Set draws the bar with done of roughly the given total. It ignores an error of the
// terminal.
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

// Count shows the number of things done, without a bar. It is for an unknown total.
func (p *Bar) Count(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.drawn) < drawEvery || !p.due() {
		return
	}
	p.line, p.drawn = fmt.Sprintf("%d %s", done, p.what), time.Now()
	fmt.Fprint(p.out, "\r"+p.line)
}

// Clear removes the bar, so that a line of output can be written. The next Set or Count
// draws it again.
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
