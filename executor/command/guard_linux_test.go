package command

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

func TestCommandDiesWithAKilledReplicaAlsoWithoutItsGuard(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"", "022"} { // without and with a limiter
		t.Run(umask, func(t *testing.T) { testDeathWithoutGuard(t, umask) })
	}
}

func testDeathWithoutGuard(t *testing.T, umask string) {
	f := newFifo(t)
	replica := startReplica(t, `exec 3>"$FIFO"; echo $$ >&3; exec sleep 1000`, f, replicaUmask+"="+umask)
	pid, err := strconv.Atoi(f.line(t))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := syscall.Getpgid(pid)
	if err != nil || guard == pid {
		t.Fatalf("the command leads its group %d itself (%v)", guard, err)
	}
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := replica.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	f.gone(t)
}

// The kernel sends the parent-death signal at the end of the thread, not of the
// process.
func TestCommandSurvivesTheEndOfOtherThreads(t *testing.T) {
	f := newFifo(t)
	cfg := shell(`echo ready >"$FIFO"; cat "$GO"`)
	again := newInput(t)
	cfg.Env = []string{"FIFO=" + f.path, "GO=" + again.path}
	done := startConfig(t, t.Context(), cfg, "")
	f.line(t)
	// The thread of a goroutine that ends while locked to it ends, too. Fifty such
	// goroutines at once use fifty threads, including every idle one.
	var locked, ended sync.WaitGroup
	locked.Add(50)
	for range 50 {
		ended.Go(func() {
			runtime.LockOSThread()
			locked.Done()
			locked.Wait()
		})
	}
	ended.Wait()
	again.write("alive")
	if a := finish(t, done); a.err != nil || string(a.result) != "alive" {
		t.Errorf("%q, %v", a.result, a.err)
	}
}

func TestAttemptsLeaveNoFilesOrProcesses(t *testing.T) {
	h, err := New(shell("cat; exit $LTS_ATTEMPT"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := shell("cat; exit $LTS_ATTEMPT")
	cfg.Limits.Files = 100
	limited, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	absent, err := template.ParseArgs("command", []string{"/absent"})
	if err != nil {
		t.Fatal(err)
	}
	use := func() {
		for i := range 5 {
			k := newTask("x")
			k.Attempt = int64(i)
			_, _ = h(t.Context(), k)
			_, _ = limited(t.Context(), k)
		}
		for _, settings := range []string{"", `{"Umask":0}`} {
			_, _ = (&runner{path: "/absent", args: absent, settings: settings}).handle(t.Context(), &task.Task{})
		}
	}
	use() // opens what the runtime opens only once
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	use()
	// A goroutine that has done its work may not have ended yet. The runtime sends no event about
	// the end.
	for late := time.Now().Add(waitTimeout); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) { // polls the runtime
		if time.Now().After(late) {
			t.Fatalf("%d goroutines, before there were %d", runtime.NumGoroutine(), goroutines)
		}
	}
	if n := openFiles(t); n > files {
		t.Errorf("%d open files, before there were %d", n, files)
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child process is left: %d, %v", pid, err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
