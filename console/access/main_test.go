package access

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// quick stands for argon2id in tests that are not about it.
func quick(password string, salt []byte, _ params, size int) []byte {
	sum := sha256.Sum256([]byte(string(salt) + password))
	return sum[:size]
}

// line returns the line of a user whose password is that of quick.
func line(name, roles, password string) string {
	a := account{name: name, digest: digest{params: defaultParams, salt: []byte("salt of " + name)}}
	a.digest.key = quick(password, a.digest.salt, a.digest.params, keySize)
	a.roles, _ = ParseRoles(roles)
	return a.String()
}

// passwordFile returns the path of a new password file with the lines.
func passwordFile(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "console.users")
	rewrite(t, path, lines...)
	return path
}

func rewrite(t testing.TB, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newGate returns a gate that hashes with quick.
func newGate(t testing.TB, o Options) *Gate {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.hasher.derive = quick
	return g
}

// browser keeps the cookies of a user.
type browser struct {
	t       testing.TB
	g       *Gate
	from    string // address and port
	tls     bool
	cookies map[string]*http.Cookie
}

func newBrowser(t testing.TB, g *Gate) *browser {
	return &browser{t: t, g: g, from: "192.0.2.1:1234", cookies: map[string]*http.Cookie{}}
}

// request returns a request with the cookies.
func (b *browser) request(target string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	r.TLS = nil
	if b.tls {
		r = httptest.NewRequest("GET", "https://example.com"+target, nil)
	}
	r.RemoteAddr = b.from
	for _, c := range b.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

// keep stores the cookies of a response.
func (b *browser) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

func (b *browser) login(name, password string) error {
	w := httptest.NewRecorder()
	err := b.g.Login(w, b.request("/login"), name, password)
	if err != nil && len(w.Result().Cookies()) > 0 {
		b.t.Error("a login that failed has set a cookie")
	}
	b.keep(w)
	return err
}

func (b *browser) mustLogin(name, password string) {
	b.t.Helper()
	if err := b.login(name, password); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) user() *User { return b.g.User(b.request("/")) }

// is reports whether the browser is logged in as the user with the name; "" means not logged in.
func (b *browser) is(name string) bool {
	u := b.user()
	return u == nil && name == "" || u != nil && u.Name == name
}
