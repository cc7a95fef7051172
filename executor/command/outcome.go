package command

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ltsworker/ltsworker/task"
)

// Exit statuses with a special meaning, from sysexits.h.
const (
	exitDataErr  = 65
	exitTempFail = 75
)

// outcome returns the handler's error for an ended command.
func outcome(ctx context.Context, state *os.ProcessState, last string) error {
	if state.Success() {
		return nil
	}
	msg := "command ended with " + state.String()
	if last != "" {
		msg += ": " + last
	}
	// The status of a command that was terminated means nothing for the task.
	if ctx.Err() != nil {
		return fmt.Errorf("%w; %s", context.Cause(ctx), msg)
	}
	switch state.ExitCode() {
	case exitDataErr:
		return task.Permanent(errors.New(msg))
	case exitTempFail:
		return task.Snooze(ReleaseDelay)
	}
	return errors.New(msg)
}
