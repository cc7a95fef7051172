package access

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// mustToken adds a token and returns its secret.
func mustToken(t *testing.T, path, user, name, roles string, expires time.Time) string {
	t.Helper()
	given := Token{Name: name, Expires: expires}
	if roles != "" {
		given.Roles, _ = ParseRoles(roles)
	}
	secret, err := AddToken(path, user, given)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// bear makes a request with a token.
func (b *browser) bear(secret string) (*User, error) {
	r := b.request("/api/v1/pools")
	r.Header.Set("Authorization", "Bearer "+secret)
	return b.g.Bearer(r)
}

func TestTokenHasAtMostTheRolesOfItsUser(t *testing.T) {
	path := passwordFile(t, line("ann", "*=viewer,media=admin", "p"), line("token", "*=viewer", "p"))
	b := newBrowser(t, newGate(t, Options{PasswordFile: path}))
	whole, narrow := mustToken(t, path, "ann", "whole", "", time.Time{}), mustToken(t, path, "ann", "ci", "media=operator", time.Now().Add(time.Hour))
	other := mustToken(t, path, "token", "ci", "", time.Time{})
	for _, x := range []struct {
		secret, user, name string
		media, mail        Role
	}{{whole, "ann", "whole", Admin, Viewer}, {narrow, "ann", "ci", Operator, None}, {other, "token", "ci", Viewer, Viewer}} {
		u, err := b.bear(x.secret)
		if err != nil || u.Name != x.user || u.Token != x.name || u.Method != MethodToken || u.Role("media") != x.media || u.Role("mail") != x.mail {
			t.Errorf("%s: %+v, %v", x.name, u, err)
		}
	}
	if err := SetUser(path, Account{Name: "ann", Roles: map[string]Role{"media": Viewer}}); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]Role{whole: Viewer, narrow: Viewer} {
		if u, err := b.bear(secret); err != nil || u.Role("media") != want || u.Role("mail") != None {
			t.Errorf("after the user has lost roles: %+v, %v", u, err)
		}
	}
	if err := RemoveUser(path, "ann"); err != nil {
		t.Fatal(err)
	}
	if u, err := b.bear(whole); !errors.Is(err, ErrToken) {
		t.Errorf("after the user was removed: %+v, %v", u, err)
	}
	if _, err := b.bear(other); err != nil {
		t.Errorf("the token of the user token: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), other) {
		t.Errorf("the file has the secret, %v", err)
	}
}

func TestTokenEndsWhenItIsRemovedOrExpires(t *testing.T) {
	path := passwordFile(t, line("ann", "*=viewer", "p"))
	b := newBrowser(t, newGate(t, Options{PasswordFile: path}))
	removed, kept := mustToken(t, path, "ann", "a", "", time.Time{}), mustToken(t, path, "ann", "b", "", time.Time{})
	if err := RemoveToken(path, "ann", "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.bear(removed); !errors.Is(err, ErrToken) {
		t.Errorf("removed: %v", err)
	}
	if _, err := b.bear(kept); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, strings.Replace(strings.TrimSpace(string(text)), " never", " 2020-01-01T00:00:00Z", 1))
	if _, err := b.bear(kept); !errors.Is(err, ErrToken) {
		t.Errorf("expired: %v", err)
	}
}

// A client with a wrong token has to wait. It keeps no other client out: neither a right token
// from the same address nor a login.
func TestWrongTokensAreLimitedAndLockNobodyOut(t *testing.T) {
	path := passwordFile(t, line("ann", "*=viewer", "p"))
	b := newBrowser(t, newGate(t, Options{PasswordFile: path}))
	right := mustToken(t, path, "ann", "a", "", time.Time{})
	var many *TooManyError
	for i := range freeFailures + 2 {
		_, err := b.bear(tokenPrefix + "wrong")
		if refused := errors.As(err, &many); refused != (i >= freeFailures) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if _, err := b.bear(right); err != nil {
		t.Errorf("the right token: %v", err)
	}
	b.mustLogin("ann", "p")
	other := newBrowser(t, b.g)
	other.from = "192.0.2.2:1"
	if _, err := other.bear(tokenPrefix + "wrong"); !errors.Is(err, ErrToken) {
		t.Errorf("another address: %v", err)
	}
}

// Requests without a token have the user of the other methods. A wrong token is not replaced by
// a session.
func TestBearerAcceptsTheOtherMethods(t *testing.T) {
	path := passwordFile(t, line("ann", "*=viewer", "p"))
	b := newBrowser(t, newGate(t, Options{PasswordFile: path}))
	b.mustLogin("ann", "p")
	if u, err := b.g.Bearer(b.request("/")); err != nil || u == nil || u.Method != MethodPassword {
		t.Errorf("session: %+v, %v", u, err)
	}
	if u, err := b.bear("eyJ.of.another.issuer"); err != nil || u == nil {
		t.Errorf("a token of another issuer: %+v, %v", u, err)
	}
	if u, err := b.bear(tokenPrefix + "wrong"); !errors.Is(err, ErrToken) || u != nil {
		t.Errorf("a wrong token: %+v, %v", u, err)
	}
	if u, err := newBrowser(t, b.g).g.Bearer(newBrowser(t, b.g).request("/")); u != nil || err != nil {
		t.Errorf("neither: %+v, %v", u, err)
	}
	own := newBrowser(t, newGate(t, Options{PasswordFile: path, Identify: func(r *http.Request) (*User, error) {
		return &User{Name: "of the service"}, nil
	}}))
	if u, err := own.bear(tokenPrefix + "x"); err != nil || u.Name != "of the service" {
		t.Errorf("callback: %+v, %v", u, err)
	}
}

func TestWrongTokensAreNotAdded(t *testing.T) {
	path := passwordFile(t, line("ann", "*=viewer,media=none", "p"))
	mustToken(t, path, "ann", "a", "", time.Time{})
	for _, x := range []struct {
		user, name, roles string
		expires           time.Time
		want              string
	}{
		{"bob", "a", "", time.Time{}, "bob: no such user"},
		{"ann", "a", "", time.Time{}, "a: the token exists already"},
		{"ann", "b c", "", time.Time{}, "name must not contain"},
		{"ann", "b", "*=operator", time.Time{}, "roles give operator in *; the user has viewer there"},
		{"ann", "b", "*=viewer,media=viewer", time.Time{}, "roles give viewer in media; the user has none there"},
		{"ann", "b", "", time.Now().Add(-time.Minute), "expires must not be in the past"},
	} {
		given := Token{Name: x.name, Expires: x.expires}
		if x.roles != "" {
			given.Roles, _ = ParseRoles(x.roles)
		}
		if _, err := AddToken(path, x.user, given); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if err := RemoveToken(path, "ann", "b"); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
	var field *task.FieldError
	_, err := AddToken(path, "ann", Token{Name: "b", Roles: map[string]Role{"{": Viewer}})
	if !errors.As(err, &field) {
		t.Error(err)
	}
}

func TestLinesOfTokensAreParsedStrictly(t *testing.T) {
	user := line("ann", "*=viewer", "p")
	hash := hashPrefix + strings.Repeat("A", 43)
	for text, want := range map[string]string{
		"token ann ci *=viewer " + hash + " never":                                          "",
		"token ann ci *=viewer " + hash + " 2030-01-31T00:00:00Z":                           "",
		"token ann ci *=root " + hash + " never":                                            "line 2 has wrong roles",
		"token ann ci *=viewer sha256:AAAA never":                                           "line 2 has a wrong hash",
		"token ann ci *=viewer " + hash + " soon":                                           "line 2 has a wrong expiry",
		"token ann ci *=viewer " + hash + " never\ntoken ann d *=viewer " + hash + " never": "line 3 has the token",
		"token ann ci *=viewer " + hash:                                                     "line 2 must be NAME ROLES HASH",
	} {
		_, err := parseFile([]byte(user + "\n" + text + "\n"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A token whose user was removed by hand is ignored, and does not become that of a later user.
func TestTokensOfMissingUsersAreIgnored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	for _, name := range []string{"ann", "bob"} {
		if err := AddUser(path, Account{Name: name, Roles: map[string]Role{AllPools: Viewer}, Password: "correct horse battery"}); err != nil {
			t.Fatal(err)
		}
	}
	secret, err := AddToken(path, "bob", Token{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for l := range strings.SplitSeq(string(text), "\n") {
		if !strings.HasPrefix(l, "bob ") {
			lines = append(lines, l)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	gate, err := New(Options{PasswordFile: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		if u, err := gate.Bearer(r); u != nil || !errors.Is(err, ErrToken) {
			t.Errorf("%+v, %v", u, err)
		}
	}
	refused()
	if !strings.Contains(log.String(), "bob ci") {
		t.Errorf("the log is %s", &log)
	}
	if err := AddUser(path, Account{Name: "bob", Roles: map[string]Role{AllPools: Admin}, Password: "another horse battery"}); err != nil {
		t.Fatal(err)
	}
	refused()
}
