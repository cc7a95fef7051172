//go:build unix

package command

import (
	"os"
	"os/exec"
	"testing"
)

// startReplica runs script as the command of a replica process.
func startReplica(t *testing.T, script string, f *fifo, env ...string) *exec.Cmd {
	t.Helper()
	replica := exec.Command(os.Args[0])
	replica.Env = append(append(os.Environ(), env...), replicaScript+"="+script, "FIFO="+f.path)
	replica.Stderr = t.Output()
	if err := replica.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = replica.Process.Kill()
		_ = replica.Wait()
	})
	return replica
}

func TestCommandAndItsChildrenDieWithAKilledReplica(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"child":                    `exec 3>"$FIFO"; sleep 1000 & echo $$ >&3; wait`,
		"deaf child of a child":    `exec 3>"$FIFO"; sh -c 'trap "" TERM HUP INT; sleep 1000 & echo $$ >&3; wait; wait' & wait`,
		"child whose parent ended": `exec 3>"$FIFO"; sh -c 'sleep 1000 & echo $$ >&3'; exec 3>&-; cat >/dev/null; exec sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFifo(t)
			replica := startReplica(t, script, f)
			f.line(t)
			if err := replica.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			f.gone(t)
		})
	}
}

func TestGuardSurvivesSignalsToItsGroup(t *testing.T) {
	t.Parallel()
	f := newFifo(t)
	replica := startReplica(t, `exec 3>"$FIFO"; trap '' HUP INT TERM USR1
		for s in HUP INT TERM USR1; do kill -$s 0; done
		sleep 1000 & echo $$ >&3; wait; wait`, f)
	f.line(t)
	if err := replica.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	f.gone(t)
}

func TestGuardRefusesAGroupThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	guard := exec.Command(os.Args[0])
	guard.Args = []string{guardName}
	if err := guard.Run(); err == nil || guard.ProcessState.ExitCode() != 2 {
		t.Errorf("ended with %v, want exit status 2", guard.ProcessState)
	}
}

func BenchmarkCommand(b *testing.B) {
	h, err := New(Config{Command: []string{"true"}, Pool: "media"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h(b.Context(), newTask("{}")); err != nil {
			b.Fatal(err)
		}
	}
}
