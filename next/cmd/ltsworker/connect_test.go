package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
		errors.New("NOPERM this user may not select"):   "may not do what this needs: NOPERM",
		errors.New("anything else"):                     "anything else",
	} {
		if got := advise(said, true).Error(); !strings.Contains(got, want) {
			t.Errorf("%v: %q does not say %q", said, got, want)
		}
	}
}

func TestAServerThatHangsUpIsAskedForTLSOnlyWhereThereIsNone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// All of it is read, or closing resets the connection.
			_, _ = conn.Read(make([]byte, 1<<16))
			conn.Close()
		}
	}()
	const hint = "it closed the connection: does it want TLS, rediss://?"
	u := stranger(t)
	for scheme, hinted := range map[string]bool{"redis://": true, "redis-cluster://": true, "redis-sentinel://": true, "rediss://": false} {
		u.env = []string{"LTS_REDIS=" + scheme + listener.Addr().String()}
		if scheme == "redis-sentinel://" {
			u.env[0] += "/main/0"
		}
		if a := u.run("stats"); a.code != exitUnreachable || strings.HasSuffix(a.err, hint+"\n") != hinted {
			t.Errorf("%s: %+v", scheme, a)
		}
	}
	for said, hinted := range map[error]bool{
		io.EOF: true, fmt.Errorf("read: %w", syscall.ECONNRESET): true, syscall.EPIPE: true, syscall.ECONNREFUSED: false,
	} {
		if got := advise(said, true).Error(); (got == hint) != hinted {
			t.Errorf("%v: %s", said, got)
		}
		if got := advise(said, false); got != said {
			t.Errorf("%v over TLS: %v", said, got)
		}
	}
	if at, err := locate("unix:///run/redis.sock", true); err != nil || at.plain() {
		t.Errorf("a socket could speak TLS: %v", err)
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
	for holds, want := range map[string]string{" \n": "names an empty file", "@" + file: "names a file that holds no URL"} {
		if err := os.WriteFile(file, []byte(holds), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := locate("@"+file, true); err == nil || err.Error() != want {
			t.Errorf("%q: got %v", holds, err)
		}
	}
}

func TestAHashInAPasswordIsRefusedUnseen(t *testing.T) {
	for _, url := range []string{"redis://u:12#ss@host", "redis://u:pa#ss@host", "redis://:12#@h:1/0", "redis-cluster://u:12#ss@a,b", "unix://u:12#@/sock", "redis://h/0?password=12#ss"} {
		for _, flag := range []bool{false, true} {
			_, err := locate(url, flag)
			if err == nil || !strings.Contains(err.Error(), "%23") || strings.Contains(err.Error(), "12") || strings.Contains(err.Error(), "ss@") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	if p, err := locate("redis://u:12%23ss@host", false); err != nil || p.server.Password != "12#ss" {
		t.Errorf("escaped: %+v, %v", p, err)
	}
}
