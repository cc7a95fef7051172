package access

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func proxyOptions() *Proxy {
	return &Proxy{
		From: []string{"10.1.0.0/16", "fd00:1::/64", "127.0.0.1"}, UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups",
		Grants: Grants{Everyone: map[string]Role{"public": Viewer}, Groups: map[string]map[string]Role{"ops": {AllPools: Operator}}},
	}
}

func TestHeaderOfTheProxyNamesTheUser(t *testing.T) {
	b := newBrowser(t, newGate(t, Options{Proxy: proxyOptions()}))
	for _, from := range []string{"10.1.2.3:1", "[fd00:1::7]:1", "[::ffff:10.1.0.1]:1", "127.0.0.1:9"} {
		b.from = from
		r := b.request("/")
		r.Header.Set("x-remote-user", "alice@example.com")
		r.Header.Set("X-Remote-Groups", "dev, ops")
		want := &User{Name: "alice@example.com", Method: MethodProxy, Roles: map[string]Role{AllPools: Operator, "public": Operator}}
		if diff := cmp.Diff(want, b.g.User(r)); diff != "" {
			t.Errorf("%s: %s", from, diff)
		}
	}
}

func TestHeaderOfAnotherPeerIsIgnored(t *testing.T) {
	o := Options{Proxy: proxyOptions(), PasswordFile: passwordFile(t, line("bob", "*=viewer", "b"))}
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := newBrowser(t, newGate(t, o))
	for _, from := range []string{"10.2.0.1:1", "192.0.2.1:1", "[fd00:2::1]:1", "127.0.0.2:1", "@", "", "10.1.0.1"} {
		b.from, b.cookies = from, nil
		r := b.request("/")
		r.Header.Set("X-Remote-User", "admin")
		r.Header.Set("X-Forwarded-For", "10.1.0.1")
		if u := b.g.User(r); u != nil {
			t.Errorf("%s is %+v", from, u)
		}
	}
	// A session is used in spite of it.
	b = newBrowser(t, b.g)
	b.mustLogin("bob", "b")
	r := b.request("/")
	r.Header.Set("X-Remote-User", "admin")
	if u := b.g.User(r); u == nil || u.Name != "bob" {
		t.Errorf("%+v", u)
	}
	if log.Len() > 0 {
		t.Errorf("it is no error: %s", &log)
	}
}

func TestDoubtfulHeadersOfTheProxyAreRefused(t *testing.T) {
	b := newBrowser(t, newGate(t, Options{Proxy: proxyOptions(), PasswordFile: passwordFile(t, line("bob", "*=admin", "b"))}))
	b.mustLogin("bob", "b")
	b.from = "10.1.0.1:1"
	if !b.is("bob") {
		t.Fatal("without the header the session counts")
	}
	for _, tt := range []struct{ users, groups []string }{
		{[]string{"alice", "admin"}, nil},
		{[]string{"alice", "alice"}, nil},
		{[]string{""}, nil},
		{[]string{"alice,admin"}, nil},
		{[]string{"alice admin"}, nil},
		{[]string{"alice"}, []string{"dev", "ops"}},
	} {
		r := b.request("/")
		for _, user := range tt.users {
			r.Header.Add("X-Remote-User", user)
		}
		for _, group := range tt.groups {
			r.Header.Add("X-Remote-Groups", group)
		}
		if u := b.g.User(r); u != nil {
			t.Errorf("%v is %+v", tt, u)
		}
	}
}

func TestUserOfTheProxyWithoutAGrantHasNoRole(t *testing.T) {
	o := proxyOptions()
	o.Grants.Everyone = nil
	b := newBrowser(t, newGate(t, Options{Proxy: o}))
	b.from = "10.1.0.1:1"
	r := b.request("/")
	r.Header.Set("X-Remote-User", "alice")
	if u := b.g.User(r); u == nil || u.Role("p") != None {
		t.Errorf("%+v", u)
	}
}

func TestNetworksOfEverybodyAreRefused(t *testing.T) {
	for from, want := range map[string]string{
		"*":             `proxy.from[0] must be a network`,
		"":              `proxy.from[0] must be a network`,
		"0.0.0.0/0":     "more than the addresses of a proxy",
		"::/0":          "more than the addresses of a proxy",
		"128.0.0.0/1":   "more than the addresses of a proxy",
		"::ffff:0:0/96": `proxy.from[0] must be a network`,
		"10.1.2.3/16":   "proxy.from[0] must be the network 10.1.0.0/16",
		"proxy.local":   `proxy.from[0] must be a network`,
	} {
		o := proxyOptions()
		o.From = []string{from}
		if _, err := New(Options{Proxy: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", from, err, want)
		}
	}
}

func TestFailedLoginsBehindTheProxyAreCountedForTheBrowser(t *testing.T) {
	b := newBrowser(t, newGate(t, Options{Proxy: &Proxy{From: []string{"10.1.0.0/16"}}, PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))}))
	client := func(from, forwarded string) string {
		b.from = from
		r := b.request("/")
		for h := range strings.SplitSeq(forwarded, "|") {
			if h != "" {
				r.Header.Add("X-Forwarded-For", h)
			}
		}
		return b.g.proxies.client(r).String()
	}
	for _, tt := range []struct{ from, forwarded, want string }{
		{"10.1.0.1:1", "198.51.100.7", "198.51.100.7"},
		{"10.1.0.1:1", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"10.1.0.1:1", "203.0.113.9|198.51.100.7, 10.1.0.2", "198.51.100.7"},
		{"10.1.0.1:1", "", "10.1.0.1"},
		{"10.1.0.1:1", "203.0.113.9, unknown", "10.1.0.1"},
		{"192.0.2.1:1", "198.51.100.7", "192.0.2.1"}, // it may say what it likes
	} {
		if got := client(tt.from, tt.forwarded); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
	b.from = "10.1.0.1:1"
	login := func(forwarded string) error {
		r := b.request("/")
		r.Header.Set("X-Forwarded-For", forwarded)
		_, err := b.g.authenticate(r, "nobody"+forwarded, "x")
		return err
	}
	for range freeFailures {
		login("198.51.100.7")
	}
	var refused *TooManyError
	if err := login("198.51.100.7"); !errors.As(err, &refused) {
		t.Errorf("the browser: %v", err)
	}
	if err := login("198.51.100.8"); errors.As(err, &refused) {
		t.Errorf("another browser: %v", err)
	}
}

func TestOnlyTheProxySaysThatTLSIsUsed(t *testing.T) {
	g := newGate(t, Options{Proxy: &Proxy{From: []string{"10.1.0.0/16"}}, PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
	for from, want := range map[string]string{"10.1.0.1:1": "__Host-ltsworker", "192.0.2.1:1": "ltsworker"} {
		r := newBrowser(t, g).request("/")
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-Proto", "https")
		if got := g.cookies.name(r, sessionCookie); got != want {
			t.Errorf("%s: %s", from, got)
		}
	}
}
