package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// usable starts a replica and checks that it runs a task to its end.
func (u *user) usable() {
	u.t.Helper()
	u.startReplica()
	if out := u.must("enqueue", "echo", `"hello"`, "--wait"); !strings.Contains(out, "hello") {
		u.t.Errorf("the result is %s", out)
	}
	if a := u.run("stats"); a.code != 0 || !strings.Contains(a.out, "succeeded") {
		u.t.Errorf("stats: %+v", a)
	}
}

func TestBinaryWorksOnACluster(t *testing.T) {
	t.Parallel()
	c := redisserver.StartCluster(t)
	u := stranger(t)
	u.env = []string{"LTS_REDIS=redis-cluster://" + strings.Join(c.Addrs()[:2], ",")}
	u.usable()
}

func TestBinaryWorksBehindSentinel(t *testing.T) {
	t.Parallel()
	s := redisserver.StartSentinel(t)
	u := stranger(t)
	u.env = []string{"LTS_REDIS=redis-sentinel://" + strings.Join(s.Addrs(), ",") + "/" + redisserver.MasterName + "/0"}
	u.usable()
	u.env[0] = strings.Replace(u.env[0], redisserver.MasterName, "another", 1)
	if a := u.run("stats"); a.code != exitUnreachable || !strings.Contains(a.err, "another of ") {
		t.Errorf("with an unknown master: %+v", a)
	}
}

func TestAUserWithoutTheClientCommandsWorks(t *testing.T) {
	t.Parallel()
	s := redisserver.Start(t)
	u := &user{t: t, dir: t.TempDir()}
	u.env = []string{"LTS_REDIS=" + s.User(t, "named", "~lts:{default}:*", "+@all", "-client").URL()}
	u.must("enqueue", "x", "--id", "a")
	u.must("stop", "a")
	if a := u.run("doctor", "--json"); a.err != "" || strings.Contains(a.out, `"severity":"error"`) || !strings.Contains(a.out, `"check":"entries"`) {
		t.Errorf("got %+v", a)
	}
}

func TestARefusedLoginIsAFailure(t *testing.T) {
	t.Parallel()
	s := redisserver.Start(t)
	named := s.User(t, "named", "~*", "+@all")
	s.Client(t).ConfigSet(t.Context(), "requirepass", "right")
	for name, tt := range map[string]struct{ url, want string }{
		"wrong password": {strings.Replace(named.URL(), named.Password, "wrong", 1), "it refuses the user name or password"},
		"no password":    {"redis://" + s.Addr() + "/0", "it needs a password"},
	} {
		u := stranger(t)
		u.env = []string{"LTS_REDIS=" + tt.url}
		if a := u.run("stats"); a.code != exitFailed || !strings.HasPrefix(a.err, "ltsworker: cannot use Redis at "+s.Addr()+": "+tt.want) || strings.Count(a.err, "\n") != 1 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestOnlyWhoMayJustPushIsToldToPush(t *testing.T) {
	t.Parallel()
	s := redisserver.Start(t)
	u := &user{t: t, dir: t.TempDir()}
	for rules, want := range map[string]struct {
		code int
		push bool
	}{
		"~lts:{default}:inbox -@all +rpush": {exitFailed, true},
		"~lts:{default}:* +@all -ping":      {exitDone, false},
		"~lts:{default}:* +@all -zadd":      {exitFailed, false},
	} {
		u.env = []string{"LTS_REDIS=" + s.User(t, "some", strings.Fields(rules)...).URL()}
		if a := u.run("enqueue", "x"); a.code != want.code || strings.Contains(a.err, "RPUSH") != want.push {
			t.Errorf("%s: %+v", rules, a)
		}
	}
}
