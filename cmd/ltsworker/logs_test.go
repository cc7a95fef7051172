package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestLogsShowEveryAttemptWithItsLog(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "say", `{"n":1}`, "--id", "a", "--max-attempts", "2", "--backoff", "fixed:1")
	if a := u.run("wait", "a"); a.code != exitFailed {
		t.Fatalf("got %+v", a)
	}
	got := decodeLines[record.Log](t, u.must("logs", "a", "--json"))
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	for i, l := range got {
		if l.ID != "a" || l.Attempt != int64(i+1) || l.Code != task.CodeError || l.Replica == "" || l.At == "" ||
			l.Log != "\x1b[31mtried\nagain\n" {
			t.Errorf("got %+v", l)
		}
	}
	out := u.must("logs", "a")
	for _, want := range []string{"attempt 1: error after ", "attempt 2: error after ", `    \x1b[31mtried` + "\n    again\n", "the task is failed (error)\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("the output has a control character: %q", out)
	}
	if a := u.run("logs", "none"); a.code != exitFailed || a.err != "ltsworker: none: no such task\n" {
		t.Errorf("got %+v", a)
	}
}

func TestLogsShowWhatARunningCommandHasWritten(t *testing.T) {
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "steps", "--id", "a", "--backoff", "fixed:1", "--max-attempts", "2")
	u.until("the log of the running attempt is shown", func() bool {
		return strings.Contains(u.run("logs", "a").out, "  log:\n    attempt 1 begins\n")
	})
	got := decodeLines[record.Log](t, u.must("logs", "a", "--json"))
	if len(got) != 1 || got[0].State != task.Running || got[0].Attempt != 1 || got[0].Log != "attempt 1 begins\n" || got[0].LogSize != 17 || got[0].Code != "" {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{{"get", "a"}, {"get", "a", "--json"}} {
		u.until(fmt.Sprint(args, " shows the log and the progress"), func() bool {
			out := u.must(args...)
			return strings.Contains(out, "attempt 1 begins") && strings.Contains(out, `"message":"half"`)
		})
	}
	u.write("go1", "", 0o600)
	u.write("go2", "", 0o600)
	u.must("wait", "a")
	recorded := decodeLines[record.Log](t, u.must("logs", "a", "--json"))
	if len(recorded) != 2 || recorded[1].Code != task.CodeOK || recorded[1].Log != "attempt 2 begins\nand ends" || recorded[1].State != "" {
		t.Errorf("got %+v", recorded)
	}
	out := u.must("logs", "a")
	if !strings.Contains(out, "attempt 2: succeeded after ") || !strings.HasSuffix(out, "  log:\n    attempt 2 begins\n    and ends\n") {
		t.Errorf("logs show\n%s", out)
	}
}

func TestLogsOfASuccessWithoutALogShowTheAttempt(t *testing.T) {
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "echo", `"hello"`, "--id", "a", "--wait")
	replica := decodeLines[record.Task](t, u.must("get", "a", "--json"))[0].Replica
	for _, args := range [][]string{{"logs", "a"}, {"logs", "-f", "a"}} {
		if out := u.must(args...); !strings.HasPrefix(out, "attempt 1: succeeded after ") || !strings.HasSuffix(out, " on "+replica+"\n") || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: got %q", args, out)
		}
	}
}

func TestFollowedLogsEndWithTheTask(t *testing.T) {
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "steps", "--id", "a", "--backoff", "fixed:1", "--max-attempts", "2")
	follow := u.command("logs", "-f", "a")
	pipe, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	read := bufio.NewScanner(pipe)
	for read.Scan() {
		line := read.Text()
		switch line {
		case "    attempt 1 begins":
			u.write("go1", "", 0o600)
		case "    attempt 2 begins":
			u.write("go2", "", 0o600)
		}
		if strings.HasPrefix(line, "attempt") {
			line = strings.Join(strings.Fields(line)[:3], " ")
		}
		if !strings.HasPrefix(line, "the task is ") { // that depends on the time
			lines = append(lines, line)
		}
	}
	if err := follow.Wait(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"attempt 1: running", "    attempt 1 begins", "    and ends", "attempt 1: error", "  error: command ended with exit status 1: and ends",
		"attempt 2: running", "    attempt 2 begins", "    and ends", "attempt 2: succeeded",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	parts := ""
	for _, r := range decodeLines[record.Log](t, u.must("logs", "-f", "a", "--json")) {
		parts += r.Log
	}
	if want := "attempt 1 begins\nand endsattempt 2 begins\nand ends"; parts != want {
		t.Errorf("the parts are %q, want %q", parts, want)
	}
	if a := u.run("logs", "-f", "none"); a.code != exitFailed || a.err != "ltsworker: none: no such task\n" {
		t.Errorf("got %+v", a)
	}
}

func TestNothingIsKeptOfALogThatTheConfigTurnsOff(t *testing.T) {
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "mute", "--id", "a")
	u.run("wait", "a")
	if out := u.must("logs", "a") + u.must("get", "a"); strings.Contains(out, "secret") || !strings.Contains(out, "error: command ended with exit status 3\n") {
		t.Errorf("got\n%s", out)
	}
}

func TestFollowerShowsEachByteOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		logs    []string // as they are read
		sizes   []int64
		part    string
		skipped int64
	}{
		"grows":    {logs: []string{"a\n", "a\n", "a\nb\n"}, sizes: []int64{2, 2, 4}, part: "a\nb\n"},
		"repeats":  {logs: []string{"ab", "ab", "ab"}, sizes: []int64{2, 4, 6}, part: "ababab"},
		"has gaps": {logs: []string{"ab", "yz"}, sizes: []int64{2, 9}, part: "abyz", skipped: 5},
		"is cut":   {logs: []string{"yz"}, sizes: []int64{26}, part: "yz", skipped: 24},
		"is empty": {logs: []string{"", ""}, sizes: []int64{0, 0}},
	} {
		var f follower
		part, skipped := "", int64(0)
		for i, log := range tt.logs {
			p, s := f.newPart(log, tt.sizes[i])
			part, skipped = part+p, skipped+s
		}
		if part != tt.part || skipped != tt.skipped {
			t.Errorf("a log that %s: %q and %d skipped, want %q and %d", name, part, skipped, tt.part, tt.skipped)
		}
	}
}

func TestTimesInLogsAreOfTheClockOfRedis(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{50 * time.Hour, -50 * time.Hour} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			u := newUser(t)
			s := redisserver.Start(t, redisserver.Clock(t))
			u.addr, u.env = s.Addr(), []string{"LTS_REDIS=redis://" + s.Addr() + "/0", "LTS_POOL=" + u.pool}
			s.SetClock(t, ahead)
			u.startReplica()
			u.must("enqueue", "hold", "--id", "a")
			u.awaitRunning()
			u.must("enqueue", "hold", "--id", "b", "--delay", "5h")
			m := u.terminal(120, 24, "logs", "-f", "a")
			m.await("running for")
			for what, out := range map[string]string{"logs": u.must("logs", "a"), "logs -f": m.written()} {
				if !strings.Contains(out, "running for ") || strings.Contains(out, "2d") || strings.Contains(out, "in ") {
					t.Errorf("%s: %s", what, out)
				}
			}
			if r := decodeLines[record.Log](t, u.must("logs", "a", "--json"))[0]; r.RunMS < 0 || r.RunMS > time.Hour.Milliseconds() {
				t.Errorf("running for %d ms", r.RunMS)
			}
			if out := u.must("logs", "b"); !strings.Contains(out, "due in 4h59m") && !strings.Contains(out, "due in 5h0m") {
				t.Errorf("logs of the scheduled task: %s", out)
			}
			u.write("go", "", 0o600)
			u.must("wait", "a")
		})
	}
}
