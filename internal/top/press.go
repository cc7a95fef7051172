package top

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// key handles a key press.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	m.presses++
	key := msg.String()
	switch {
	case key == "ctrl+c":
		return tea.Quit
	case m.asked != nil:
		a := m.asked
		m.asked, m.says = nil, "nothing was changed"
		if key == "y" || key == "Y" {
			return m.perform(*a)
		}
		return nil
	case m.help:
		m.help = false
		return nil
	case m.typing:
		m.edit(key, msg.Text)
		return nil
	}
	m.says = ""
	switch key {
	case "q":
		return tea.Quit
	case "?":
		m.help = true
	case "/":
		m.typing = true
	case "esc", "backspace":
		m.back()
	case "enter":
		return m.open()
	case ">", "o":
		m.table().sortBy(1, m.width)
		m.showFirst()
	case "<":
		m.table().sortBy(-1, m.width)
		m.showFirst()
	case "O":
		m.table().reverseOrder()
		m.showFirst()
	default:
		if m.page() == nil && m.goToTable(key) || m.goToLine(key) {
			return nil
		}
		switch of := m.target(); {
		case of == nil:
			m.sayGone()
		case !m.now.readOnly:
			return of.act(m, key)
		case slices.Contains(strings.Fields(of.keys()), key):
			m.says = "this user may read the pool, and change nothing"
		}
	}
	return nil
}

// sayGone says why a key does nothing if the chosen row no longer exists.
func (m *model) sayGone() {
	if m.table().gone {
		m.says = "the chosen line no longer exists: move to another"
	}
}

// table returns the table that is sorted: that of the page, or the chosen one.
func (m *model) table() *table {
	if p := m.page(); p != nil {
		return &p.tasks
	}
	return &m.tables[m.focus]
}

// back ends the filter. Without one it closes the page, or ends the zoom of the overview.
func (m *model) back() {
	switch {
	case m.table().filter != "":
		m.setFilter("")
	case len(m.pages) > 0:
		m.pages = m.pages[:len(m.pages)-1]
	default:
		m.zoom = false
	}
}

// open opens the page of the chosen row.
func (m *model) open() tea.Cmd {
	var of subject
	if p := m.page(); p == nil {
		of = m.target()
	} else if of = p.chosen(m.width, m.room()); of != nil && of.title() == p.of.title() {
		of = nil
	}
	if of == nil {
		m.sayGone()
		return nil
	}
	m.pages = append(m.pages, newPage(of))
	return m.readNow()
}

// edit handles a key while the filter is typed.
func (m *model) edit(key, text string) {
	filter := m.table().filter
	switch key {
	case "enter":
		m.typing = false
	case "esc":
		m.typing = false
		m.setFilter("")
	case "backspace":
		runes := []rune(filter)
		m.setFilter(string(runes[:max(len(runes)-1, 0)]))
	case "ctrl+u":
		m.setFilter("")
	default:
		m.setFilter(filter + text)
	}
}

// setFilter filters the tasks of the page, or all tables of the overview.
func (m *model) setFilter(filter string) {
	if p := m.page(); p != nil {
		p.tasks.setFilter(filter)
		return
	}
	for i := range m.tables {
		m.tables[i].setFilter(filter)
	}
}

// goToTable handles the keys that choose a table. It returns false for other keys.
func (m *model) goToTable(key string) bool {
	switch key {
	case "tab":
		m.focusOn((m.focus + 1) % tables)
	case "shift+tab":
		m.focusOn((m.focus + tables - 1) % tables)
	case "1", "2", "3", "4", "5":
		m.focusOn(int(key[0] - '1'))
	case "z":
		m.zoom = !m.zoom
	default:
		return false
	}
	m.tables[m.focus].hold()
	return true
}

// focusOn chooses a table. The one before keeps its chosen row, except its first one: a
// table in which no key has chosen another row shows whichever row is the first.
func (m *model) focusOn(table int) {
	m.tables[m.focus].release()
	m.focus = table
	m.tables[m.focus].hold()
}

// showFirst shows the first lines after a change of the order.
func (m *model) showFirst() {
	if p := m.page(); p != nil {
		p.showFirst(m.width, m.room())
		return
	}
	m.tables[m.focus].showFirst(m.rows()[m.focus])
}

// farLines is how many lines PgUp and PgDn go.
const farLines = 10

// goToLine handles the keys that choose a line. It returns false for other keys.
func (m *model) goToLine(key string) bool {
	step := map[string]int{"down": 1, "j": 1, "up": -1, "k": -1, "pgdown": farLines, "pgup": -farLines}[key]
	end := key == "end" || key == "G"
	switch p := m.page(); {
	case step == 0 && !end && key != "home" && key != "g":
		return false
	case p != nil && step != 0:
		for range max(step, -step) {
			p.move(step/max(step, -step), m.width, m.room())
		}
	case p != nil:
		p.jump(end, m.width, m.room())
	case step != 0:
		for range max(step, -step) {
			m.move(step / max(step, -step))
		}
	case end:
		m.tables[m.focus].choose(len(m.tables[m.focus].rows) - 1)
	default:
		m.tables[m.focus].choose(0)
	}
	return true
}

// move goes to the next or the previous line, also of the next or the previous table that
// has lines.
func (m *model) move(by int) {
	if m.tables[m.focus].move(by) || m.zoom {
		return
	}
	for i := m.focus + by; i >= 0 && i < tables; i += by {
		t := &m.tables[i]
		if len(t.rows) == 0 {
			continue
		}
		m.focusOn(i)
		if t.choose(0); by < 0 {
			t.choose(len(t.rows) - 1)
		}
		return
	}
}
