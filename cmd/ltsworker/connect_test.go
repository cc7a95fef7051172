package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPasswordsAreNeverShownAndNeverInAFlag(t *testing.T) {
	const secret = "t0psecret"
	for _, url := range []string{
		"redis://user:" + secret + "@host:1/0", "redis://:" + secret + "@host:1/0", "redis://h:1/0?password=" + secret,
		"rediss://:" + secret + "@h:port/0", "unix://:" + secret + "@/sock?db=x", "redis://:" + secret + "%zz@h",
		"http://:" + secret + "@h", "redis://:" + secret + "@h/notadb", "redis://:" + secret + "@h/0?dial_timeout=" + secret,
		"redis-cluster://:" + secret + "@h:1,h:2", "redis-cluster://:" + secret + "@h:1,h:2/7", "redis-cluster://:" + secret + "@h:1,:/",
		"redis-sentinel://:" + secret + "@h:1,h:2/m/0", "redis-sentinel://:" + secret + "@h:1,h:2", "redis-sentinel://h:1/m/" + secret + "?password=" + secret,
		"redis-sentinel://h:1/m/0?sentinel_password=" + secret, "redis-sentinel://h:1/m/0?no_such=1&sentinel_password=" + secret,
	} {
		if _, err := locate(url, true); err == nil {
			t.Errorf("the flag took %q", url)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the password is shown: %v", err)
		}
		if _, err := locate(url, false); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the password is shown: %v", err)
		}
	}
}

func TestURLMayComeFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("redis://:secret@host:1234/5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, err := locate("@"+file, true)
	if err != nil {
		t.Fatal(err)
	}
	opts := at.server
	if opts.Addr != "host:1234" || opts.Password != "secret" || opts.DB != 5 {
		t.Errorf("got %s, %q, %d", opts.Addr, opts.Password, opts.DB)
	}
}

func TestFlagWinsOverEnvironmentOverFile(t *testing.T) {
	t.Setenv("LTS_REDIS", "redis://env:1")
	t.Setenv("LTS_POOL", "env")
	check := func(g globals, wantAddr, wantPool string) {
		t.Helper()
		at, err := g.place("redis://file:1")
		if err != nil || at.address != wantAddr {
			t.Errorf("got %v, %v; want %s", at, err, wantAddr)
		}
		if name, err := g.poolName("file"); err != nil || name != wantPool {
			t.Errorf("got pool %s, %v; want %s", name, err, wantPool)
		}
	}
	check(globals{redis: "redis://flag:1", pool: "flag"}, "flag:1", "flag")
	check(globals{}, "env:1", "env")
	t.Setenv("LTS_REDIS", "")
	t.Setenv("LTS_POOL", "")
	check(globals{}, "file:1", "file")
}

func TestAdviceForStrangers(t *testing.T) {
	for said, want := range map[error]string{
		os.ErrDeadlineExceeded:                          "no answer within 5s",
		errors.New("NOAUTH Authentication required."):   "it needs a password",
		errors.New("WRONGPASS invalid username"):        "refuses the user name or password",
		errors.New("NOPERM this user may not run ping"): "enqueues with RPUSH",
		errors.New("anything else"):                     "anything else",
	} {
		if got := advise(said).Error(); !strings.Contains(got, want) {
			t.Errorf("%v: %q does not say %q", said, got, want)
		}
	}
}

func TestAShortPasswordIsNotToldByTheGapsItLeaves(t *testing.T) {
	for url, shows := range map[string]string{
		"redis://:e@h/notadb":      "write it like redis://127.0.0.1:6379/0",
		"redis://:12/b@h:1":        "special characters of a password as %XX",
		"http://:t@h":              "must start with redis://",
		"redis-cluster://:s@h/7":   "a cluster has no databases",
		"redis://h/0?password=a&x": "write it like",
		"redis://:zz@h/0?no_such=": "no_such",
	} {
		_, err := locate(url, false)
		if err == nil || !strings.Contains(err.Error(), shows) || strings.Contains(err.Error(), "…") || strings.Contains(err.Error(), "b@") {
			t.Errorf("%s: %v, want %q", url, err, shows)
		}
	}
}

func TestAFileWithoutAURLSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := locate("@"+file, true); err == nil || err.Error() != "names an empty file" {
		t.Errorf("got %v", err)
	}
}
