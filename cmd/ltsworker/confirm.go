package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// errDeclined is the answer of a person who was asked and did not say yes.
var errDeclined = errors.New("nothing was changed")

// canAsk reports whether a person can be asked: they read standard error and
// type on standard input.
func canAsk(cmd *cobra.Command) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && isTerminal(cmd.ErrOrStderr())
}

// confirm asks and returns nil for a yes. What it shows must be printable.
func confirm(ctx context.Context, cmd *cobra.Command, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() {
		// What is not a line is not a yes.
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 100)).ReadString('\n')
		if err != nil {
			fmt.Fprintln(cmd.ErrOrStderr())
			line = ""
		}
		answer <- line
	}()
	select {
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	case <-ctx.Done():
		fmt.Fprintln(cmd.ErrOrStderr())
		return context.Cause(ctx)
	}
}
