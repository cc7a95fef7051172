// Package top is the live view of a pool: what it reads, the state with the keys that
// change it, and the picture.
package top

import (
	"context"
	"errors"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// WriteTask writes a task as printable text, with what else is known of it.
type WriteTask func(ctx context.Context, w io.Writer, t *task.Task) error

// Options say where the view is shown and how often it is read again.
type Options struct {
	In    io.Reader     // the terminal that keys come from
	Out   io.Writer     // the terminal that the picture goes to
	Every time.Duration // between two reads of the pool
	Task  WriteTask     // writes the page of a task
}

// Run shows the view until the key q is pressed or ctx ends, and then restores
// the terminal. Neither is an error.
func Run(ctx context.Context, c *client.Client, o Options) error {
	// The calls of the view end with it.
	calls, end := context.WithCancel(ctx)
	defer end()
	view := newModel(calls, actions{c}, &reader{Client: c, write: o.Task}, o.Every, c.Name+" at "+c.Address, terminal.Colours(o.Out))
	program := tea.NewProgram(view, tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler())
	// The end of ctx quits as the key does, so that the terminal is restored.
	defer context.AfterFunc(ctx, program.Quit)()
	_, err := program.Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
