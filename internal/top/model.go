package top

import (
	"context"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// section is a table of the picture.
type section int

const (
	queueSection section = iota
	replicaSection
	failureSection
	sections
)

// model is the state of the view.
type model struct {
	ctx     context.Context
	pool    poolCalls
	every   time.Duration
	title   string
	palette terminal.Palette

	width, height int
	now           snapshot
	seen          time.Time // when now was read; zero before the first
	trouble       error     // of the last read
	looking       bool      // a read is running
	section       section
	line          [sections]int    // the chosen line of each section
	chosen        [sections]string // the identity of that line
	gone          [sections]bool   // the chosen line no longer exists: no line is chosen until a key moves
	first         [sections]int    // the first line of each that is shown
	asked         *action          // the question that waits for a yes
	presses       int              // how many keys were pressed
	says          string           // what the last key did, or the error
	done          *atomic.Int64    // tasks changed so far by the running action; nil for none
}

// The messages that Update gets.
type (
	lookMsg struct {
		snapshot
		err error
	}
	tickMsg struct{}
	askMsg  struct {
		action
		err     error
		presses int // at the time of the key
	}
	doneMsg struct {
		says string
		err  error
	}
)

func (m *model) Init() tea.Cmd {
	m.looking = true
	return tea.Batch(m.look, m.tick())
}

func (m *model) tick() tea.Cmd {
	return tea.Tick(m.every, func(time.Time) tea.Msg { return tickMsg{} })
}

func (m *model) look() tea.Msg {
	s, err := m.pool.look(m.ctx)
	return lookMsg{s, err}
}

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		// The picture is drawn again in any case, because it shows its age.
		if m.looking {
			return m, m.tick()
		}
		m.looking = true
		return m, tea.Batch(m.look, m.tick())
	case lookMsg:
		m.looking = false
		if m.trouble = msg.err; msg.err == nil {
			m.now, m.seen = msg.snapshot, time.Now()
			m.follow()
		}
	case askMsg:
		switch {
		case msg.presses != m.presses: // another key was pressed since
		case msg.err != nil:
			m.says = msg.err.Error()
		default:
			m.says, m.asked = "", &msg.action
		}
	case doneMsg:
		m.done = nil
		if m.says = msg.says; msg.err != nil {
			m.says = msg.err.Error()
		}
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// key handles a key press.
func (m *model) key(key string) tea.Cmd {
	m.presses++
	if a := m.asked; a != nil && key != "ctrl+c" {
		m.asked, m.says = nil, "nothing was changed"
		if key == "y" || key == "Y" {
			return m.perform(*a)
		}
		return nil
	}
	m.says = ""
	switch key {
	case "q", "ctrl+c", "esc":
		return tea.Quit
	case "tab":
		m.section = (m.section + 1) % sections
	case "shift+tab":
		m.section = (m.section + sections - 1) % sections
	case "down", "j":
		m.move(1)
	case "up", "k":
		m.move(-1)
	case "home", "g":
		m.choose(m.section, 0)
	case "end", "G":
		m.choose(m.section, m.lines(m.section))
	default:
		return m.act(key)
	}
	m.keepInside()
	return nil
}

func (m *model) choose(s section, line int) { m.line[s], m.gone[s] = line, false }

// move goes to the next or the previous line, also of the next or the previous section.
// If the chosen line no longer exists, it chooses the line that is in its place now.
func (m *model) move(by int) {
	if m.gone[m.section] && m.lines(m.section) > 0 {
		m.choose(m.section, m.line[m.section])
		return
	}
	m.line[m.section] += by
	if at := m.line[m.section]; at >= 0 && at < m.lines(m.section) {
		return
	}
	for s := m.section + section(by); s >= 0 && s < sections; s += section(by) {
		if n := m.lines(s); n > 0 {
			m.section = s
			m.choose(s, 0)
			if by < 0 {
				m.choose(s, n-1)
			}
			return
		}
	}
}

// act handles a key for the chosen line.
func (m *model) act(key string) tea.Cmd {
	line := m.line[m.section]
	if m.seen.IsZero() || line >= m.lines(m.section) {
		return nil
	}
	if m.gone[m.section] {
		m.says = "the chosen line no longer exists: move to another"
		return nil
	}
	switch m.section {
	case queueSection:
		queue, filter, of := "", pool.Filter{}, "of the whole pool"
		if line > 0 {
			queue = m.now.queues[line-1].Name
			filter.Queues, of = []string{queue}, "of queue "+terminal.Printable(queue)
		}
		switch key {
		case "p", "r":
			return m.perform(m.pool.pause(queue, key == "p"))
		case "s":
			return m.ask(func(ctx context.Context) (action, error) { return m.pool.stop(ctx, filter, of) })
		}
	case replicaSection:
		if key == "d" {
			a := m.pool.drain(m.now.replicas[line])
			m.asked = &a
		}
	case failureSection:
		g := m.now.failures[line]
		switch key {
		case "t":
			return m.ask(func(ctx context.Context) (action, error) { return m.pool.retry(ctx, g) })
		case "s":
			return m.ask(func(ctx context.Context) (action, error) {
				return m.pool.stop(ctx, pool.Filter{Kinds: []string{g.kind}}, "of kind "+terminal.Printable(g.kind))
			})
		}
	}
	return nil
}

// countTimeout bounds the counting before a question. The change after it may take
// longer with many tasks: only the driver's timeouts bound its calls.
const countTimeout = 30 * time.Second

// ask prepares the question of an action.
func (m *model) ask(prepare func(context.Context) (action, error)) tea.Cmd {
	m.says = "counting…"
	presses := m.presses
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, countTimeout)
		defer cancel()
		a, err := prepare(ctx)
		return askMsg{a, err, presses}
	}
}

func (m *model) perform(a action) tea.Cmd {
	done := new(atomic.Int64)
	m.says, m.done = "", done
	return func() tea.Msg {
		says, err := a.do(m.ctx, func(n int) { done.Add(int64(n)) })
		return doneMsg{says, err}
	}
}

// lines returns how many lines a section has. The first line of the queues is the whole
// pool.
func (m *model) lines(s section) int {
	switch s {
	case queueSection:
		return 1 + len(m.now.queues)
	case replicaSection:
		return len(m.now.replicas)
	}
	return len(m.now.failures)
}

// keepInside moves the chosen lines into their sections, and records their identities.
func (m *model) keepInside() {
	for s := range sections {
		m.line[s] = max(min(m.line[s], m.lines(s)-1), 0)
		if !m.gone[s] {
			m.chosen[s] = m.identity(s, m.line[s])
		}
	}
}

// follow moves the chosen lines to where their identities are now, so that a key does
// not act on another line.
func (m *model) follow() {
	for s := range sections {
		m.gone[s] = m.chosen[s] != ""
		for i := range m.lines(s) {
			if m.chosen[s] == m.identity(s, i) {
				m.choose(s, i)
			}
		}
	}
	m.keepInside()
}

// identity returns the name of a queue, the id of a replica or the key of a group. It
// is "" for the whole pool and for no line.
func (m *model) identity(s section, i int) string {
	switch {
	case i >= m.lines(s):
		return ""
	case s == replicaSection:
		return m.now.replicas[i].ID
	case s == failureSection:
		return m.now.failures[i].key
	case i > 0:
		return m.now.queues[i-1].Name
	}
	return ""
}
