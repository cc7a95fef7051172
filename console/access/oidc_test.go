package access

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func oidcOptions(issuer string) *OIDC {
	return &OIDC{
		Issuer: issuer, ClientID: "console", ClientSecret: "s3cret", Redirect: "https://console.example.com" + OIDCFinish,
		Grants: Grants{Groups: map[string]map[string]Role{"ops": {AllPools: Operator}}},
	}
}

// start begins a login and returns the URL that the browser is sent to.
func (b *browser) start(next string) string {
	b.t.Helper()
	w := httptest.NewRecorder()
	if err := b.g.StartOIDC(w, b.request(OIDCStart+"?next="+url.QueryEscape(next))); err != nil {
		b.t.Fatal(err)
	}
	b.keep(w)
	return w.Header().Get("Location")
}

// visit goes to the provider and returns the path that it sends the browser back to.
func (b *browser) visit(at string) string {
	b.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(at)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if err != nil || back.Host != "console.example.com" || back.Path != OIDCFinish {
		b.t.Fatalf("the provider answers %s %v: %v", resp.Status, back, err)
	}
	return back.RequestURI()
}

// finish ends a login and returns the path that the browser is sent to.
func (b *browser) finish(path string) (string, error) {
	w := httptest.NewRecorder()
	err := b.g.FinishOIDC(w, b.request(path))
	if err != nil && w.Body.Len() > 0 {
		b.t.Error("an error has written a page")
	}
	b.keep(w)
	return w.Header().Get("Location"), err
}

func (b *browser) loginOIDC() error {
	b.t.Helper()
	_, err := b.finish(b.visit(b.start("")))
	return err
}

func TestLoginAtTheProviderGivesTheRolesOfTheGroups(t *testing.T) {
	i := newIssuer(t)
	g := newGate(t, Options{OIDC: oidcOptions(i.URL)})
	b := newBrowser(t, g)
	b.tls = true
	at := b.start("/tasks?q=state:failed")
	c := b.cookies["__Host-"+loginCookie]
	if c == nil || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 {
		t.Errorf("cookie %+v", c)
	}
	if next, err := b.finish(b.visit(at)); err != nil || next != "/tasks?q=state:failed" {
		t.Fatalf("%q %v", next, err)
	}
	want := &User{Name: "alice@example.com", Method: MethodOIDC, Roles: map[string]Role{AllPools: Operator}}
	if diff := cmp.Diff(want, b.user()); diff != "" {
		t.Error(diff)
	}
	if len(b.cookies) != 1 {
		t.Errorf("cookies that are left: %v", b.cookies)
	}
	if m := g.Methods(); m.OIDC != strings.TrimPrefix(i.URL, "http://") || m.OIDCStart != OIDCStart || m.Password {
		t.Errorf("%+v", m)
	}
	if g.Revoke("alice@example.com"); !b.is("") {
		t.Error("the session goes on")
	}
}

func TestTokensThatAreNotForThisLoginAreRefused(t *testing.T) {
	i := newIssuer(t)
	var log bytes.Buffer
	g := newGate(t, Options{OIDC: oidcOptions(i.URL), Log: slog.New(slog.NewTextHandler(&log, nil))})
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		claims map[string]any
		change func()
		log    string
	}{
		"issuer":           {map[string]any{"iss": "https://other.example.com"}, nil, "different provider"},
		"audience":         {map[string]any{"aud": "other"}, nil, "expected audience"},
		"no audience":      {map[string]any{"aud": nil}, nil, "expected audience"},
		"other party":      {map[string]any{"aud": []string{"console", "other"}, "azp": "other"}, nil, "another client"},
		"expired":          {map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, nil, "expired"},
		"nonce":            {map[string]any{"nonce": "other"}, nil, "nonce"},
		"no nonce":         {map[string]any{"nonce": nil}, nil, "nonce"},
		"signature":        {nil, func() { i.signed = other }, "signature"},
		"no signature":     {nil, func() { i.alg = "none" }, "malformed"},
		"name":             {map[string]any{"email": nil}, nil, "no claim email"},
		"strange name":     {map[string]any{"email": "a b@example.com"}, nil, "must not contain"},
		"not verified":     {map[string]any{"email_verified": false}, nil, "email_verified"},
		"verified as text": {map[string]any{"email_verified": "false"}, nil, "email_verified"},
		"verified unknown": {map[string]any{"email_verified": nil}, nil, "email_verified"},
	} {
		log.Reset()
		i.claims, i.signed, i.alg = tt.claims, i.key, "RS256"
		if tt.change != nil {
			tt.change()
		}
		b := newBrowser(t, g)
		if err := b.loginOIDC(); err == nil || !b.is("") || !strings.Contains(log.String(), tt.log) {
			t.Errorf("%s: %v, want %q in the log:\n%s", name, err, tt.log, &log)
		} else if strings.Contains(err.Error(), "example.com") {
			t.Errorf("%s: the page shows a part of the token: %v", name, err)
		}
	}
	i.claims, i.signed, i.alg = nil, i.key, "RS256"
	if err := newBrowser(t, g).loginOIDC(); err != nil {
		t.Errorf("a good token: %v", err)
	}
}

func TestClaimsAreChosen(t *testing.T) {
	i := newIssuer(t)
	o := oidcOptions(i.URL)
	o.NameClaim, o.GroupsClaim = "preferred_username", "role"
	b := newBrowser(t, newGate(t, Options{OIDC: o}))
	for name, tt := range map[string]struct {
		role any
		want error
	}{
		"text":      {"ops", nil},
		"list":      {[]any{7, "ops"}, nil},
		"others":    {[]string{"dev"}, ErrNoRole},
		"not there": {nil, ErrNoRole},
		"object":    {map[string]any{"ops": true}, ErrNoRole},
		"substring": {"dev,ops", ErrNoRole},
	} {
		i.claims = map[string]any{"preferred_username": "alice", "email_verified": false, "role": tt.role}
		b.cookies = map[string]*http.Cookie{}
		if err := b.loginOIDC(); !errors.Is(err, tt.want) || b.is("alice") != (tt.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswerThatThisBrowserHasNotAskedForIsRefused(t *testing.T) {
	i := newIssuer(t)
	g := newGate(t, Options{OIDC: oidcOptions(i.URL), Path: "/"})
	mallory, alice := newBrowser(t, g), newBrowser(t, g)
	// Mallory logs in and gives the last step to alice, so that she works in mallory's name.
	path := mallory.visit(mallory.start(""))
	if _, err := alice.finish(path); err == nil || !alice.is("") {
		t.Error("a browser without the cookie")
	}
	alice.start("")
	if _, err := alice.finish(path); err == nil || !alice.is("") {
		t.Error("a browser with another login")
	}
	for name, change := range map[string]func(b *browser, q url.Values){
		"no state":       func(_ *browser, q url.Values) { q.Del("state") },
		"other issuer":   func(_ *browser, q url.Values) { q.Set("iss", "https://other.example.com") },
		"refused":        func(_ *browser, q url.Values) { q.Set("error", "access_denied") },
		"no code":        func(_ *browser, q url.Values) { q.Del("code") },
		"forged cookie":  func(b *browser, _ url.Values) { b.cookies[loginCookie].Value = forged(b.cookies[loginCookie].Value) },
		"another's code": func(_ *browser, q url.Values) { q.Set("code", mustParse(path).Query().Get("code")) },
	} {
		b := newBrowser(t, g)
		u := mustParse(b.visit(b.start("")))
		q := u.Query()
		change(b, q)
		if _, err := b.finish(u.Path + "?" + q.Encode()); err == nil || !b.is("") {
			t.Errorf("%s: accepted", name)
		}
	}
	b := newBrowser(t, g)
	path = b.visit(b.start(""))
	cookie := *b.cookies[loginCookie]
	if _, err := b.finish(path); err != nil {
		t.Fatal(err)
	}
	again := newBrowser(t, g)
	again.cookies[loginCookie] = &cookie
	if _, err := again.finish(path); err == nil {
		t.Error("the code was accepted twice")
	}
}

func mustParse(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

// forged changes one bit of the signed text.
func forged(sealed string) string {
	b, _ := base64.RawURLEncoding.DecodeString(sealed)
	b[len(b)-1] ^= 1
	return b64url(b)
}

func TestLoginAtTheProviderHasATimeLimit(t *testing.T) {
	key := []byte("key")
	l := &login{state: "s", nonce: "n", verifier: "v", path: "/a", until: time.Now().Add(time.Minute).Truncate(time.Second)}
	if got := openLogin(key, l.seal(key)); got == nil || *got != *l {
		t.Errorf("%+v, want %+v", got, l)
	}
	if openLogin([]byte("other"), l.seal(key)) != nil {
		t.Error("the cookie of another process is accepted")
	}
	l.until = time.Now().Add(-time.Second)
	if openLogin(key, l.seal(key)) != nil {
		t.Error("an old login is accepted")
	}
	for _, wrong := range []string{"", "x", "!", strings.Repeat("A", 100)} {
		if openLogin(key, wrong) != nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestLoginReturnsIntoTheConsoleOnly(t *testing.T) {
	i := newIssuer(t)
	o := oidcOptions(i.URL)
	o.Redirect = "https://console.example.com/console" + OIDCFinish
	g := newGate(t, Options{OIDC: o, Path: "/console"})
	for next, want := range map[string]string{"/console/tasks": "/console/tasks", "https://evil.example": "/console", "//evil.example": "/console", "/\\evil.example": "/console", "/other": "/console"} {
		b := newBrowser(t, g)
		q := mustParse(b.start(next)).Query()
		if got := openLogin(g.key, b.cookies[loginCookie].Value).path; got != want {
			t.Errorf("%q: %q", next, got)
		}
		if q.Get("redirect_uri") != o.Redirect {
			t.Errorf("redirect_uri %s", q.Get("redirect_uri"))
		}
	}
	if m := g.Methods(); m.OIDCStart != "/console"+OIDCStart {
		t.Error(m)
	}
}

func TestProviderIsAskedAgainUntilItAnswers(t *testing.T) {
	i := newIssuer(t)
	away := true
	o := oidcOptions(i.URL)
	o.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if away {
			return nil, errors.New("connection refused")
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	b := newBrowser(t, newGate(t, Options{OIDC: o}))
	w := httptest.NewRecorder()
	if err := b.g.StartOIDC(w, b.request("/")); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("%v %v", err, w.Header())
	}
	away = false
	if err := b.loginOIDC(); err != nil || !b.is("alice@example.com") {
		t.Error(err)
	}
	if none := newBrowser(t, newGate(t, Options{})); !errors.Is(none.g.StartOIDC(w, none.request("/")), ErrNoMethod) || !errors.Is(none.g.FinishOIDC(w, none.request("/")), ErrNoMethod) {
		t.Error("without OIDC")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
