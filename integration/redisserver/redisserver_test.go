package redisserver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestClockOfAServerMoves(t *testing.T) {
	s := Start(t, Clock(t))
	rdb := s.Client(t)
	for _, d := range []time.Duration{time.Hour, -time.Hour, 0} {
		s.SetClock(t, d)
		now, err := rdb.Time(t.Context()).Result()
		if off := time.Until(now) - d; err != nil || off.Abs() > time.Minute {
			t.Errorf("%v: the server has %v (%v)", d, now, err)
		}
	}
}

func TestServerKeepsItsAddressAndLosesItsDataOverARestart(t *testing.T) {
	s := Start(t)
	c := s.Client(t)
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	addr, pid := s.Addr(), s.Pid()
	s.Stop(t)
	if s.Pid() != 0 {
		t.Error("a stopped server has a process id")
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("a stopped server accepts connections")
	}
	s.Restart(t)
	if s.Addr() != addr || s.Pid() == pid {
		t.Errorf("now %s, process %d; before %s, process %d", s.Addr(), s.Pid(), addr, pid)
	}
	if err := c.Get(t.Context(), "k").Err(); err != redis.Nil {
		t.Errorf("%v, want an empty server that the old client reaches", err)
	}
}

func TestAOFKeepsEveryAnsweredWriteOverAKill(t *testing.T) {
	s := Start(t, AOF())
	c := s.Client(t)
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	s.Restart(t)
	if v, err := c.Get(t.Context(), "k").Result(); v != "v" {
		t.Errorf("%q, %v", v, err)
	}
}

func TestConfigReachesTheServer(t *testing.T) {
	s := Start(t, Config("maxmemory", "64mb"), Config("requirepass", "secret"))
	got, err := s.Client(t).ConfigGet(t.Context(), "maxmemory").Result()
	if err != nil || got["maxmemory"] != strconv.Itoa(64<<20) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestServersOfOneTestAreApart(t *testing.T) {
	a, b := Start(t), Start(t)
	if a.Addr() == b.Addr() || a.Pid() == b.Pid() {
		t.Fatalf("both %s, processes %d and %d", a.Addr(), a.Pid(), b.Pid())
	}
	b.Kill(t)
	if err := a.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Errorf("killing one ended the other: %v", err)
	}
}

func TestAnAnswerOfAnotherServerOnThePortIsNotTaken(t *testing.T) {
	other := Start(t)
	s := &Server{program: other.program, dir: t.TempDir(), port: other.port}
	if err := s.launch(); err != errPortTaken {
		t.Errorf("%v, want %v", err, errPortTaken)
	}
}

func TestServerWithWrongConfigFailsWithItsOwnWords(t *testing.T) {
	_, err := start(t.TempDir(), Config("no-such-setting", "1"))
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Error(err)
	}
}

func TestServerIsGoneAfterItsTest(t *testing.T) {
	var s *Server
	t.Run("inner", func(t *testing.T) { s = Start(t) })
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		conn.Close()
		t.Error("still there")
	}
}

func TestSharedServerIsOneServer(t *testing.T) {
	a, b := Shared(t), Shared(t)
	if a != b {
		t.Fatal("two servers")
	}
	c := a.Client(t)
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	a.Flush(t)
	if n, err := c.DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("%d keys after a flush, %v", n, err)
	}
}

func TestMissingOrOldServerSaysWhatToInstall(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	echo, err := exec.LookPath("echo")
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		filepath.Join(dir, "absent"): "needs a real redis-server",
		old:                          "too old",
		echo:                         "no redis-server",
	} {
		t.Setenv("REDIS_SERVER", program)
		_, err := find()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "apt-get install redis-server") {
			t.Errorf("%s: %v, want %q and what to install", program, err, want)
		}
	}
}
