package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// errDeclined is the answer of a person who was asked and did not say yes.
var errDeclined = errors.New("nothing was changed")

// canAsk reports whether a person can be asked: they read standard error and
// type on standard input.
func canAsk(cmd *cobra.Command) bool { return canType(cmd) && isTerminal(cmd.ErrOrStderr()) }

// canType reports whether a person types on standard input.
func canType(cmd *cobra.Command) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// confirm asks and returns nil for a yes. What it shows must be printable.
func confirm(ctx context.Context, cmd *cobra.Command, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	var line string
	err := interruptibly(ctx, func() (err error) {
		line, err = bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 100)).ReadString('\n')
		return err
	})
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// What is not a line is not a yes.
	if err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))) {
		return nil
	}
	return errDeclined
}

// interruptibly calls read, which waits for what others write, and leaves it behind
// when ctx ends. What it has set must not be used after an error.
func interruptibly(ctx context.Context, read func() error) error {
	done := make(chan error, 1)
	go func() { done <- read() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
