package access

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestZeroOptionsLetNobodyIn(t *testing.T) {
	g := newGate(t, Options{})
	b := newBrowser(t, g)
	for _, from := range []string{"127.0.0.1:1", "[::1]:1", "192.0.2.1:1"} {
		b.from = from
		r := b.request("/")
		r.Host = "localhost"
		r.Header.Set("X-Remote-User", "admin")
		r.SetBasicAuth("admin", "admin")
		r.AddCookie(&http.Cookie{Name: sessionCookie})
		if u := g.User(r); u != nil {
			t.Errorf("%s is %+v", from, u)
		}
	}
	if m := g.Methods(); m != (Methods{}) {
		t.Errorf("%+v", m)
	}
}

func TestConsoleWithoutALoginListensOnLoopbackOnly(t *testing.T) {
	callback := func(*http.Request) (*User, error) { return nil, nil }
	for name, tt := range map[string]struct {
		o         Options
		elsewhere bool
	}{
		"nothing":       {Options{}, false},
		"open":          {Options{Open: true}, false},
		"no header":     {Options{Proxy: &Proxy{From: []string{"10.1.0.0/16"}}}, false},
		"password file": {Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))}, true},
		"OIDC":          {Options{OIDC: oidcOptions("https://login.example.com")}, true},
		"proxy":         {Options{Proxy: proxyOptions()}, true},
		"callback":      {Options{Identify: callback}, true},
	} {
		g := newGate(t, tt.o)
		for addr, loopback := range map[string]bool{
			"127.0.0.1:8080": true, "127.1.2.3:0": true, "[::1]:8080": true, "localhost:8080": true, "LOCALHOST:80": true, "[::ffff:127.0.0.1]:80": true,
			":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "192.168.0.1:8080": false, "console.internal:80": false, "127.0.0.1.example.com:80": false, "localhost.example.com:80": false,
		} {
			if err := g.CheckListen(addr); (err == nil) != (loopback || tt.elsewhere) {
				t.Errorf("%s at %s: %v", name, addr, err)
			}
		}
		for _, wrong := range []string{"", "127.0.0.1", "localhost", "::1"} {
			if g.CheckListen(wrong) == nil {
				t.Errorf("%s: %q is accepted", name, wrong)
			}
		}
	}
}

func TestOpenConsoleIsForThisMachine(t *testing.T) {
	g := newGate(t, Options{Open: true})
	for _, tt := range []struct {
		from, host, header string
		want               bool
	}{
		{"127.0.0.1:1", "localhost:8080", "", true},
		{"127.0.0.1:1", "127.0.0.1:8080", "", true},
		{"[::1]:1", "[::1]:8080", "", true},
		{"[::1]:1", "[::1]", "", true},
		{"192.0.2.1:1", "localhost:8080", "", false},
		{"@", "localhost:8080", "", false},
		// The name of another site that leads here.
		{"127.0.0.1:1", "attacker.example:8080", "", false},
		{"127.0.0.1:1", "localhost.attacker.example", "", false},
		{"127.0.0.1:1", "", "", false},
		// Behind a proxy on this machine.
		{"127.0.0.1:1", "localhost:8080", "X-Forwarded-For", false},
		{"127.0.0.1:1", "localhost:8080", "Forwarded", false},
		{"127.0.0.1:1", "localhost:8080", "Via", false},
		{"127.0.0.1:1", "localhost:8080", "X-Real-IP", false},
	} {
		b := newBrowser(t, g)
		b.from = tt.from
		r := b.request("/")
		if r.Host = tt.host; tt.header != "" {
			r.Header.Set(tt.header, "192.0.2.7")
		}
		u := g.User(r)
		if (u != nil) != tt.want || u != nil && (u.Role("p") != Admin || u.Method != MethodOpen || u.Name != "local") {
			t.Errorf("%+v: %+v", tt, u)
		}
	}
}

func TestFunctionOfTheServiceIsAskedFirst(t *testing.T) {
	var user *User
	var fail error
	g := newGate(t, Options{
		PasswordFile: passwordFile(t, line("alice", "*=viewer", "a")),
		Identify:     func(*http.Request) (*User, error) { return user, fail },
	})
	b := newBrowser(t, g)
	b.mustLogin("alice", "a")
	if !b.is("alice") {
		t.Error("nobody, although the other methods know the user")
	}
	user = &User{Name: "bob", Roles: map[string]Role{"p": Admin}}
	if u := b.user(); u == nil || u.Name != "bob" || u.Method != MethodCallback || u.Role("p") != Admin || user.Method != "" {
		t.Errorf("%+v", u)
	}
	user, fail = nil, errors.New("the directory is away")
	if !b.is("") {
		t.Errorf("after an error: %+v", b.user())
	}
}

func TestNewReturnsAllMistakes(t *testing.T) {
	_, err := New(Options{
		Path: "console/", Idle: time.Second, Lifetime: time.Second, Open: true, PasswordFile: t.TempDir() + "/none",
		OIDC: &OIDC{Issuer: "http://login.example.com", Redirect: "https://console.example.com/callback"},
		Proxy: &Proxy{From: []string{"*"}, UserHeader: "X User", GroupsHeader: "Cookie",
			Grants: Grants{Everyone: map[string]Role{"a b": Viewer}, Groups: map[string]map[string]Role{"ops": {"p": 9}}, Users: map[string]map[string]Role{"a b": {}}}},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"path must", "idle must", "lifetime must", "open gives each request", "password_file cannot be used",
		"oidc.issuer must begin with https://", "oidc.client_id is missing", "oidc.redirect must have the path", "oidc.grants is empty",
		"proxy.from[0] must", "proxy.user_header must", "proxy.groups_header must not be Cookie",
		"proxy.grants.everyone.a b is not", "proxy.grants.groups.ops.p is Role(9)", "proxy.grants.users.a b is not",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	for name, o := range map[string]Options{
		"proxy.from is missing":                     {Proxy: &Proxy{UserHeader: "X-User", Grants: proxyOptions().Grants}},
		"proxy.groups_header needs user_header":     {Proxy: &Proxy{From: []string{"10.0.0.1"}, GroupsHeader: "X-Groups"}},
		"proxy.groups_header must not be user_head": {Proxy: &Proxy{From: []string{"10.0.0.1"}, UserHeader: "x-user", GroupsHeader: "X-User", Grants: proxyOptions().Grants}},
		"idle must be":                              {Idle: 9 * time.Hour},
		"lifetime must be":                          {Lifetime: 31 * 24 * time.Hour},
		"path must be":                              {Path: "/a;b"},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want only %q", err, name)
		}
	}
}

func TestReturnPathStaysInTheConsole(t *testing.T) {
	root, below := newGate(t, Options{}), newGate(t, Options{Path: "/console"})
	for path, want := range map[string][2]string{
		"/console":                              {"/console", "/console"},
		"/console/tasks?q=state:failed#top":     {"/console/tasks?q=state:failed#top", "/console/tasks?q=state:failed#top"},
		"/tasks?next=https://evil.example":      {"/tasks?next=https://evil.example", "/console"},
		"/consoles":                             {"/consoles", "/console"},
		"/console/%2fevil.example":              {"/console/%2fevil.example", "/console/%2fevil.example"},
		"":                                      {"/", "/console"},
		"tasks":                                 {"/", "/console"},
		"?x=1":                                  {"/", "/console"},
		"https://evil.example/console":          {"/", "/console"},
		"//evil.example/console":                {"/", "/console"},
		"///evil.example/console":               {"/", "/console"},
		"/\\evil.example/console":               {"/", "/console"},
		"\\\\evil.example":                      {"/", "/console"},
		"/\t/evil.example/console":              {"/", "/console"},
		"/\n/evil.example":                      {"/", "/console"},
		" //evil.example":                       {"/", "/console"},
		"javascript:alert(1)":                   {"/", "/console"},
		"http:/console":                         {"/", "/console"},
		"http:console":                          {"/", "/console"},
		"/console/../admin":                     {"/", "/console"},
		"/console/%2e%2e/admin":                 {"/", "/console"},
		"/.//evil.example":                      {"/", "/console"},
		"/console/%zz":                          {"/", "/console"},
		"/console/" + strings.Repeat("x", 3000): {"/", "/console"},
	} {
		if got := [2]string{root.ReturnPath(path), below.ReturnPath(path)}; got != want {
			t.Errorf("%.40q: %q, want %q", path, got, want)
		}
	}
}

func TestGateMayBeUsedConcurrently(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"), line("bob", "*=viewer", "b"))})
	var users sync.WaitGroup
	for i, name := range []string{"alice", "bob", "alice", "bob"} {
		b := newBrowser(t, g)
		b.from = fmt.Sprintf("192.0.2.%d:1", i)
		users.Go(func() {
			for range 4 { // fewer failures than are free
				if err := b.login(name, name[:1]); err != nil {
					t.Error(err)
				}
				if u := b.user(); u != nil && u.Name != name { // nil after the other's Revoke
					t.Errorf("%s is %s", name, u.Name)
				}
				if g.Revoke(name); !b.is("") {
					t.Errorf("%s has a session that was revoked", name)
				}
				b.login(name, "wrong")
			}
		})
	}
	users.Wait()
	if len(g.sessions.byHash) != 0 || g.attempts.underway != 0 {
		t.Errorf("%d sessions and %d logins are left", len(g.sessions.byHash), g.attempts.underway)
	}
}
