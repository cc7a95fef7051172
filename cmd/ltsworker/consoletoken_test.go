package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/console/access"
)

func TestTokensOfTheConsoleAreShownOnce(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	if a := u.pipe(consolePassword, "console", "user", "add", "alice", "--roles", "*=viewer,media=operator", "--password-file", "-"); a.code != 0 {
		t.Fatalf("%+v", a)
	}
	secret := strings.TrimSpace(u.must("console", "user", "token", "alice", "--name", "ci", "--roles", "media=viewer"))
	u.must("console", "user", "token", "alice", "--expires", "never")
	text, err := os.ReadFile(filepath.Join(u.dir, defaultUsersFile))
	if err != nil || len(secret) < 40 || strings.Contains(string(text), secret) {
		t.Errorf("the secret %q is in the file, %v", secret, err)
	}
	if out := u.must("console", "user", "ls"); !strings.Contains(out, "ci (until 2") || !strings.Contains(out, ", default\n") {
		t.Error(out)
	}
	list := decodeLines[userRecord](t, u.must("console", "user", "ls", "--json"))
	if tokens := list[0].Tokens; len(tokens) != 2 || tokens[0].Roles["media"] != access.Viewer || tokens[0].ExpiresAt == "" || tokens[1].Roles["*"] != access.Viewer || tokens[1].ExpiresAt != "" {
		t.Errorf("%+v", tokens)
	}
	if out := u.must("__complete", "console", "user", "token", "rm", "alice", ""); !strings.HasPrefix(out, "ci\ndefault\n:4") {
		t.Error(out)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"alice --name ci", exitFailed, "ci: the token exists already"},
		{"bob", exitFailed, "bob: no such user"},
		{"alice --name x --roles media=admin", exitUsage, "roles give admin in media"},
		{"alice --name x --expires soon", exitUsage, "--expires must be"},
		{"rm alice none", exitFailed, "none: no such token"},
	} {
		if a := u.run(append([]string{"console", "user", "token"}, strings.Fields(tt.args)...)...); a.code != tt.code || !strings.Contains(a.err, tt.want) || a.out != "" {
			t.Errorf("%s: %+v, want %d %q", tt.args, a, tt.code, tt.want)
		}
	}
	if out := u.must("console", "user", "token", "rm", "alice", "ci", "default"); out != "alice ci removed\nalice default removed\n" {
		t.Error(out)
	}
	if list := decodeLines[userRecord](t, u.must("console", "user", "ls", "--json")); len(list[0].Tokens) != 0 {
		t.Errorf("%+v", list)
	}
}
