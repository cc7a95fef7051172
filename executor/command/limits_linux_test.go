package command

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limitsOf returns the soft and the hard limits that a command has, by the names of
// /proc/PID/limits.
func limitsOf(t *testing.T, cfg Config) map[string]string {
	t.Helper()
	cfg.Command, cfg.Pool = []string{"cat", "/proc/self/limits"}, "media"
	a := runConfig(t, cfg, "")
	if a.err != nil {
		t.Fatal(a.err)
	}
	limits := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^Max (.*?) {2,}(\S+) +(\S+)`).FindAllStringSubmatch(string(a.result), -1) {
		limits[m[1]] = m[2] + " " + m[3]
	}
	return limits
}

func TestCommandHasItsLimits(t *testing.T) {
	t.Parallel()
	before := limitsOf(t, Config{})
	for _, tt := range []struct {
		limits     Limits
		name, want string
	}{
		{Limits{CPU: time.Minute}, "cpu time", "60 61"},
		{Limits{Memory: 64 << 20}, "address space", "67108864 67108864"},
		{Limits{Files: 64}, "open files", "64 64"},
		{Limits{Processes: 40}, "processes", "40 40"},
		{Limits{FileSize: 4096}, "file size", "4096 4096"},
		{Limits{Core: NoCore}, "core file size", "0 0"},
		{Limits{Core: 8192}, "core file size", "8192 8192"},
	} {
		want := map[string]string{}
		for name, v := range before {
			want[name] = v
		}
		want[tt.name] = tt.want
		// The other limits are those of a command without limits.
		if got := limitsOf(t, Config{Limits: tt.limits}); !equal(got, want) {
			t.Errorf("%+v: got %v, want %v", tt.limits, got, want)
		}
	}
	all := limitsOf(t, Config{Umask: "027", Limits: Limits{CPU: time.Hour, Memory: 32 << 20, Files: 32, Processes: 30, FileSize: 1, Core: NoCore}})
	if all["address space"] != "33554432 33554432" || all["open files"] != "32 32" || all["processes"] != "30 30" || all["cpu time"] != "3600 3601" {
		t.Errorf("got %v", all)
	}
}

func equal(a, b map[string]string) bool {
	for name, v := range a {
		if b[name] != v {
			return false
		}
	}
	return len(a) == len(b) && len(a) > 10
}

func TestLimitsEndACommandThatExceedsThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		script string
		limits Limits
		want   string
	}{
		{"while :; do :; done", Limits{CPU: time.Second, Core: NoCore}, "CPU time limit exceeded"},
		{"exec head -c 100000 /dev/zero >" + dir + "/file", Limits{FileSize: 1000, Core: NoCore}, "file size limit exceeded"},
		{"exec dd if=/dev/zero of=/dev/null bs=200000000 count=1", Limits{Memory: 64 << 20}, "exit status 1"},
		{"exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null; exec cat /dev/null", Limits{Files: 8}, "exit status"},
	} {
		cfg := shell(tt.script)
		cfg.Limits = tt.limits
		a := runConfig(t, cfg, "")
		if a.err == nil || !strings.Contains(a.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.script, a.err, tt.want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "file")); err != nil || info.Size() != 1000 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

func TestCommandHasItsUmask(t *testing.T) {
	t.Parallel()
	for umask, want := range map[string]string{"027": "-rw-r-----", "0077": "-rw-------", "000": "-rw-rw-rw-"} {
		cfg := shell("echo x >file; ls -l file; cat")
		cfg.Dir = t.TempDir()
		cfg.Umask = umask
		a := runConfig(t, cfg, "in")
		if a.err != nil || !strings.HasPrefix(string(a.result), want) || !strings.HasSuffix(string(a.result), "\nin") {
			t.Errorf("%s: %q, %v; want %s", umask, a.result, a.err, want)
		}
	}
}

func TestLimitedCommandThatCannotStartFailsAsAnyOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		want    error
	}{
		"gone":   {"", 0, os.ErrNotExist},
		"format": {"no program", 0o755, syscall.ENOEXEC},
		"shell":  {"#!/no/such/shell\n", 0o755, os.ErrNotExist},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, cfg := range []Config{{}, {Umask: "022"}, {Limits: Limits{Memory: 64 << 20}}} {
			cfg.Command, cfg.Pool = []string{path}, "media"
			r, err := newRunner(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if tt.mode == 0 {
				_ = os.Remove(path)
			}
			_, err = r.handle(t.Context(), newTask("x"))
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
			texts = append(texts, strings.ReplaceAll(err.Error(), "fork/exec", "exec"))
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if texts[0] != texts[1] || texts[0] != texts[2] {
			t.Errorf("%s: different errors: %q", name, texts)
		}
	}
}

func TestLimitsThatCannotBeSetAreRefused(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Limits: Limits{CPU: -1, Memory: -1, Files: -1, Processes: -1, FileSize: -1, Core: -2}, Umask: "9"}, []string{
			"limits.cpu must not be negative", "limits.memory must not", "limits.files must not", "limits.processes must not",
			"limits.file_size must not", "limits.core must not be negative, but is -2", `umask must be three octal digits such as 027, not "9"`,
		}},
		{Config{Limits: Limits{CPU: 1500 * time.Millisecond}}, []string{"limits.cpu must be in whole seconds, not 1.5s"}},
		{Config{Limits: Limits{Files: int(files.Max) + 1}}, []string{"limits.files must be at most", "the hard limit of this process"}},
	} {
		tt.cfg.Command, tt.cfg.Pool = []string{"true"}, "media"
		_, err := New(tt.cfg)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: no error contains %q:\n%v", tt.cfg, want, err)
			}
		}
	}
}
