package command

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// strays are programs that leave the group of their command before they start another one.
var strays = []string{"setsid", "timeout 1000"}

// The grace period of an hour shows that the SIGTERM, or the lost lease, ends the command.
func TestCommandThatLeftTheGroupItselfIsStopped(t *testing.T) {
	for _, stray := range strays {
		for _, cause := range []error{task.ErrTimeout, task.ErrLeaseLost} {
			t.Run(fmt.Sprintf("%s, %v", stray, cause), func(t *testing.T) {
				t.Parallel()
				done, end := startStray(t, stray, "sleep 1000 & echo ready >&3; wait", time.Hour)
				end(cause)
				if a := finish(t, done); !errors.Is(a.err, cause) {
					t.Error(a.err)
				}
			})
		}
	}
}

func TestCommandThatLeftTheGroupItselfIsKilledAfterTheGracePeriod(t *testing.T) {
	for _, stray := range strays {
		t.Run(stray, func(t *testing.T) {
			t.Parallel()
			done, end := startStray(t, stray, `trap "" TERM; sleep 1000 & echo ready >&3; while :; do sleep 1000; done`, 10*time.Millisecond)
			end(task.ErrStopped)
			if a := finish(t, done); !errors.Is(a.err, task.ErrStopped) {
				t.Error(a.err)
			}
		})
	}
}

// startStray starts a script through a program that leaves the group. The test fails if a process of the
// script is alive at its end.
func startStray(t *testing.T, stray, script string, grace time.Duration) (<-chan attempt, context.CancelCauseFunc) {
	t.Helper()
	r := startReady(t, fmt.Sprintf(`exec 3>"$FIFO"; exec %s sh -c '%s'`, stray, script), grace)
	t.Cleanup(func() { r.gone(t) })
	return r.done, r.end
}
