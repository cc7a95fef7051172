package top

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// page shows a subject: text, and tasks to choose from.
type page struct {
	of     subject
	read   bool     // lines and tasks are set
	lines  []string // of the content
	tasks  table
	offset int  // the first line that is shown
	end    bool // the last line is shown: it stays so while lines are added
}

func newPage(of subject) *page {
	return &page{of: of, tasks: table{columns: taskColumns, by: -1}}
}

// set replaces the content.
func (p *page) set(c content) {
	p.read, p.lines, p.tasks.note = true, c.lines, "("+c.note+")"
	p.tasks.set(c.rows)
	if p.tasks.chosen == "" {
		p.tasks.hold()
	}
}

// indent is before the second and further lines of a wrapped line.
const indent = "    "

// body returns all lines of the page and the line of the chosen task, -1 for none.
func (p *page) body(width int, palette terminal.Palette) (lines []string, cursor int) {
	if !p.read {
		return []string{"reading…"}, -1
	}
	for _, line := range p.lines {
		for i, part := range strings.Split(ansi.Wrap(line, max(width-len(indent), 10), ""), "\n") {
			if i > 0 {
				part = indent + part
			}
			lines = append(lines, terminal.Isolated(part))
		}
	}
	if len(p.tasks.all) == 0 {
		return lines, -1
	}
	lines = append(lines, "")
	cursor = len(lines) + 1 + p.tasks.line
	lines = append(lines, p.tasks.lines(width, len(p.tasks.rows), true, palette)...)
	if p.tasks.current() == nil {
		cursor = -1
	}
	return lines, cursor
}

// picture returns the part of the page that fits.
func (p *page) picture(width, height int, palette terminal.Palette) []string {
	lines, _ := p.body(width, palette)
	last := max(len(lines)-height, 0)
	if p.offset = min(p.offset, last); p.end {
		p.offset = last
	}
	return lines[p.offset:min(p.offset+height, len(lines))]
}

// move chooses another task if the chosen one is on the screen and there is another one in
// that direction. Otherwise it scrolls.
func (p *page) move(by, width, height int) {
	lines, cursor := p.body(width, false)
	last := max(len(lines)-height, 0)
	defer func() { p.end = last > 0 && p.offset == last }()
	visible := cursor >= p.offset && cursor < p.offset+height
	if cursor >= 0 && visible && p.tasks.move(by) {
		cursor += by
		p.offset = max(min(p.offset, cursor), cursor-height+1)
		return
	}
	if p.tasks.gone {
		p.tasks.move(by)
		return
	}
	p.offset = max(min(p.offset+by, last), 0)
}

// jump goes to the first or to the last line and task.
func (p *page) jump(toEnd bool, width, height int) {
	p.tasks.choose(0)
	p.offset, p.end = 0, toEnd
	if toEnd {
		p.tasks.choose(len(p.tasks.rows) - 1)
		p.picture(width, height, false)
	}
}

// showFirst shows the first tasks after a change of their order, or as much above them as
// was shown. The chosen task stays chosen if it is then on the screen.
func (p *page) showFirst(width, height int) {
	lines, _ := p.body(width, false)
	p.offset, p.end = min(p.offset, max(len(lines)-len(p.tasks.rows)-1, 0)), false
	if p.chosen(width, height) == nil {
		p.tasks.choose(0)
	}
}

// chosen returns the subject of the chosen task if it is on the screen, else nil.
func (p *page) chosen(width, height int) subject {
	_, cursor := p.body(width, false)
	r := p.tasks.current()
	if r == nil || cursor < p.offset || cursor >= p.offset+height {
		return nil
	}
	return r.of
}
