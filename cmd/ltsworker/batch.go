package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/worker"
)

// maxBatchProblems is how many bad lines of a batch are shown.
const maxBatchProblems = 50

// enqueueBatch makes the tasks of an NDJSON file, or none of them.
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
	in, name := cmd.InOrStdin(), "standard input"
	if f.batch != "-" {
		file, err := os.Open(f.batch)
		if err != nil {
			return &inputError{fmt.Errorf("open the batch: %w", err)}
		}
		defer file.Close()
		in, name = file, f.batch
	}
	specs, err := readBatch(in, name)
	if err != nil {
		return err
	}
	return g.withClient(cmd, func(ctx context.Context, c *client) error {
		bar, done := newPatientBar(cmd.ErrOrStderr(), "tasks"), 0
		p, err := c.watched(func(n int) {
			done += n
			bar.set(done, len(specs))
		})
		if err != nil {
			return err
		}
		receipts, err := p.EnqueueAll(ctx, specs)
		bar.clear()
		// What is known of each task matters even where some were refused.
		if werr := printReceipts(cmd.OutOrStdout(), receipts, f.json); werr != nil {
			return errors.Join(err, werr)
		}
		return err
	})
}

// readBatch reads one task per line; empty lines are skipped. The error lists
// what is wrong with every bad line.
func readBatch(in io.Reader, name string) ([]worker.Spec, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), redisstore.MaxEntry)
	var specs []worker.Spec
	var problems []string
	n, bad := 0, 0
	report := func(line int, msg string) {
		if bad++; bad <= maxBatchProblems {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", name, line, msg))
		}
	}
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		spec, err := redisstore.ParseEntry(bytes.Clone(lines.Bytes()))
		if err != nil {
			report(n, strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		specs = append(specs, spec)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		n++
		report(n, fmt.Sprintf("is longer than %d bytes; the lines after it were not read", redisstore.MaxEntry))
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if bad > maxBatchProblems {
		problems = append(problems, fmt.Sprintf("and %d more", bad-maxBatchProblems))
	}
	if bad > 0 {
		return nil, &inputError{fmt.Errorf("no task was made: %s of %d cannot be used\n%s", count(bad, "line"), n, strings.Join(problems, "\n"))}
	}
	if len(specs) == 0 {
		return nil, &inputError{fmt.Errorf("%s holds no task", name)}
	}
	return specs, nil
}
