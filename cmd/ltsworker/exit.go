package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// The exit codes of every command.
const (
	exitDone        = 0
	exitFailed      = 1 // what was asked for did not work out
	exitUsage       = 2 // the command line or the config file is wrong; nothing was done
	exitUnreachable = 3 // Redis does not answer, or does not let us in
)

// usageError is a mistake in the command line: it is shown with the usage.
type usageError struct {
	msg  string
	hint string // what was probably meant; may be empty
}

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// inputError is a mistake in what a file, standard input or an argument holds:
// the usage line would not help.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// errReported ends a command with exitFailed where it has said why already.
var errReported = errors.New("failed")

func exitCode(err error) int {
	var usage *usageError
	var input *inputError
	var away *redisurl.UnreachableError
	var field *task.FieldError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage), errors.As(err, &input), errors.As(err, &field):
		return exitUsage
	case errors.As(err, &away), redisurl.IsNetwork(err):
		return exitUnreachable
	}
	return exitFailed
}

// afterInterrupt keeps of a joined error what is not the interrupt itself, such as
// that something could not be cleaned up.
func afterInterrupt(err error) error {
	said := []error{errors.New("interrupted")}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range all.Unwrap() {
			if !errors.Is(one, context.Canceled) {
				said = append(said, one)
			}
		}
	}
	return errors.Join(said...)
}

// explain tells a person what went wrong and, for a wrong command line, how it
// should look.
func explain(w io.Writer, cmd *cobra.Command, err error) {
	if errors.Is(err, errReported) {
		return
	}
	if errors.Is(err, context.Canceled) {
		err = afterInterrupt(err)
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		line = terminal.TidyError(line)
		if i == 0 {
			line = "ltsworker: " + line
		}
		fmt.Fprintln(w, terminal.Visible(line))
	}
	var usage *usageError
	if !errors.As(err, &usage) {
		return
	}
	if usage.hint != "" {
		fmt.Fprintf(w, "Did you mean %s?\n", usage.hint)
	}
	fmt.Fprintf(w, "\nUsage: %s\nSee %q for all of it.\n", cmd.UseLine(), cmd.CommandPath()+" --help")
}
