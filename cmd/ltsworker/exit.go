package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

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

// unreachableError names the Redis that cannot be used, without its password.
type unreachableError struct {
	address string
	err     error
}

func (e *unreachableError) Error() string {
	reason := e.err.Error()
	if isTimeout(e.err) {
		reason = "no answer in time: " + reason
	}
	return fmt.Sprintf("cannot use Redis at %s: %s", e.address, reason)
}
func (e *unreachableError) Unwrap() error { return e.err }

// unreachable adds the address to an error that says that the connection to Redis
// broke.
func unreachable(address string, err error) error {
	var named *unreachableError
	if err == nil || errors.As(err, &named) || !isNetwork(err) {
		return err
	}
	return &unreachableError{address: address, err: err}
}

// errReported ends a command with exitFailed where it has said why already.
var errReported = errors.New("failed")

func exitCode(err error) int {
	var usage *usageError
	var input *inputError
	var away *unreachableError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage), errors.As(err, &input), len(fieldErrors(err)) > 0:
		return exitUsage
	case errors.As(err, &away), isNetwork(err):
		return exitUnreachable
	}
	return exitFailed
}

// fieldErrors lists every refused field inside err.
func fieldErrors(err error) []*task.FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *task.FieldError:
		return []*task.FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*task.FieldError
		for _, one := range e.Unwrap() {
			all = append(all, fieldErrors(one)...)
		}
		return all
	default:
		return fieldErrors(errors.Unwrap(err))
	}
}

// isNetwork reports whether err says that the connection to Redis broke, or that
// nothing comes over it any more.
func isNetwork(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var op *net.OpError
	return errors.As(err, &op) || isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isTimeout reports whether err says that Redis let a call wait too long. The end
// of the time that a command was given is something else, although a dial that
// takes too long calls itself by its name.
func isTimeout(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Timeout()
	}
	var slow net.Error
	return !errors.Is(err, context.DeadlineExceeded) && errors.As(err, &slow) && slow.Timeout()
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
		line = tidy(line)
		if i == 0 {
			line = "ltsworker: " + line
		}
		fmt.Fprintln(w, visible(line))
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

// scriptPlace is where in a script Redis found an error, which says nothing to
// those who did not write it.
var scriptPlace = regexp.MustCompile(` script: [0-9a-f]{40}, on @user_script:\d+\.?`)

// tidy makes the text of an error fit for a person: it names no place in a script.
func tidy(text string) string { return scriptPlace.ReplaceAllString(text, "") }
