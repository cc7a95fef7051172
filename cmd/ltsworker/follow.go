package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// followInterval is the time between two reads of a log. Replicas send a log at most once
// a second.
const followInterval = 500 * time.Millisecond

// follower shows the logs of a task until it has ended.
type follower struct {
	cmd    *cobra.Command
	c      *client.Client
	id     string
	asJSON bool

	ended   int64  // newest attempt whose end was shown
	running int64  // attempt whose log is shown; 0 for none
	shown   int64  // bytes of that log that were shown or left out
	midLine bool   // its last line has not ended
	resting string // description of a task that does not run, as shown last
}

func (f *follower) run(ctx context.Context) error {
	for first, failures := true, 0; ; {
		t, history, now, err := readLogs(ctx, f.c, f.id)
		switch {
		case err != nil && (first || ctx.Err() != nil):
			return err
		case err != nil:
			if failures++; failures == 1 {
				fmt.Fprintf(f.cmd.ErrOrStderr(), "ltsworker: %s; trying again\n", terminal.TidyError(err.Error()))
			}
			if err := backoff.Sleep(ctx, backoff.Delay(failures)); err != nil {
				return err
			}
			continue
		case t == nil && first:
			reportMissing(f.cmd, f.id)
			return errReported
		case t == nil:
			fmt.Fprintf(f.cmd.ErrOrStderr(), "ltsworker: %s: the task has ended and is no longer kept\n", f.id)
			return nil
		}
		first, failures = false, 0
		if over, err := f.show(t, history, now); over || err != nil {
			return err
		}
		if err := backoff.Sleep(ctx, followInterval); err != nil {
			return err
		}
	}
}

// show shows what is new and reports whether the task has ended. now is the time of Redis.
func (f *follower) show(t *task.Task, history []task.AttemptRecord, now time.Time) (over bool, err error) {
	for i := range history {
		if history[i].Attempt > f.ended {
			if err := f.showEnd(&history[i]); err != nil {
				return false, err
			}
		}
	}
	over = t.State.Terminal()
	switch {
	case t.State == task.Running && t.Attempt > f.ended:
		return false, f.showRunning(t, now)
	case f.asJSON, over && t.State == task.Succeeded && t.Attempt == f.ended:
		return over, nil
	}
	// Only the state counts: the description of a scheduled task has the time that is left.
	if state := fmt.Sprint(t.State, t.Attempt); state != f.resting && t.State != task.Running {
		f.resting = state
		err = f.print(standing(t, now) + "\n")
	}
	return over, err
}

// showRunning shows what is new in the log of the attempt that runs.
func (f *follower) showRunning(t *task.Task, now time.Time) error {
	if f.running != t.Attempt {
		f.running, f.shown, f.midLine, f.resting = t.Attempt, 0, false, ""
		if !f.asJSON {
			if err := f.print(standing(t, now) + "\n"); err != nil {
				return err
			}
		}
	}
	part, skipped := f.newPart(t.Log, t.LogSize)
	switch {
	case part == "" && skipped == 0:
		return nil
	case f.asJSON:
		return terminal.WriteJSON(f.cmd.OutOrStdout(), record.Running(t, part, now))
	}
	return f.printLog(part, skipped)
}

// showEnd shows the end of an attempt, with the part of its log that was not shown.
func (f *follower) showEnd(a *task.AttemptRecord) error {
	live := f.running == a.Attempt
	if !live {
		f.shown = 0
	}
	part, skipped := f.newPart(a.Log, a.LogSize)
	f.ended, f.running, f.resting = a.Attempt, 0, ""
	if f.asJSON {
		r := record.Log{ID: f.id, AttemptInfo: record.History([]task.AttemptRecord{*a})[0]}
		r.Log = part
		return terminal.WriteJSON(f.cmd.OutOrStdout(), r)
	}
	if !live {
		return f.print(attemptEnd(*a, nil) + logText(a.Log, a.LogSize))
	}
	if err := f.printLog(part, skipped); err != nil {
		return err
	}
	text := attemptEnd(*a, nil)
	if f.midLine {
		text = "\n" + text
	}
	f.midLine = false
	return f.print(text)
}

// newPart returns what was added to the log since the last call, and how many bytes of
// that are no longer there. log is the end of a log of size bytes.
func (f *follower) newPart(log string, size int64) (part string, skipped int64) {
	added := size - f.shown
	if added <= 0 {
		return "", 0
	}
	f.shown = size
	if n := int64(len(log)); added <= n {
		return strings.ToValidUTF8(log[n-added:], ""), 0
	}
	return log, added - int64(len(log))
}

// printLog prints a part of a log, each line indented.
func (f *follower) printLog(part string, skipped int64) error {
	var text strings.Builder
	if skipped > 0 {
		if f.midLine {
			text.WriteByte('\n')
		}
		fmt.Fprintf(&text, "  (%d bytes of the log are no longer there)\n", skipped)
		f.midLine = false
	}
	for part != "" {
		line, rest, ended := strings.Cut(part, "\n")
		if !f.midLine {
			text.WriteString("    ")
		}
		text.WriteString(terminal.VisibleLines(line))
		if f.midLine = !ended; ended {
			text.WriteByte('\n')
		}
		part = rest
	}
	return f.print(text.String())
}

func (f *follower) print(text string) error {
	_, err := fmt.Fprint(f.cmd.OutOrStdout(), text)
	return err
}
