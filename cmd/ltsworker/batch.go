package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = "\xef\xbb\xbf"

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
			file, err := openBatch(f.batch)
			if err != nil {
				return &inputError{fmt.Errorf("open the batch: %w", err)}
			}
			defer file.Close()
			in = file
		}
		var err error
		specs, lines, err = readBatch(in, name, func(n int) {
			if cmd.Context().Err() == nil { // else it has been left behind
				bar.Count(n)
			}
		})
		return err
	})
	if err != nil {
		return err
	}
	return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
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
		// What is known of each task matters even where some were refused.
		place := func(i int) (string, int) { return name, lines[i] }
		if werr := printReceipts(cmd.OutOrStdout(), receipts, place, f.json); werr != nil {
			return errors.Join(err, werr)
		}
		if err != nil && len(receipts) > 0 {
			return &unmadeError{text: unmade(receipts, place), err: err}
		}
		return err
	})
}

// What became of a task of a batch that was not simply made.
const (
	refusedTask  = "refused"   // it was not made
	notTriedTask = "not_tried" // it was not made, since Redis failed before it
	unknownTask  = "unknown"   // it may have been made or not
)

func outcome(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, task.ErrQueueFull), refusesWrites(err):
		return refusedTask
	case errors.Is(err, pool.ErrNotTried):
		return notTriedTask
	}
	return unknownTask
}

// refusesWrites reports whether err is an answer that Redis gives to the first
// write of a script only: nothing has been written then.
func refusesWrites(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && slices.ContainsFunc([]string{"OOM", "READONLY", "MISCONF"}, func(prefix string) bool {
		return redis.HasErrorPrefix(answer, prefix)
	})
}

// unmadeError is the error of a batch by the lines of its file.
type unmadeError struct {
	text string
	err  error
}

func (e *unmadeError) Error() string { return e.text }
func (e *unmadeError) Unwrap() error { return e.err }

// maxUnmade is how many reasons are shown; standard output has every task.
const maxUnmade = 10

// unmade says what became of the tasks that were not simply made.
func unmade(receipts []task.Receipt, place func(i int) (name string, line int)) string {
	type reason struct {
		name        string
		first, last int // lines
		text        string
	}
	counts := map[string]int{}
	var reasons []reason
	alike := false // the task before was not made for the last reason
	for i, r := range receipts {
		what := outcome(r.Err)
		counts[what]++
		if what != refusedTask && what != unknownTask {
			alike = false
			continue
		}
		name, line := place(i)
		if text := strings.ReplaceAll(r.Err.Error(), "\n", "; "); alike && reasons[len(reasons)-1].text == text {
			reasons[len(reasons)-1].last = line
		} else {
			reasons = append(reasons, reason{name, line, line, text})
		}
		alike = true
	}
	var parts []string
	for _, c := range [][2]string{{refusedTask, "were refused"}, {unknownTask, "may have been made or not"}, {notTriedTask, "were not tried after that"}} {
		if n := counts[c[0]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d tasks %s", n, len(receipts), c[1]))
		}
	}
	lines := []string{strings.Join(parts, ", ")}
	for i, r := range reasons {
		if i == maxUnmade {
			lines = append(lines, fmt.Sprintf("and %d more", len(reasons)-i))
			break
		}
		at := strconv.Itoa(r.first)
		if r.last > r.first {
			at += "-" + strconv.Itoa(r.last)
		}
		lines = append(lines, fmt.Sprintf("%s:%s: %s", r.name, at, terminal.TidyError(r.text)))
	}
	return strings.Join(lines, "\n")
}

func openBatch(name string) (*os.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, fmt.Errorf("%s is a directory", name)
	}
	return file, nil
}

// readBatch reads one task per line, and the number of that; empty lines are
// skipped. The error lists what is wrong with every bad line. read is called now and
// then with how many lines have been read.
func readBatch(in io.Reader, name string, read func(n int)) (specs []task.Spec, at []int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), redisstore.MaxEntry)
	var problems []string
	n, bad := 0, 0
	report := func(line int, msg string) {
		if bad++; bad <= maxBatchProblems {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", name, line, msg))
		}
	}
	for lines.Scan() {
		if n++; n%100 == 0 {
			read(n)
		}
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		spec, err := redisstore.ParseEntry(bytes.Clone(line))
		if err != nil {
			report(n, strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		specs, at = append(specs, spec), append(at, n)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		n++
		report(n, fmt.Sprintf("is longer than %d bytes; the lines after it were not read", redisstore.MaxEntry))
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	if bad > maxBatchProblems {
		problems = append(problems, fmt.Sprintf("and %d more", bad-maxBatchProblems))
	}
	if bad > 0 {
		return nil, nil, &inputError{fmt.Errorf("no task was made: %s of %d cannot be used\n%s", terminal.Count(bad, "line"), n, strings.Join(problems, "\n"))}
	}
	if len(specs) == 0 {
		return nil, nil, &inputError{fmt.Errorf("%s holds no task", name)}
	}
	return specs, at, nil
}
