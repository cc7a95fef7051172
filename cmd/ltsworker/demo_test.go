package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/demo"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// processes returns the number of processes of the user's binary.
func (u *user) processes() int {
	u.t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "stat=,args=").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) > 1 && f[1] == u.binary() && !strings.HasPrefix(f[0], "Z") {
			n++
		}
	}
	return n
}

// awaitNoProcess fails unless all processes of the user's binary end.
func (u *user) awaitNoProcess() {
	u.t.Helper()
	u.until("all processes have ended", func() bool { return u.processes() == 0 })
}

func (u *user) demoFiles(n int) {
	u.t.Helper()
	for i := range n {
		dir := filepath.Join(u.dir, fmt.Sprintf("d%d", i%3))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			u.t.Fatal(err)
		}
		u.write(fmt.Sprintf("d%d/f %d", i%3, i), strings.Repeat("x", i*i*100), 0o600)
	}
	if err := os.Symlink("/etc", filepath.Join(u.dir, "link")); err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) demo(files int, args ...string) demo.Summary {
	u.t.Helper()
	a := u.run(append([]string{"demo", ".", "--json"}, args...)...)
	if a.code != 0 {
		u.t.Fatalf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
	return u.checkDemo(files, a.out)
}

// checkDemo fails unless out is the summary of a demo whose tasks all succeeded, some of them after the death of a replica.
func (u *user) checkDemo(files int, out string) demo.Summary {
	u.t.Helper()
	if !strings.Contains(out, `"wait_p50_ms":`) || !strings.Contains(out, `"wait_p99_ms":`) {
		u.t.Errorf("the names do not end with the unit: %s", out)
	}
	s := decodeLines[demo.Summary](u.t, out)
	if len(s) != 1 {
		u.t.Fatalf("got %d summaries:\n%s", len(s), out)
	}
	if s := s[0]; s.Tasks != files || s.Succeeded != files || s.Failed != 0 || s.Replicas != demo.Replicas || s.Killed != 1 ||
		s.Recovered < 1 || s.MaxRunning < 1 || s.MaxRunning > s.Limit || s.Limit != demo.Limit || s.ElapsedMS < 1 || s.WaitP50MS > s.WaitP99MS {
		u.t.Errorf("got %+v", s)
	}
	return s[0]
}

func TestDemoSurvivesTheDeathOfAReplica(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.demoFiles(60)
	if s := u.demo(60); s.MaxRunning != demo.Limit {
		t.Errorf("%d ran at once; the limit of %d was never reached", s.MaxRunning, s.Limit)
	}
	u.awaitNoProcess()
}

func TestDemoWorksWithOneFile(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.demoFiles(1)
	u.demo(1)
	u.awaitNoProcess()
}

func TestDemoCleansARealServer(t *testing.T) {
	t.Parallel()
	u, server := stranger(t), redisserver.Start(t)
	u.demoFiles(12)
	u.demo(12, "--redis", "redis://"+server.Addr())
	u.awaitNoProcess()
	keys, err := server.Client(t).Keys(t.Context(), "*").Result()
	if err != nil || len(keys) > 0 {
		t.Errorf("keys are left: %v, %v", keys, err)
	}
}

func TestDemoTellsPeopleWhatHappened(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.demoFiles(12)
	a := u.run("demo")
	if a.code != 0 {
		t.Fatalf("got %+v", a)
	}
	for _, want := range []string{"tasks ", "12, 12 checksums verified", "3 started, 1 killed", "6 for 12 slots", "tasks per second"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("%q is missing in\n%s", want, a.out)
		}
	}
	for _, want := range []string{"12 files under .", "with SIGKILL while it held", "12 of 12 tasks done"} {
		if !strings.Contains(a.err, want) {
			t.Errorf("%q is missing in\n%s", want, a.err)
		}
	}
}

// startDemo starts a demo and returns when it has written the text, with the line that contains it.
func (u *user) startDemo(text string, args ...string) (cmd *exec.Cmd, line string) {
	u.t.Helper()
	cmd = u.command(append([]string{"demo", "."}, args...)...)
	cmd.Stdout = new(strings.Builder)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	scan := bufio.NewScanner(stderr)
	for scan.Scan() {
		if line = scan.Text(); strings.Contains(line, text) {
			go func() {
				for scan.Scan() {
				}
			}()
			return cmd, line
		}
	}
	u.t.Fatalf("the demo ended before it said %q", text)
	return nil, ""
}

func TestDemoKillsAReplicaAfterALeaseWasLost(t *testing.T) {
	t.Parallel()
	url := "redis://" + redisserver.Start(t).Addr()
	// The demo kills the first holder of the first task when a quarter of the files is done. If the test has not stopped the
	// holder before that, it repeats the demo with longer tasks.
	hold := 150 * time.Millisecond
	for ; !stranger(t).demoAfterLoss(url, hold); hold *= 2 {
		if hold > patience/10 {
			t.Fatal("the demo killed the first holder of the first task in every round")
		}
	}
}

// demoAfterLoss runs a demo whose first task is lost by a replica that goes on afterwards. It returns false if the demo killed
// this replica first.
func (u *user) demoAfterLoss(url string, hold time.Duration) bool {
	u.t.Helper()
	const files = 100
	for i := range files {
		u.write(fmt.Sprint(i), "x", 0o600)
	}
	cmd, line := u.startDemo("joined pool", "--redis", url, "--hold", hold.String(), "--json")
	_, name, _ := strings.Cut(line, "joined pool ")
	o, err := redis.ParseURL(url)
	if err != nil {
		u.t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	p, err := pool.New(redisstore.New(rdb, strings.Fields(name)[0]), pool.Config{})
	if err != nil {
		u.t.Fatal(err)
	}
	defer p.Close()
	limit := func(n int) {
		if err := p.SetLimit(u.t.Context(), pool.QueueScope, "default", n); err != nil {
			u.t.Fatal(err)
		}
	}
	limit(1) // the first task has the highest priority
	first := &task.Task{}
	attempt := func() int64 {
		switch t, err := p.Get(u.t.Context(), "demo-victim"); {
		case err == nil:
			first = t
		case !errors.Is(err, pool.ErrNotFound):
			u.t.Fatal(err)
		}
		return first.Attempt
	}
	u.until("the first task runs", func() bool { return attempt() >= 1 })
	replicas, err := p.Replicas(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	pid, inTime := 0, false
	for _, r := range replicas {
		if r.ID == first.Replica && syscall.Kill(r.PID, syscall.SIGSTOP) == nil {
			pid = r.PID
		}
	}
	if pid != 0 {
		u.until("another replica has started the first task", func() bool { return attempt() >= 2 })
		inTime = syscall.Kill(pid, syscall.SIGCONT) == nil
	}
	limit(demo.Limit)
	if err := cmd.Wait(); err != nil {
		u.t.Error(err)
	}
	u.checkDemo(files, fmt.Sprint(cmd.Stdout))
	u.awaitNoProcess()
	return inTime
}

func TestInterruptedDemoLeavesNoProcess(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.demoFiles(30)
	cmd, _ := u.startDemo("replicas joined", "--hold", "30s")
	if n := u.processes(); n != 1+demo.Replicas {
		t.Errorf("%d processes run", n)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if n := u.processes(); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}

func TestKilledDemoLeavesNoProcess(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.demoFiles(30)
	cmd, _ := u.startDemo("replicas joined", "--hold", "30s")
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	u.awaitNoProcess()
}

func TestKeptDemoCanBeUsedFromASecondTerminal(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	for name, at := range map[string][]string{"embedded": nil, "server": {"--redis", "redis://" + server.Addr()}} {
		t.Run(name, func(t *testing.T) {
			u := stranger(t)
			u.demoFiles(3)
			cmd, line := u.startDemo("export LTS_REDIS=", append(at, "--keep")...)
			second := stranger(t)
			for _, set := range strings.Fields(line)[1:] {
				second.env = append(second.env, strings.ReplaceAll(set, "'", ""))
			}
			second.write("file", "abc", 0o600)
			out := second.must("enqueue", "checksum", fmt.Sprintf(`{"path":%q}`, filepath.Join(second.dir, "file")), "--wait", "--json")
			if !strings.Contains(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") {
				t.Errorf("got %s", out)
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("an interrupted demo with --keep:  %v", err)
			}
			u.awaitNoProcess()
		})
	}
	keys, err := server.Client(t).Keys(t.Context(), "*").Result()
	if err != nil || len(keys) > 0 {
		t.Errorf("keys are left: %v, %v", keys, err)
	}
}
