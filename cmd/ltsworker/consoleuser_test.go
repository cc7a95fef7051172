package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/console/access"
)

const consolePassword = "correct horse battery"

func TestUsersOfTheConsoleAreKept(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.write("password", consolePassword+"\nanother line\n", 0o600)
	if out := u.must("console", "user", "add", "alice", "--roles", "*=admin", "--password-file", "password"); out != "alice added\n" {
		t.Error(out)
	}
	if a := u.pipe(consolePassword, "console", "user", "add", "bob", "--roles", "*=viewer,media=operator", "--password-file", "-", "--must-change"); a.code != 0 {
		t.Errorf("%+v", a)
	}
	if out := u.must("console", "user", "set", "alice", "--roles", "media=admin"); out != "alice changed\n" {
		t.Error(out)
	}
	if out := u.must("console", "user", "ls"); !strings.Contains(out, "bob    *=viewer,media=operator  must change the password") {
		t.Error(out)
	}
	list := decodeLines[userRecord](t, u.must("console", "user", "ls", "--json"))
	if len(list) != 2 || list[0].Name != "alice" || list[0].Roles["media"] != access.Admin || list[0].MustChange || !list[1].MustChange {
		t.Errorf("%+v", list)
	}
	text, err := os.ReadFile(filepath.Join(u.dir, defaultUsersFile))
	if err != nil || strings.Contains(string(text), "horse") {
		t.Errorf("%s %v", text, err)
	}
	if out := u.must("__complete", "console", "user", "rm", "bob", ""); !strings.HasPrefix(out, "alice\n:4") {
		t.Error(out)
	}
	if out := u.must("console", "user", "rm", "bob"); out != "bob removed\n" {
		t.Error(out)
	}
	if a := u.run("console", "user", "ls", "--users", "none"); a.code != exitFailed || !strings.Contains(a.err, "there is no password file none") {
		t.Errorf("%+v", a)
	}
}

func TestWrongUsersOfTheConsoleAreRefused(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	if a := u.pipe(consolePassword, "console", "user", "add", "alice", "--roles", "*=admin", "--password-file", "-"); a.code != 0 {
		t.Fatalf("%+v", a)
	}
	for _, tt := range []struct {
		args, stdin string
		code        int
		want        string
	}{
		{"add alice --roles *=viewer --password-file -", consolePassword, exitFailed, "alice: the user exists already"},
		{"add bob --password-file -", consolePassword, exitUsage, "--roles is missing"},
		{"add bob --roles *=root --password-file -", consolePassword, exitUsage, `--roles has a wrong role for "*"`},
		{"add bob --roles *=viewer", consolePassword, exitUsage, "the password is missing: set --password-file"},
		{"add bob --roles *=viewer --password-file -", "short", exitUsage, "password has 5 characters"},
		{"add bob --roles *=viewer --password-file none", "", exitUsage, "none: no such file"},
		{"set bob --roles *=viewer", "", exitFailed, "bob: no such user"},
		{"set alice --password-file -", "", exitUsage, "the password is empty"},
		{"set alice --roles *=viewer --must-change", "", exitUsage, "--must-change needs a new password"},
		{"rm alice", "", exitFailed, "alice: the only user cannot be removed"},
		{"del alice", "", exitUsage, "unknown command"},
	} {
		if a := u.pipe(tt.stdin, append([]string{"console", "user"}, strings.Fields(tt.args)...)...); a.code != tt.code || !strings.Contains(a.err, tt.want) || a.out != "" {
			t.Errorf("%s: %+v, want %d %q", tt.args, a, tt.code, tt.want)
		}
	}
	if list := decodeLines[userRecord](t, u.must("console", "user", "ls", "--json")); len(list) != 1 || list[0].Roles["*"] != access.Admin {
		t.Errorf("%+v", list)
	}
}

func TestPasswordOfAUserIsAskedForTwice(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	for _, tt := range []struct {
		again, end string
		code       int
	}{
		{"another password", "the passwords differ", exitUsage},
		{consolePassword, "alice added", exitDone},
	} {
		s := u.terminal(80, 10, "console", "user", "add", "alice", "--roles", "*=admin")
		s.await("New password for alice: ")
		s.press(consolePassword + "\n")
		s.await("The same again: ")
		s.press(tt.again + "\n")
		s.await(tt.end)
		if code := s.wait(); code != tt.code {
			t.Errorf("exit code %d, want %d", code, tt.code)
		}
	}
	if out := u.must("console", "user", "ls"); !strings.Contains(out, "alice") {
		t.Error(out)
	}
}

// The address is checked before the first user is made: the password of that user is printed only once.
func TestConsoleChecksItsAddressBeforeItMakesAUser(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if a := u.run("console", "--listen", "x"); a.code != exitUsage || a.out != "" || !strings.Contains(a.err, `--listen must be HOST:PORT`) {
		t.Errorf("%+v", a)
	}
	if a := u.run("console", "user", "ls"); a.code != exitFailed || a.err != "ltsworker: there is no password file console.users; ltsworker console user add makes it, --users names another one\n" {
		t.Errorf("%+v", a)
	}
}
