package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// tokenVariable is the environment variable that has the token of a report.
const tokenVariable = "LTS_TOKEN"

type reportFlags struct {
	tokenFile string
	permanent bool
	text      bool
	delay     durationFlag
}

func newReport(g *globals) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report succeeded|failed|released|progress [VALUE]",
		Short: "Report the end or the progress of a task that runs outside",
		Long: `Report on a task whose handler has detached it, with the token that the handler got for
its attempt. VALUE is the result of succeeded, in JSON, or with --text as it is; the
error text of failed; the progress, in JSON. VALUE - reads it from standard input.

The token is read from the environment variable ` + tokenVariable + `, or from the file of
--token-file. It cannot be given as an argument, because other users of the machine can
read arguments.

A failed attempt is retried by the policy of the task, unless --permanent is given. A
released task goes back to its queue and uses no attempt. The same report may be
repeated for ten minutes.`,
		Example: `  ltsworker report succeeded '{"frames":250}' --token-file job.token
  LTS_TOKEN=… ltsworker report failed "no space left" --delay 10m
  ltsworker report progress 0.4 --token-file job.token`,
		Args: between(1, 2, "the state: succeeded, failed, released or progress"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var token string
			var r task.OutsideReport
			err := terminal.Interruptibly(cmd.Context(), func() (err error) {
				if err = checkState(args); err == nil {
					token, err = f.token(cmd.InOrStdin(), args)
				}
				if err == nil {
					r, err = f.report(cmd.InOrStdin(), args)
				}
				return err
			})
			if err != nil {
				return err
			}
			return g.withServer(cmd, func(ctx context.Context, c *client.Client) error {
				if err := c.Report(ctx, token, r); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "accepted")
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.Var((*textFlag)(&f.tokenFile), "token-file", "`FILE` that holds the token, - for standard input")
	flags.BoolVar(&f.permanent, "permanent", false, "failed: do not retry")
	flags.BoolVar(&f.text, "text", false, "succeeded: the result is text, not JSON")
	flags.Var(&f.delay, "delay", "failed, released: time until the task may start again (default the backoff of\nthe task; 1s for released)")
	return cmd
}

// checkState checks the state, and that progress has a value.
func checkState(args []string) error {
	switch state := task.ReportState(args[0]); {
	case !slices.Contains([]task.ReportState{task.ReportSucceeded, task.ReportFailed, task.ReportReleased, task.ReportProgress}, state):
		return usagef("the state must be succeeded, failed, released or progress, not %s", terminal.Quoted(args[0]))
	case state == task.ReportProgress && len(args) < 2:
		return usagef("progress needs VALUE, such as 0.4")
	}
	return nil
}

// token reads the token.
func (f *reportFlags) token(in io.Reader, args []string) (string, error) {
	if f.tokenFile == "" {
		token := os.Getenv(tokenVariable)
		if token == "" {
			return "", usagef("the token is missing: set %s or --token-file", tokenVariable)
		}
		return token, nil
	}
	if f.tokenFile == "-" {
		if len(args) > 1 && args[1] == "-" {
			return "", usagef("standard input cannot be both the token and VALUE")
		}
	} else {
		file, err := os.Open(f.tokenFile)
		if err != nil {
			return "", &inputError{err}
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(task.MaxToken)+3))
	if err != nil {
		return "", &inputError{fmt.Errorf("read the token: %w", err)}
	}
	return strings.TrimSpace(string(text)), nil
}

// report builds the report from the flags and the arguments.
func (f *reportFlags) report(in io.Reader, args []string) (task.OutsideReport, error) {
	r := task.OutsideReport{State: task.ReportState(args[0]), Permanent: f.permanent, Delay: f.delay.value, DelaySet: f.delay.set}
	if f.text && r.State != task.ReportSucceeded {
		return r, usagef("--text goes with succeeded")
	}
	if len(args) > 1 {
		value, err := f.value(in, args[1], r.State)
		if err != nil {
			return r, err
		}
		switch r.State {
		case task.ReportSucceeded:
			r.Result = value
		case task.ReportFailed:
			r.Error = string(value)
		case task.ReportProgress:
			r.Progress = value
		default:
			return r, usagef("released has no VALUE")
		}
	}
	if problems := flagProblems(r.Check()); len(problems) > 0 {
		return r, usagef("%s", strings.Join(problems, "\n"))
	}
	return r, nil
}

// value reads VALUE.
func (f *reportFlags) value(in io.Reader, arg string, state task.ReportState) ([]byte, error) {
	value := []byte(arg)
	if arg == "-" {
		var err error
		if value, err = io.ReadAll(io.LimitReader(in, task.MaxResult+1)); err != nil {
			return nil, &inputError{fmt.Errorf("read VALUE from standard input: %w", err)}
		}
	}
	if state != task.ReportFailed && !f.text && !json.Valid(value) {
		return nil, &inputError{errors.New(`VALUE is not JSON; text needs double quotes inside the shell's: '"text"'`)}
	}
	return value, nil
}
