package access

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSessionsEndWithTheLineOfTheUser(t *testing.T) {
	alice, bob, carol := line("alice", "*=viewer", "a"), line("bob", "*=viewer", "b"), line("carol", "*=viewer", "c")
	path := passwordFile(t, alice, bob, carol)
	g := newGate(t, Options{PasswordFile: path})
	users := map[string]*browser{"alice": newBrowser(t, g), "bob": newBrowser(t, g), "carol": newBrowser(t, g)}
	for name, b := range users {
		b.mustLogin(name, name[:1])
	}
	// Alice has another role, bob is removed, carol has the same line in another place.
	rewrite(t, path, carol, line("alice", "*=admin", "a"))
	for name, want := range map[string]string{"alice": "", "bob": "", "carol": "carol"} {
		if b := users[name]; !b.is(want) {
			t.Errorf("%s is %+v", name, b.user())
		}
	}
	if err := users["bob"].login("bob", "b"); !errors.Is(err, ErrCredentials) {
		t.Errorf("bob logs in: %v", err)
	}
	if users["alice"].mustLogin("alice", "a"); users["alice"].user().Role("p") != Admin {
		t.Error("alice has her old role")
	}
	// The line comes back. The session has ended for good.
	rewrite(t, path, alice, bob, carol)
	if b := users["bob"]; !b.is("") {
		t.Errorf("the session of bob goes on: %+v", b.user())
	}
}

func TestChangeOfTheFileWithinItsTimeIsSeen(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "first"))
	g := newGate(t, Options{PasswordFile: path})
	b := newBrowser(t, g)
	b.mustLogin("alice", "first")
	info, _ := os.Stat(path)
	rewrite(t, path, line("alice", "*=viewer", "other")) // of the same size
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if !b.is("") {
		t.Error("the change is not seen")
	}
}

func TestOldFileIsReadOnce(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "x"))
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	p, err := openPasswords(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := p.current()
	if again, err := p.current(); again != first || err != nil {
		t.Errorf("read again: %v", err)
	}
}

// The password file may be invalid while it is edited by hand.
func TestBrokenFileLetsNobodyInAndEndsNoSession(t *testing.T) {
	alice := line("alice", "*=viewer", "a")
	path := passwordFile(t, alice)
	var log bytes.Buffer
	g := newGate(t, Options{PasswordFile: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	b := newBrowser(t, g)
	b.mustLogin("alice", "a")
	for name, damage := range map[string]func(){
		"wrong line": func() { rewrite(t, path, alice, "bob") },
		"empty":      func() { rewrite(t, path) },
		"mode":       func() { os.Chmod(path, 0o644) },
		"gone":       func() { os.Remove(path) },
	} {
		log.Reset()
		damage()
		if !b.is("") {
			t.Errorf("%s: the session is used", name)
		}
		if err := b.login("alice", "a"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: login: %v", name, err)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%s: %d errors in the log:\n%s", name, n, &log)
		}
		os.Remove(path)
		rewrite(t, path, alice)
		if !b.is("alice") {
			t.Errorf("%s: the session has ended", name)
		}
	}
}
