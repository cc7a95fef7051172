//go:build unix

package command

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestPayloadReachesStandardInputByteForByte(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, payload := range map[string]string{
		"every byte":   string(every),
		"big number":   `{"n":12345678901234567890123,"a":[]}`,
		"no newline":   "x",
		"largest":      strings.Repeat("0123456789abcdef", task.MaxPayload/16),
		"hostile text": "$(touch x) `touch y`; touch z && echo '\"\n| touch w",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := Config{Command: []string{"cat"}, Dir: dir, Pool: "media", MaxResult: task.MaxResult}
			a := runConfig(t, cfg, payload)
			if a.err != nil {
				t.Fatal(a.err)
			}
			if !bytes.Equal(a.result, []byte(payload)) {
				t.Errorf("the payload of %d bytes was returned as %d other bytes", len(payload), len(a.result))
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("the payload was executed: %v", left)
			}
		})
	}
}

func TestArgumentsReachTheCommandUnchanged(t *testing.T) {
	t.Parallel()
	args := []string{"$(touch x)", "a b", "`id`", "*", "", "new\nline"}
	a := runConfig(t, Config{
		Command: append([]string{"sh", "-c", `for a; do printf '%s|' "$a"; done`, "sh"}, args...),
		Pool:    "media",
	}, "")
	if a.err != nil {
		t.Error(a.err)
	}
	if diff := cmp.Diff(strings.Join(args, "|")+"|", string(a.result)); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentDescribesTheTask(t *testing.T) {
	t.Setenv("FROM_REPLICA", "inherited")
	t.Setenv("LTS_POOL", "other")
	cfg := shell(`echo "$LTS_TASK_ID $LTS_KIND $LTS_QUEUE $LTS_ATTEMPT $LTS_FENCE $LTS_POOL $FROM_REPLICA $FROM_CONFIG"`)
	cfg.Env = []string{"FROM_CONFIG=a=b", "LTS_KIND=forged"}
	a := runConfig(t, cfg, "")
	if diff := cmp.Diff("t-1 video.cut slow 7 4711 media inherited a=b\n", string(a.result)); diff != "" {
		t.Error(diff)
	}
}

// systemd would accept notifications of such a command as those of the replica.
func TestCommandDoesNotInheritTheVariablesOfSystemd(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		t.Setenv(name, "of the replica")
		cfg := Config{Command: []string{"printenv", name}, Pool: "media"}
		if a := runConfig(t, cfg, ""); a.err == nil || len(a.result) > 0 {
			t.Errorf("%s is %q, %v", name, a.result, a.err)
		}
		cfg.Env = []string{name + "=of the config"}
		if a := runConfig(t, cfg, ""); a.err != nil || string(a.result) != "of the config\n" {
			t.Errorf("%s of the config is %q, %v", name, a.result, a.err)
		}
	}
}

func TestCommandThatDoesNotReadItsInputSucceeds(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"true", "exec <&-; echo done >&2", "head -c 1 >/dev/null"} {
		if a := runScript(t, script, strings.Repeat("x", task.MaxPayload)); a.err != nil {
			t.Errorf("%s: %v", script, a.err)
		}
	}
}

func TestCommandRunsInItsDirectory(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := runConfig(t, Config{Command: []string{"sh", "-c", "pwd -P"}, Dir: dir, Pool: "media"}, "")
	if diff := cmp.Diff(dir+"\n", string(a.result)); diff != "" {
		t.Error(diff)
	}
}

// A shell corrects a wrong PWD; other programs use it as it is.
func TestPWDIsTheDirectoryOfTheCommand(t *testing.T) {
	t.Setenv("PWD", "/of/the/replica")
	dir := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	for want, env := range map[string][]string{dir: nil, "/of/the/config": {"PWD=/of/the/config"}} {
		a := runConfig(t, Config{Command: []string{"printenv", "PWD"}, Dir: dir, Env: env, Pool: "media"}, "")
		if a.err != nil || string(a.result) != want+"\n" {
			t.Errorf("%q, %v; want %q", a.result, a.err, want)
		}
	}
}

func TestStandardOutputIsTheResult(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"JSON with its own spacing": "{ \"n\" : 12345678901234567890 , \"f\": 1.0 }\n",
		"text":                      "größer\n",
		"bytes that are no UTF-8":   "\xff\xfe\x00\x80",
	} {
		if a := runScript(t, "cat", want); a.err != nil || string(a.result) != want {
			t.Errorf("%s: %q, %v; want %q", name, a.result, a.err, want)
		}
	}
	if a := runScript(t, "true", ""); a.err != nil || a.result != nil {
		t.Errorf("no output: %q, %v; want no result", a.result, a.err)
	}
}

func TestLongOutputIsCutAtARuneAndMarked(t *testing.T) {
	t.Parallel()
	cfg := shell("yes ééé | tr -d '\\n' | head -c 10485760")
	cfg.MaxResult = 1000
	a := runConfig(t, cfg, "")
	if a.err != nil {
		t.Fatal(a.err)
	}
	if !utf8.Valid(a.result) || len(a.result) > 1000 || len(a.result) < 990 {
		t.Errorf("%d bytes, valid UTF-8 %v", len(a.result), utf8.Valid(a.result))
	}
	kept, mark, _ := strings.Cut(string(a.result), "\n")
	if strings.Trim(kept, "é") != "" || mark != "[cut: "+strconv.Itoa(len(kept))+" of 10485760 bytes]" {
		t.Errorf("kept %d bytes, marked %q", len(kept), mark)
	}
}

func TestLongOutputFailsTheTaskIfThePolicySaysSo(t *testing.T) {
	t.Parallel()
	cfg := shell("cat")
	cfg.MaxResult = 128
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, large := range []task.LargeResult{"", task.TruncateLargeResult, task.FailLargeResult} {
		tk := newTask(strings.Repeat("x", 129))
		tk.LargeResult = large
		result, err := h(t.Context(), tk)
		switch {
		case large != task.FailLargeResult:
			if err != nil || !strings.HasSuffix(string(result), " of 129 bytes]") {
				t.Errorf("%q: %q, %v", large, result, err)
			}
		case result != nil || !task.DispositionOf(err).Permanent || err.Error() != "the result is 129 bytes; the limit is 128: store it elsewhere and return a reference":
			t.Errorf("%q: %q, %v", large, result, err)
		}
		tk.Payload = tk.Payload[:128]
		if result, err := h(t.Context(), tk); err != nil || len(result) != 128 {
			t.Errorf("%q, of the limit: %q, %v", large, result, err)
		}
	}
}

func TestOutputOfExactlyTheLimitIsNotCut(t *testing.T) {
	t.Parallel()
	cfg := shell("cat")
	cfg.MaxResult = 128
	if a := runConfig(t, cfg, strings.Repeat("x", 128)); string(a.result) != strings.Repeat("x", 128) {
		t.Errorf("%q", a.result)
	}
	if a := runConfig(t, cfg, strings.Repeat("x", 129)); len(a.result) != 128 || !strings.HasSuffix(string(a.result), " of 129 bytes]") {
		t.Errorf("%q", a.result)
	}
}

func TestExitStatusDecidesTheAttempt(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]error{
		"echo out; exit 0": nil,
		"echo first >&2; echo no such video >&2; exit 65": task.Permanent(errors.New("command ended with exit status 65: no such video")),
		"echo busy >&2; exit 75":                          task.Snooze(ReleaseDelay),
		"exit 1":                                          errors.New("command ended with exit status 1"),
		"echo 'bad\x1b[31m disk ' >&2; echo >&2; exit 3":  errors.New("command ended with exit status 3: bad[31m disk"),
		"echo oops >&2; kill -9 $$":                       errors.New("command ended with signal: killed: oops"),
		"kill -TERM $$":                                   errors.New("command ended with signal: terminated"),
	} {
		a := runScript(t, script, "")
		if !reflect.DeepEqual(a.err, want) {
			t.Errorf("%s: %v, want %v", script, a.err, want)
		}
		if want != nil && a.result != nil {
			t.Errorf("%s: failed with the result %q", script, a.result)
		}
	}
}

func TestEndOfStandardErrorIsTheLog(t *testing.T) {
	t.Parallel()
	a := runScript(t, "echo to stdout; echo one >&2; echo two >&2", "")
	if diff := cmp.Diff("one\ntwo\n", string(a.log)); diff != "" {
		t.Error(diff)
	}

	cfg := shell("(yes ééé | head -c 10485759; printf '\\nthe end') >&2; exit 1")
	cfg.MaxLog = 100
	a = runConfig(t, cfg, "")
	if len(a.log) > 100 || len(a.log) < 95 || !utf8.Valid(a.log) || !bytes.HasSuffix(a.log, []byte("\nthe end")) {
		t.Errorf("log of %d bytes: %q", len(a.log), a.log)
	}
	if a.err == nil || a.err.Error() != "command ended with exit status 1: the end" {
		t.Error(a.err)
	}
}

func TestMissingProgramFailsTheAttempt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := newRunner(Config{Command: []string{path}, Pool: "media"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = r.handle(t.Context(), newTask(""))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that there is no such file", err)
	}
}

func TestCommandsRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	h, err := New(shell("cat"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			want := strings.Repeat(strconv.Itoa(i), 10_000)
			if got, err := h(t.Context(), newTask(want)); err != nil || string(got) != want {
				t.Errorf("command %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
}
