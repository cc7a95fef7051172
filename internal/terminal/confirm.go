package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrDeclined is returned when the user did not confirm.
var ErrDeclined = errors.New("nothing was changed")

// CanAsk reports whether a person can be asked: in and out are terminals.
func CanAsk(in io.Reader, out io.Writer) bool { return IsTerminal(in) && IsTerminal(out) }

// Confirm writes the question to out, reads a line from in and returns nil if it is
// "y" or "yes". For any other line, and for input without a newline, it returns
// ErrDeclined. If ctx ends, it returns the cause. The question must be printable.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s [y/N] ", question)
	var line string
	err := Interruptibly(ctx, func() (err error) {
		line, err = bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
		return err
	})
	if err != nil {
		fmt.Fprintln(out)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Input without a newline is not a yes.
	if err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))) {
		return nil
	}
	return ErrDeclined
}
