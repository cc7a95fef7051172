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
	exitFailed      = 1 // the command did not do what was requested
	exitUsage       = 2 // the command line or the config file is wrong; nothing was done
	exitUnreachable = 3 // Redis does not answer
)

// usageError is a mistake in the command line. It is shown with the usage line.
type usageError struct {
	msg  string
	hint string // the word that was probably meant; may be empty
}

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// inputError is a mistake in the content of a file, of standard input or of an argument. It is
// shown without the usage line, which would not help.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// errReported ends a command with exitFailed after it has printed the reason.
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

// afterInterrupt returns an error for an interrupted command. It includes other errors that are
// joined in err, such as a failed removal of a pool.
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

// explain prints an error. If the command line is wrong it also prints the usage line.
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
