package async

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// located is a remote with a location.
type located struct {
	*remote
	at   string
	away atomic.Bool
}

func (l *located) Location(context.Context) (string, error) {
	if l.away.Load() {
		return "", errAway
	}
	return l.at, nil
}

func (l *located) jobs(t *testing.T) *Jobs {
	t.Helper()
	j := newJobs(t, l.remote)
	j.executor = l
	return j
}

// The first owner dies while the remote starts the job, whose reference is not saved.
func TestJobThatWasBegunElsewhereIsNotStartedOrStopped(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		here, there, tk := &located{remote: newRemote(), at: "A"}, &located{remote: newRemote(), at: "B"}, newTask("10s")
		here.fault = func(ctx context.Context, call string) fault {
			if strings.HasPrefix(call, "Start") {
				<-ctx.Done()
				return fault{after: ctx.Err()}
			}
			return fault{}
		}
		first := begin(t, here.jobs(t), tk)
		advance(time.Second)
		first.cancel(task.ErrLeaseLost)
		_, _ = first.wait()
		here.fault = nil

		saved := string(tk.LastCheckpoint)
		if _, err := begin(t, there.jobs(t), tk).wait(); task.DispositionOf(err) != task.DispositionOf(task.Elsewhere()) || string(tk.LastCheckpoint) != saved || tk.Job == "" {
			t.Errorf("%v, checkpoint %q, want %q", err, tk.LastCheckpoint, saved)
		}
		tk.CleanUp = task.CodeTimeout
		if _, err := begin(t, there.jobs(t), tk).wait(); task.DispositionOf(err) != task.DispositionOf(task.Elsewhere()) {
			t.Errorf("clean-up: %v", err)
		}
		there.wantCalls(t, "Start 0", "Stop 0")

		tk.CleanUp = ""
		if result, err := begin(t, here.jobs(t), tk).wait(); err != nil || result != "10s" || len(here.remote.jobs) != 1 {
			t.Errorf("%q, %v, %d jobs", result, err, len(here.remote.jobs))
		}
	})
}

func TestLocationIsAskedForAgainBeforeTheStart(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := &located{remote: newRemote(), at: "A"}
		r.away.Store(true)
		a := begin(t, r.jobs(t), newTask("1s"))
		advance(3 * time.Second)
		r.wantCalls(t, "Start 0")
		r.away.Store(false)
		if result, err := a.wait(); err != nil || result != "1s" {
			t.Errorf("%q, %v", result, err)
		}
		r.away.Store(true)
		tk := newTask("1s")
		if _, err := begin(t, r.jobs(t), tk).wait(); !errors.Is(err, errAway) || tk.Job != "" {
			t.Errorf("%v, job %q", err, tk.Job)
		}
		r.wantCalls(t, "Start 1")
	})
}
