package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestDemoTakesItsURLFromAPipe(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.demoFiles(3)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.WriteString(w, "redis://"+redisserver.Shared(t).Addr()+"/0?client_name=piped\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	cmd := u.command("demo", ".", "--keep", "--redis", "@/dev/fd/3")
	cmd.ExtraFiles = []*os.File{r}
	stderr, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end.Close()
	out := &replica{t: t, log: bufio.NewScanner(stderr)}
	if line := out.await("export LTS_REDIS="); !strings.Contains(line, "LTS_REDIS='the URL of /dev/fd/3' ") {
		t.Errorf("got %s", line)
	}
	if all, err := exec.Command("ps", "-A", "-ww", "-o", "args=").Output(); err != nil || strings.Contains(string(all), "client_name=piped") {
		t.Errorf("a command line shows the URL, or the check failed: %v", err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stderr)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	u.awaitNoProcess()
}

func TestAReplicaOfTheDemoBlamesNoCommandLine(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.env = []string{"LTS_REDIS=http://:hunter2@h", "LTS_POOL=p"}
	cmd := u.command("demo-replica")
	stdin, err := cmd.StdinPipe() // the command ends when it is closed
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	_ = cmd.Run() // the test checks the exit code
	if cmd.ProcessState.ExitCode() != exitFailed || !strings.HasPrefix(stderr.String(), "ltsworker: the URL of the demo must start with redis://") ||
		strings.Contains(stderr.String(), "Usage") || strings.Contains(stderr.String(), "LTS_REDIS") {
		t.Errorf("exit code %d: %s", cmd.ProcessState.ExitCode(), stderr.String())
	}
}
