package top

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// The tables of the overview, in their order.
const (
	queueTable = iota
	runningTable
	replicaTable
	failureTable
	groupTable
	tables
)

// model is the state of the view: keys and snapshots in, a picture out.
type model struct {
	ctx     context.Context
	pool    actions
	reader  *reader
	every   time.Duration
	title   string
	palette terminal.Palette

	width, height int
	now           snapshot
	seen          time.Time // when now was read; zero before the first
	trouble       error     // of the last read
	reading       bool      // a read is running
	readAgain     bool      // read once more when the running read has ended

	tables [tables]table
	focus  int  // the chosen table
	zoom   bool // only the chosen table is shown
	pages  []*page
	help   bool // the keys are shown
	typing bool // keys go into the filter

	asked   *action       // the question that waits for a yes
	presses int           // how many keys were pressed
	says    string        // what the last key did, or the error
	done    *atomic.Int64 // tasks changed so far by the running action; nil for none
}

func newModel(ctx context.Context, pool actions, r *reader, every time.Duration, title string, p terminal.Palette) *model {
	m := &model{ctx: ctx, pool: pool, reader: r, every: every, title: title, palette: p}
	for i, columns := range [tables][]column{queueColumns, runningColumns, replicaColumns, failureColumns, groupColumns} {
		m.tables[i].columns = columns
	}
	m.tables[runningTable].by = 3 // FOR
	m.tables[groupTable].by = 2   // HELD
	return m
}

// The messages that Update gets.
type (
	readMsg struct {
		snapshot
		err     error
		page    *page // the page that content is of; nil for none
		content content
		pageErr error
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

func (m *model) Init() tea.Cmd { return tea.Batch(m.read(), m.tick()) }

func (m *model) tick() tea.Cmd {
	return tea.Tick(m.every, func(time.Time) tea.Msg { return tickMsg{} })
}

// read reads the pool and the page that is shown. It returns nil if a read is running.
func (m *model) read() tea.Cmd {
	if m.reading {
		return nil
	}
	m.reading, m.readAgain = true, false
	p, progress := m.page(), m.width >= progressFrom
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, stale)
		defer cancel()
		msg := readMsg{page: p}
		if msg.snapshot, msg.err = m.reader.read(ctx, progress); msg.err == nil && p != nil {
			msg.content, msg.pageErr = p.of.read(ctx, m.reader, &msg.snapshot)
		}
		return msg
	}
}

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		// The picture is drawn again in any case, because it shows its age.
		return m, tea.Batch(m.read(), m.tick())
	case readMsg:
		m.reading = false
		if m.trouble = cmp.Or(msg.err, msg.pageErr); msg.err == nil {
			m.show(msg)
		}
		if m.readAgain {
			return m, m.read()
		}
	case askMsg:
		switch {
		case msg.presses != m.presses: // another key was pressed since
		case msg.err != nil:
			m.says = msg.err.Error()
		default:
			m.confirm(msg.action)
		}
	case doneMsg:
		m.done = nil
		if m.says = msg.says; msg.err != nil {
			m.says = msg.err.Error()
		}
		return m, m.readNow()
	case tea.PasteMsg:
		if m.typing {
			m.edit("", msg.Content)
		}
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

// readNow reads at once, or once more after the read that is running.
func (m *model) readNow() tea.Cmd {
	m.readAgain = m.reading
	return m.read()
}

// show replaces what the tables and the page show.
func (m *model) show(msg readMsg) {
	m.now, m.seen = msg.snapshot, time.Now()
	for i, rows := range [tables][]row{queueRows(&m.now), runningRows(&m.now), replicaRows(&m.now), failureRows(&m.now), groupRows(&m.now)} {
		m.tables[i].set(rows)
	}
	if t := &m.tables[m.focus]; t.chosen == "" {
		t.hold()
	}
	m.tables[runningTable].note, m.tables[failureTable].note = "", ""
	if !m.now.complete {
		m.tables[runningTable].note = "(some)"
	}
	if !m.now.all {
		m.tables[failureTable].note = "(newest)"
	}
	if msg.page != nil && msg.pageErr == nil {
		msg.page.set(msg.content)
	}
}

// page returns the page that is shown, nil for the overview.
func (m *model) page() *page {
	if len(m.pages) == 0 {
		return nil
	}
	return m.pages[len(m.pages)-1]
}

// target returns what a key acts on: the subject of the page, or of the chosen row. It
// is nil if there is none.
func (m *model) target() subject {
	if p := m.page(); p != nil {
		return p.of
	}
	if r := m.tables[m.focus].current(); r != nil {
		return r.of
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

// confirm asks the question of an action.
func (m *model) confirm(a action) { m.says, m.asked = "", &a }

func (m *model) perform(a action) tea.Cmd {
	done := new(atomic.Int64)
	m.says, m.done = "", done
	return func() tea.Msg {
		says, err := a.do(m.ctx, func(n int) { done.Add(int64(n)) })
		return doneMsg{says, err}
	}
}
