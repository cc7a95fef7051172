package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// escapes start a process that leaves the group of its command and lives on. It writes
// its pid to descriptor 3. A loud one also writes to the outputs.
var escapes = []struct {
	name, script string
	loud         bool
}{
	{name: "holds both outputs", script: `setsid sh -c 'echo $$ >&3; exec sleep 1000' &`},
	{name: "holds the result", script: `setsid sh -c 'echo $$ >&3; exec sleep 1000' 2>/dev/null &`},
	{name: "holds the log", script: `setsid sh -c 'echo $$ >&3; exec sleep 1000' >/dev/null &`},
	{name: "holds the input", script: `setsid sh -c 'echo $$ >&3; exec sleep 1000' <&4 >/dev/null 2>&1 &`},
	{name: "forks twice", script: `(setsid sh -c '(exec sh -c "echo \$\$ >&3; exec sleep 1000") & exit' &)`},
	{name: "leaves a zombie behind", script: `(sleep 0 & exec setsid sh -c 'echo $$ >&3; exec sleep 1000') &`},
	{name: "leaves a child behind", script: `(sleep 1000 & exec setsid sh -c 'echo $$ >&3; exec sleep 1000') &`},
	{name: "ignores every signal", script: `setsid sh -c 'trap "" TERM HUP INT; echo $$ >&3; while :; do sleep 1000; done' &`},
	{name: "writes forever", script: `setsid sh -c 'echo $$ >&3; while :; do echo noise; echo noise >&2; done' &`, loud: true},
	{name: "fills the pipes", script: `setsid sh -c 'echo $$ >&3; head -c 10000000 /dev/zero; exec sleep 1000' &`, loud: true},
}

// startEscape starts a command with an escape, an input that nothing reads and then the
// script. It returns when the escaped process runs, and kills that at the end of the test.
func startEscape(t *testing.T, escape, script string, grace time.Duration) (<-chan attempt, context.CancelCauseFunc) {
	t.Helper()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Fatal("setsid is needed, from util-linux or your system's packages: ", err)
	}
	f := newFifo(t)
	ctx, end := context.WithCancelCause(t.Context())
	again := newInput(t)
	cfg := shell(fmt.Sprintf("exec 3>\"$FIFO\" 4<&0\n%s\nread -r go <\"$GO\"\n%s", escape, script))
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path, "GO=" + again.path}, grace
	done := startConfig(t, ctx, cfg, strings.Repeat("x", task.MaxPayload))
	pid, err := strconv.Atoi(f.line(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endSession(t, pid) })
	again.write("go\n")
	if line := f.line(t); line != "ready" {
		t.Fatalf("%q", line)
	}
	return done, end
}

// endSession kills an escaped process and the others of its group, of which the first has called setsid.
func endSession(t *testing.T, pid int) {
	group, err := syscall.Getpgid(pid)
	if err == nil {
		err = syscall.Kill(-group, syscall.SIGKILL)
	}
	if err != nil {
		t.Error(err)
	}
}

// A grace period of an hour shows that no end waits for it, or for the process.
func TestProcessThatLeftTheGroupDelaysNoEnd(t *testing.T) {
	for i, e := range escapes {
		causes := []error{task.ErrTimeout, task.ErrStopped, task.ErrShutdown, task.ErrLeaseLost}
		if i > 0 {
			causes = causes[:1]
		}
		for _, cause := range causes {
			t.Run(fmt.Sprintf("%s, %v", e.name, cause), func(t *testing.T) {
				t.Parallel()
				done, end := startEscape(t, e.script, "echo did this >&2; echo ready >&3; exec sleep 1000", time.Hour)
				end(cause)
				a := finish(t, done)
				if !errors.Is(a.err, cause) || !e.loud && string(a.log) != "did this\n" {
					t.Errorf("log %.100q, error %v", a.log, a.err)
				}
			})
		}
	}
}

func TestProcessThatLeftTheGroupDoesNotChangeTheOutcome(t *testing.T) {
	for _, e := range escapes {
		for status, want := range []string{"<nil>", "command ended with exit status 1"} {
			t.Run(fmt.Sprintf("%s, exit %d", e.name, status), func(t *testing.T) {
				t.Parallel()
				script := fmt.Sprintf("echo ready >&3; echo result; echo did this >&2; exit %d", status)
				done, _ := startEscape(t, e.script, script, time.Hour)
				a := finish(t, done)
				if !strings.HasPrefix(fmt.Sprint(a.err), want) ||
					!e.loud && (string(a.log) != "did this\n" || a.err == nil && string(a.result) != "result\n") {
					t.Errorf("result %.100q, log %.100q, error %v; want %v", a.result, a.log, a.err, want)
				}
			})
		}
	}
}

// A success that waited for the output would take a second or longer. A busy machine can
// delay single successes as much, but not all within waitTimeout.
func TestProcessThatHoldsTheOutputDoesNotDelayASuccess(t *testing.T) {
	t.Parallel()
	for deadline := time.Now().Add(waitTimeout); ; {
		done, _ := startEscape(t, escapes[0].script, "echo ready >&3; echo result", time.Hour)
		ready := time.Now()
		if a := finish(t, done); a.err != nil || string(a.result) != "result\n" {
			t.Fatalf("%q, %v", a.result, a.err)
		}
		if time.Since(ready) < time.Second {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("every success was delayed")
		}
	}
}

// The group gets its grace period also if its output has ended or another process holds
// it open.
func TestGroupHasTheGracePeriodWhateverHoldsTheOutput(t *testing.T) {
	t.Parallel()
	for name, escape := range map[string]string{
		"nothing":             "",
		"an escaped process":  `setsid sh -c 'echo $$ >"$ESCAPED"; exec sleep 1000' & while ! [ -s "$ESCAPED" ]; do sleep 0.01; done`,
		"the group":           `sleep 1000 &`,
		"a process that ends": `setsid sh -c ':' &`,
	} {
		t.Run(name, func(t *testing.T) {
			again, escaped := newInput(t), filepath.Join(t.TempDir(), "pid")
			// The outer shell ends at SIGTERM at once. The inner one cleans up until the
			// fifo is read.
			r := startReady(t, escape+`
				sh -c 'exec 3>"$FIFO" >/dev/null 2>&1; trap "cat \"$GO\" >&3; exit" TERM; echo ready >&3; while :; do sleep 0.01; done'; :`,
				time.Hour, "GO="+again.path, "ESCAPED="+escaped)
			if b, err := os.ReadFile(escaped); err == nil {
				pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { endSession(t, pid) })
			}
			r.end(task.ErrStopped)
			again.write("tidied\n")
			if line := r.line(t); line != "tidied" {
				t.Errorf("%q", line)
			}
			finish(t, r.done)
		})
	}
}
