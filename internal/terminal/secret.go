package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal is returned when a person is to be asked and the input is no terminal.
var ErrNoTerminal = errors.New("the input is no terminal")

// Secret writes the question to out and reads a line from in, which must be a terminal. The
// terminal does not show the line. If ctx ends, it returns the cause. The question must be
// printable.
func Secret(ctx context.Context, in io.Reader, out io.Writer, question string) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !IsTerminal(f) {
		return "", ErrNoTerminal
	}
	// If ctx ends, the read goes on and does not restore the terminal.
	fd := int(f.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(fd, state)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	fmt.Fprint(out, question)
	defer fmt.Fprintln(out)
	lines := make(chan string, 1)
	err = Interruptibly(ctx, func() error {
		line, err := term.ReadPassword(fd)
		lines <- string(line)
		return err
	})
	if err != nil {
		return "", err
	}
	return <-lines, nil
}
