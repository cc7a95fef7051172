package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

const commands = `
lease: 30s
drain_timeout: 10m
stop_grace: 1s
queues:
  default: {workers: 4}
handlers:
  echo: {command: [cat]}
  fail: {command: [sh, -c, "echo why >&2; exit 65"]}
  hold: {command: [./hold.sh]}
  say: {command: [sh, -c, "printf '\\033[31mtried\\nagain\\n' >&2; exit 1"]}
  steps: {command: [./steps.sh]}
  mute: {command: [sh, -c, "echo secret >&2; exit 3"], max_log: none, max_attempts: 1}
  where: {command: [./where.sh], dir: sub, env: {MODE: fast}}
`

// holdScript runs a task until a file named go exists.
const holdScript = `#!/bin/sh
touch started
until test -e go; do sleep 0.02; done
`

// stepsScript writes a line, sets progress, and goes on when a file named go exists. Its first
// attempt fails.
const stepsScript = `#!/bin/sh
echo "attempt $LTS_ATTEMPT begins" >&2
echo "::progress 0.5 half" >&2
until test -e go$LTS_ATTEMPT; do sleep 0.02; done
printf 'and ends' >&2
test "$LTS_ATTEMPT" = 2
`

// replica is a running "ltsworker run".
type replica struct {
	t   testing.TB
	cmd *exec.Cmd
	log *bufio.Scanner
}

func (u *user) startReplica() *replica {
	u.t.Helper()
	u.prepareReplica()
	return u.startWith("w.yaml")
}

// prepareReplica writes the files that startReplica uses.
func (u *user) prepareReplica() {
	u.t.Helper()
	u.write("w.yaml", commands, 0o600)
	u.write("hold.sh", holdScript, 0o755)
	u.write("steps.sh", stepsScript, 0o755)
	if err := os.MkdirAll(u.dir+"/sub", 0o755); err != nil {
		u.t.Fatal(err)
	}
	u.write("sub/where.sh", "#!/bin/sh\nprintf '%s %s %s %s' \"$(basename $PWD)\" $MODE $LTS_KIND $LTS_POOL\n", 0o755)
}

// startWith runs a replica with a config file of the user.
func (u *user) startWith(file string, flags ...string) *replica {
	u.t.Helper()
	r := u.startLogged(u.command(append([]string{"run", "-c", file}, flags...)...))
	if line := r.await("replica starting"); !strings.Contains(line, `"redis_from":"LTS_REDIS","redis_user":`) {
		u.t.Errorf("it does not say which Redis it uses: %s", line)
	}
	return r
}

// startLogged starts a command whose log is read.
func (u *user) startLogged(cmd *exec.Cmd) *replica {
	u.t.Helper()
	log, err := cmd.StderrPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	r := &replica{t: u.t, cmd: cmd, log: bufio.NewScanner(log)}
	u.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return r
}

// await reads the log until a line has the text, and returns the line.
func (r *replica) await(text string) string {
	r.t.Helper()
	var seen []string
	for r.log.Scan() {
		if seen = append(seen, r.log.Text()); strings.Contains(r.log.Text(), text) {
			return r.log.Text()
		}
	}
	r.t.Fatalf("%q was not logged:\n%s", text, strings.Join(seen, "\n"))
	return ""
}

// awaitReplicas waits until this number of replicas has joined.
func (u *user) awaitReplicas(n int) {
	u.t.Helper()
	u.until("the replicas have joined", func() bool { return len(decodeLines[record.Replica](u.t, u.must("replicas", "--json"))) == n })
}

// endLeases ends the leases of the claims and of the replicas of the pool. A running replica renews its own.
func (u *user) endLeases() {
	u.t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: u.addr})
	defer rdb.Close()
	for _, name := range []string{"leases", "replicas"} {
		key := "lts:{" + u.pool + "}:" + name
		members, err := rdb.ZRange(u.t.Context(), key, 0, -1).Result()
		if err != nil {
			u.t.Fatal(err)
		}
		for _, m := range members {
			u.redis("ZADD", key, "XX", 1, m)
		}
	}
}

// awaitRunning waits until the first task of the pool has started.
func (u *user) awaitRunning() {
	u.t.Helper()
	u.tail([]string{"tail", "--from", "0"}, 2)
}

// awaitState waits until a task is in a state.
func (u *user) awaitState(id string, want task.State) {
	u.t.Helper()
	u.until(fmt.Sprintf("task %s is %s", id, want), func() bool { return u.state(id) == want })
}

func (r *replica) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// wait returns the exit code of the replica.
func (r *replica) wait() int {
	r.t.Helper()
	for r.log.Scan() {
	}
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

func TestCommandsRunFromAConfigFile(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.startReplica()
	out := u.must("enqueue", "echo", `{"a":1}`, "--wait", "--json")
	if got := decodeLines[record.Task](t, out)[0]; got.State != task.Succeeded || string(got.Result) != `{"a":1}` {
		t.Errorf("got %+v", got)
	}
	a := u.run("enqueue", "fail", "--id", "f", "--wait")
	if a.code != exitFailed || !strings.HasPrefix(a.out, "f\tfailed\tpermanent\t") {
		t.Errorf("got %+v", a)
	}
	if got := decodeLines[record.Task](t, u.must("get", "f", "--json"))[0]; len(got.History) != 1 || got.History[0].Log != "why\n" {
		t.Errorf("got history %+v", got.History)
	}
	if out := u.must("enqueue", "where", "--id", "w", "--wait"); out != "w\tsucceeded\tsub fast where "+u.pool+"\n" {
		t.Errorf("got %q", out)
	}
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

func TestRunEndsIfRedisCannotBeReachedAtTheStart(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.env = []string{"LTS_REDIS=redis://127.0.0.1:1/0"}
	u.write("w.yaml", "queues: {default: {workers: 1}}\nhandlers: {echo: {command: [cat]}}\n", 0o600)
	if a := u.run("run", "-c", "w.yaml"); a.code != exitUnreachable || !strings.Contains(a.err, "cannot use Redis at 127.0.0.1:1: ") {
		t.Errorf("got %+v", a)
	}
	if help := u.must("run", "--help"); !strings.Contains(help, "run ends with exit code 3") {
		t.Error(help)
	}
}

func TestFirstSignalDrainsAndSecondReleases(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h")
	events := u.tail([]string{"tail", "--from", "0"}, 2)
	if !strings.Contains(events, " running   h ") {
		t.Fatalf("got %s", events)
	}
	r.signal(syscall.SIGINT)
	r.await("draining")
	state := func() record.Task {
		return decodeLines[record.Task](t, u.must("get", "h", "--json"))[0]
	}
	if got := state(); got.State != task.Running {
		t.Errorf("the drain ended a running task: %+v", got)
	}
	r.signal(syscall.SIGINT)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d after the second signal", code)
	}
	if got := state(); got.State != task.Waiting || got.Failures != 0 || got.Lost != 0 {
		t.Errorf("got %+v; want a released task", got)
	}
}

func TestDrainLetsRunningTasksFinish(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h", "--retain", "1h")
	u.awaitRunning()
	r.signal(syscall.SIGTERM)
	r.await("draining")
	u.write("go", "", 0o600)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := decodeLines[record.Task](t, u.must("get", "h", "--json"))[0]; got.State != task.Succeeded {
		t.Errorf("got %+v", got)
	}
}

func TestCommandsDoNotInheritTheRedisURL(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("env.yaml", "queues: {default: {workers: 1}}\nhandlers:\n  env: {command: [sh, -c, \"env | grep -c ^LTS_REDIS= || true\"]}\n", 0o600)
	u.startWith("env.yaml")
	if out := u.must("enqueue", "env", "--wait"); !strings.HasSuffix(strings.TrimSpace(out), "0") {
		t.Errorf("got %q", out)
	}
}
