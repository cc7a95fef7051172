//go:build unix

package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigReportsEveryProblemAtOnce(t *testing.T) {
	_, err := New(Config{
		Command:   []string{"no-such-program-anywhere", "a\x00b"},
		Dir:       filepath.Join(t.TempDir(), "missing"),
		Env:       []string{"GOOD=1", "=x", "SECRET\x00=hush"},
		Pool:      "{}",
		Grace:     -time.Second,
		MaxResult: 1,
		MaxLog:    1 << 30,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`command "no-such-program-anywhere" was not found in PATH`,
		"command must not contain a NUL byte: argument 1 does",
		"dir ", "cannot be used",
		`env must contain KEY=value entries without NUL bytes: the one for "" is none`,
		`pool must not contain "{"`, "grace must not be negative", "max_result must be from 128", "max_log must be from 1 to 32768",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no error contains %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Error("the error shows the value of a variable")
	}
}

func TestUnusableProgramIsRefused(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain.sh")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		command []string
		want    string
	}{
		{nil, "command is missing"},
		{[]string{""}, "command is missing"},
		{[]string{"./absent.sh"}, `"./absent.sh" was not found in ` + dir},
		{[]string{filepath.Join(dir, "absent.sh")}, "was not found there"},
		{[]string{"./plain.sh"}, `"./plain.sh" is not executable`},
		{[]string{dir}, "cannot be run: is a directory"},
	}
	for _, tt := range tests {
		_, err := New(Config{Command: tt.command, Dir: dir, Pool: "media"})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.command, err, tt.want)
		}
	}
}

func TestProgramIsSearchedInDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/bin/echo", filepath.Join(dir, "say")); err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Command: []string{"./say", "hi"}, Dir: dir, Pool: "media"})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if out, err := h(t.Context(), newTask("")); err != nil || string(out) != "hi\n" {
		t.Errorf("%q, %v", out, err)
	}
}
