package main

import (
	"net"
	"strings"
	"testing"
)

func TestFlagWinsOverEnvironmentOverFile(t *testing.T) {
	t.Setenv("LTS_REDIS", "redis://env:1")
	t.Setenv("LTS_POOL", "env")
	check := func(g globals, wantAddr, wantPool string) {
		t.Helper()
		at, err := g.target("redis://file:1")
		if err != nil || at.Address != wantAddr {
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

func TestAServerThatHangsUpIsAskedForTLSOnlyWhereThereIsNone(t *testing.T) {
	t.Parallel()
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
			// Read the whole request. Otherwise closing resets the connection.
			_, _ = conn.Read(make([]byte, 1<<16))
			conn.Close()
		}
	}()
	const hint = "it closed the connection: if it requires TLS, use rediss://"
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
}
