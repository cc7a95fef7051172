package top

import (
	"bytes"
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// subject is what a row shows: the pool, a queue, a task, a replica, a group, or tasks
// that failed alike. Enter opens its page.
type subject interface {
	// title names it. It is printable and differs from that of every other subject.
	title() string
	// keys says which keys act does something for, as in "p pause  r resume". All of them
	// change something in the pool. No other word in it has one letter.
	keys() string
	// act handles a key. It returns nil if the key does nothing.
	act(m *model, key string) tea.Cmd
	// read returns the content of its page. s has just been read.
	read(ctx context.Context, r *reader, s *snapshot) (content, error)
}

// content is what a page shows: text, then tasks.
type content struct {
	lines []string // printable; longer ones are wrapped
	rows  []row    // of the columns taskColumns
	note  string   // says which tasks these are
}

// fields collects the lines "name  value" of a page.
type fields struct {
	buf bytes.Buffer
	tab *terminal.Table
}

func newFields() *fields {
	f := &fields{}
	f.tab = terminal.NewTable(&f.buf)
	return f
}

// add adds a line. The value must be printable. A line without a value is left out.
func (f *fields) add(name, value string) {
	if value != "" {
		f.tab.Row(name, value)
	}
}

func (f *fields) lines() []string {
	_ = f.tab.Flush() // a write to a buffer does not fail
	return strings.Split(strings.TrimSuffix(f.buf.String(), "\n"), "\n")
}
