package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/internal/batch"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// enqueueBatch enqueues the tasks of an NDJSON file, or none of them if a line is
// invalid.
func enqueueBatch(cmd *cobra.Command, g *globals, f *enqueueFlags) error {
	if f.wait {
		return usagef("--wait does not go with --batch; wait for the tasks with ltsworker wait ID...")
	}
	var set []string
	cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed && flag.Name != "batch" && flag.Name != "json" {
			set = append(set, "--"+flag.Name)
		}
	})
	if len(set) > 0 {
		return usagef("--batch takes what a task needs from its lines, not from %s", strings.Join(set, " "))
	}
	name := f.batch
	if name == "-" {
		name = "standard input"
	}
	bar := terminal.NewBar(cmd.ErrOrStderr(), "lines read")
	defer bar.Clear()
	var specs []task.Spec
	var lines []int
	err := terminal.Interruptibly(cmd.Context(), func() error {
		in := cmd.InOrStdin()
		if f.batch != "-" {
			file, err := batch.Open(f.batch)
			if err != nil {
				return &inputError{fmt.Errorf("open the batch: %w", err)}
			}
			defer file.Close()
			in = file
		}
		var err error
		specs, lines, err = batch.Read(in, name, func(n int) {
			if cmd.Context().Err() == nil { // after an interrupt the command no longer uses the bar
				bar.Count(n)
			}
		})
		return err
	})
	var invalid *batch.InvalidError
	if errors.As(err, &invalid) {
		return &inputError{err}
	}
	if err != nil {
		return err
	}
	return g.traced(cmd, f.traces, func(ctx context.Context, c *client.Client) error {
		done := 0
		p, err := c.Watched(func(n int) {
			if done == 0 {
				bar.SwitchTo("tasks")
			}
			done += n
			bar.Set(done, len(specs))
		})
		if err != nil {
			return err
		}
		receipts, err := p.EnqueueAll(ctx, specs)
		bar.Clear()
		// Print the receipts even if some tasks were refused.
		place := func(i int) (string, int) { return name, lines[i] }
		if werr := printReceipts(cmd.OutOrStdout(), receipts, place, f.json); werr != nil {
			return errors.Join(err, werr)
		}
		if err != nil && len(receipts) > 0 {
			return batch.NewError(receipts, place, err)
		}
		return err
	})
}
