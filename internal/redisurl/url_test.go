package redisurl

import (
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
		if _, err := Parse(url, true); err == nil {
			t.Errorf("the flag took %q", url)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the password is shown: %v", err)
		}
		if _, err := Parse(url, false); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the password is shown: %v", err)
		}
	}
}

func TestURLMayComeFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("redis://:secret@host:1234/5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, err := Parse("@"+file, true)
	if err != nil {
		t.Fatal(err)
	}
	opts := at.server
	if opts.Addr != "host:1234" || opts.Password != "secret" || opts.DB != 5 {
		t.Errorf("got %s, %q, %d", opts.Addr, opts.Password, opts.DB)
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
		_, err := Parse(url, false)
		if err == nil || !strings.Contains(err.Error(), shows) || strings.Contains(err.Error(), "…") || strings.Contains(err.Error(), "b@") {
			t.Errorf("%s: %v, want %q", url, err, shows)
		}
	}
}

func TestAFileWithoutAURLSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	for holds, want := range map[string]string{" \n": "names an empty file", "@" + file: "names a file that holds no URL"} {
		if err := os.WriteFile(file, []byte(holds), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("@"+file, true); err == nil || err.Error() != want {
			t.Errorf("%q: got %v", holds, err)
		}
	}
}

func TestAHashInAPasswordIsRefusedUnseen(t *testing.T) {
	for _, url := range []string{"redis://u:12#ss@host", "redis://u:pa#ss@host", "redis://:12#@h:1/0", "redis-cluster://u:12#ss@a,b", "unix://u:12#@/sock", "redis://h/0?password=12#ss"} {
		for _, flag := range []bool{false, true} {
			_, err := Parse(url, flag)
			if err == nil || !strings.Contains(err.Error(), "%23") || strings.Contains(err.Error(), "12") || strings.Contains(err.Error(), "ss@") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	if p, err := Parse("redis://u:12%23ss@host", false); err != nil || p.server.Password != "12#ss" {
		t.Errorf("escaped: %+v, %v", p, err)
	}
}
