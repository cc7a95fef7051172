package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestLoginNeedsNameAndPassword(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer,media=operator", "secret"))})
	b := newBrowser(t, g)
	for _, try := range [][2]string{{"alice", "Secret"}, {"alice", ""}, {"Alice", "secret"}, {"", ""}, {"bob", "secret"}, {"alice ", "secret"}, {"alice *=viewer", "secret"}} {
		if err := b.login(try[0], try[1]); !errors.Is(err, ErrCredentials) || !b.is("") {
			t.Errorf("%q: %v", try, err)
		}
	}
	b.mustLogin("alice", "secret")
	want := &User{Name: "alice", Method: MethodPassword, Roles: map[string]Role{AllPools: Viewer, "media": Operator}}
	if diff := cmp.Diff(want, b.user()); diff != "" {
		t.Error(diff)
	}
	if err := newBrowser(t, newGate(t, Options{})).login("alice", "secret"); !errors.Is(err, ErrNoMethod) {
		t.Errorf("without a password file: %v", err)
	}
}

// The time of a login is that of its hash: the same parameters, once.
func TestUnknownNameTakesTheWorkOfAKnownOne(t *testing.T) {
	strong := strings.Replace(line("bob", "*=viewer", "x"), "m=19456,t=2,p=1", "m=65536,t=3,p=4", 1)
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "x"), strong)})
	var work []params
	g.hasher.derive = func(_ string, _ []byte, p params, size int) []byte {
		work = append(work, p)
		return make([]byte, size) // the key of a decoy
	}
	unknown := map[params]int{}
	for n, name := range []string{"alice", "bob", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"} {
		var first params
		for i := range 2 {
			b := newBrowser(t, g)
			b.from = fmt.Sprintf("192.0.2.%d:1", n)
			if work = nil; !errors.Is(b.login(name, "wrong"), ErrCredentials) || len(work) != 1 {
				t.Fatalf("%s: %d hashes", name, len(work))
			}
			if i == 0 {
				first = work[0]
			} else if work[0] != first {
				t.Errorf("%s: once %v, once %v", name, first, work[0])
			}
		}
		if len(name) == 1 {
			unknown[first]++
		}
	}
	// 20 names that all chose the same parameters would be a chance of 1 in 500,000.
	if len(unknown) != 2 {
		t.Errorf("unknown names use %v", unknown)
	}
}

func TestLoginGivesANewTokenAndEndsTheOldSession(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"), line("mallory", "*=viewer", "m"))})
	mallory, alice := newBrowser(t, g), newBrowser(t, g)
	mallory.mustLogin("mallory", "m")
	// Mallory plants her own session, and one that she has made up.
	for _, planted := range []string{mallory.cookies[sessionCookie].Value, "made-up"} {
		alice.cookies = map[string]*http.Cookie{sessionCookie: {Name: sessionCookie, Value: planted}}
		alice.mustLogin("alice", "a")
		if token := alice.cookies[sessionCookie].Value; token == planted || len(token) != 43 {
			t.Errorf("token %q", token)
		}
		if mallory.cookies[sessionCookie].Value = planted; !mallory.is("") {
			t.Errorf("the planted session is of %s", mallory.user().Name)
		}
	}
}

func TestLogoutEndsTheSession(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
	here, elsewhere := newBrowser(t, g), newBrowser(t, g)
	here.mustLogin("alice", "a")
	elsewhere.mustLogin("alice", "a")
	stolen := here.request("/")
	w := httptest.NewRecorder()
	g.Logout(w, here.request("/logout"))
	if here.keep(w); len(here.cookies) != 0 {
		t.Errorf("the cookie stays: %v", here.cookies)
	}
	if g.User(stolen) != nil {
		t.Error("the token is still valid")
	}
	if !elsewhere.is("alice") {
		t.Error("another session has ended")
	}
}

func TestRevokeEndsAllSessionsOfAUser(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"), line("bob", "*=viewer", "b"))})
	one, two, bob := newBrowser(t, g), newBrowser(t, g), newBrowser(t, g)
	one.mustLogin("alice", "a")
	two.mustLogin("alice", "a")
	bob.mustLogin("bob", "b")
	if n := g.Revoke("alice"); n != 2 || !one.is("") || !two.is("") || !bob.is("bob") {
		t.Errorf("%d sessions ended; bob is %v", n, bob.user())
	}
	if n := g.Revoke("nobody"); n != 0 {
		t.Error(n)
	}
}

func TestCookieIsForThisConsoleOnly(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "a"))
	for _, tt := range []struct {
		o    Options
		tls  bool
		name string
		path string
	}{
		{Options{}, true, "__Host-ltsworker", "/"},
		{Options{}, false, "ltsworker", "/"},
		{Options{Path: "/console"}, true, "__Secure-ltsworker", "/console"},
		{Options{Path: "/console"}, false, "ltsworker", "/console"},
		{Options{Secure: true}, false, "__Host-ltsworker", "/"},
	} {
		tt.o.PasswordFile = path
		b := newBrowser(t, newGate(t, tt.o))
		b.tls = tt.tls
		b.mustLogin("alice", "a")
		c := b.cookies[tt.name]
		if c == nil || c.Path != tt.path || c.Secure != (tt.name != "ltsworker") || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() {
			t.Errorf("%+v: %+v", tt, b.cookies)
		}
		if !b.is("alice") {
			t.Errorf("%+v: nobody", tt)
		}
		// A cookie that was set without TLS does not count with it.
		if plain := b.cookies[tt.name]; tt.tls {
			b.cookies = map[string]*http.Cookie{"ltsworker": {Name: "ltsworker", Value: plain.Value}}
			if !b.is("") {
				t.Errorf("%+v: the cookie without a prefix is accepted", tt)
			}
		}
	}
}

func TestSecondCookieOfTheNameIsNotUsed(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
	b := newBrowser(t, g)
	b.mustLogin("alice", "a")
	r := b.request("/")
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "other"})
	if u := g.User(r); u != nil {
		t.Errorf("%+v", u)
	}
}

func TestPasswordThatMustBeChangedGivesNoRoleBefore(t *testing.T) {
	path := passwordFile(t, line("admin", "*=admin", "once")+" must-change", line("bob", "*=viewer", "b"))
	g := newGate(t, Options{PasswordFile: path})
	b, elsewhere := newBrowser(t, g), newBrowser(t, g)
	b.mustLogin("admin", "once")
	elsewhere.mustLogin("admin", "once")
	if u := b.user(); !u.MustChange || u.Role("p") != None {
		t.Errorf("%+v", u)
	}
	change := func(b *browser, old, password string) error {
		w := httptest.NewRecorder()
		err := g.ChangePassword(w, b.request("/password"), old, password)
		b.keep(w)
		return err
	}
	var field *task.FieldError
	for name, wrong := range map[string]error{"short": change(b, "once", "short"), "same": change(b, "once"+longEnough, "once"+longEnough)} {
		if !errors.As(wrong, &field) || field.Field != "password" {
			t.Errorf("%s: %v", name, wrong)
		}
	}
	if err := change(b, "wrong", longEnough); !errors.Is(err, ErrCredentials) {
		t.Errorf("wrong old password: %v", err)
	}
	if err := change(newBrowser(t, g), "once", longEnough); !errors.Is(err, ErrNoSession) {
		t.Errorf("without a session: %v", err)
	}
	token := b.cookies[sessionCookie].Value
	if err := change(b, "once", longEnough); err != nil {
		t.Fatal(err)
	}
	if u := b.user(); u.MustChange || u.Role("p") != Admin || b.cookies[sessionCookie].Value == token {
		t.Errorf("after the change: %+v", u)
	}
	if !elsewhere.is("") {
		t.Error("the other session goes on")
	}
	g.hasher.derive = derive // the file has a real hash now
	if err := b.login("admin", "once"); !errors.Is(err, ErrCredentials) {
		t.Errorf("the old password: %v", err)
	}
	b.mustLogin("admin", longEnough)
	if text, _ := os.ReadFile(path); strings.Contains(string(text), mustChange) || !strings.Contains(string(text), "bob") {
		t.Errorf("%s", text)
	}
}

func TestPasswordThatCannotBeWrittenIsNotChanged(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "a"))
	g := newGate(t, Options{PasswordFile: path})
	b := newBrowser(t, g)
	b.mustLogin("alice", "a")
	a, err := g.passwords.current()
	if err != nil {
		t.Fatal(err)
	}
	changed := line("alice", "*=none", "a")
	rewrite(t, path, changed)
	if _, err := g.writePassword(t.Context(), a.byName["alice"], longEnough); !errors.Is(err, ErrNoSession) {
		t.Errorf("the line has changed meanwhile: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != changed+"\n" {
		t.Errorf("%s", text)
	}
	rewrite(t, path, line("alice", "*=viewer", "a"))
	g.options.PasswordFile += ".gone" // root could write a file that is only read-only
	if _, err := g.writePassword(t.Context(), a.byName["alice"], longEnough); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if !b.is("alice") {
		t.Error("the session has ended")
	}
}

func TestLoginOfAClientThatHasGoneIsNotTried(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
	for range maxHashes {
		g.hasher.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	if err := g.Login(w, newBrowser(t, g).request("/").WithContext(ctx), "alice", "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(w.Header()) > 0 {
		t.Errorf("written: %v", w.Header())
	}
}
