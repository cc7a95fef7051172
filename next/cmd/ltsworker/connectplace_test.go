package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestClusterURLNamesItsNodes(t *testing.T) {
	p, err := locate("redis-cluster://user:se%2Ccret@a,b:7001,[::1]:7002/?dial_timeout=3s", false)
	if err != nil {
		t.Fatal(err)
	}
	o := p.cluster
	if diff := cmp.Diff([]string{"a:6379", "b:7001", "[::1]:7002"}, o.Addrs); diff != "" {
		t.Error(diff)
	}
	if o.Username != "user" || o.Password != "se,cret" || o.DialTimeout.Seconds() != 3 || o.TLSConfig != nil || !o.ContextTimeoutEnabled {
		t.Errorf("%+v", o)
	}
	if p.address != "a:6379,b:7001,[::1]:7002" {
		t.Error(p.address)
	}
}

func TestSentinelURLNamesSentinelsMasterAndDatabase(t *testing.T) {
	p, err := locate("rediss-sentinel://user:secret@a,b:7001/main/3?sentinel_password=other", false)
	if err != nil {
		t.Fatal(err)
	}
	o := p.sentinel
	if diff := cmp.Diff([]string{"a:26379", "b:7001"}, o.SentinelAddrs); diff != "" {
		t.Error(diff)
	}
	if o.MasterName != "main" || o.DB != 3 || o.Username != "user" || o.Password != "secret" || o.SentinelPassword != "other" {
		t.Errorf("%+v", o)
	}
	// Masters come and go under names of their own.
	if o.TLSConfig == nil || o.TLSConfig.ServerName != "" {
		t.Errorf("TLS %+v", o.TLSConfig)
	}
}

func TestURLThatNamesNoPlaceIsRefused(t *testing.T) {
	for url, want := range map[string]string{
		"redis://a:1,b:2/0":             "several servers",
		"redis-cluster://a:1,b:2/1":     "no databases",
		"redis-cluster://a:1,,b:2":      "host without a name",
		"redis-cluster://a:1,b:":        "without a port",
		"redis-cluster://a:1?no_such=1": "no_such",
		"redis-sentinel://a:1,b:2":      "does not name the master",
		"redis-sentinel://a:1/main/x":   "database",
		"redis-sentinel://a:1/main/0/1": "path",
		"redis-proxy://a:1":             "must start with",
		"unix-cluster:///sock":          "must start with",
		"http://a:1":                    "must start with",
	} {
		if _, err := locate(url, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

// usable runs a replica and a task through everything between.
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
	c := redisserver.StartCluster(t)
	u := stranger(t)
	u.env = []string{"LTS_REDIS=redis-cluster://" + strings.Join(c.Addrs()[:2], ",")}
	u.usable()
}

func TestBinaryWorksBehindSentinel(t *testing.T) {
	s := redisserver.StartSentinel(t)
	u := stranger(t)
	u.env = []string{"LTS_REDIS=redis-sentinel://" + strings.Join(s.Addrs(), ",") + "/" + redisserver.MasterName + "/0"}
	u.usable()
	u.env[0] = strings.Replace(u.env[0], redisserver.MasterName, "another", 1)
	if a := u.run("stats"); a.code != exitUnreachable || !strings.Contains(a.err, "another of ") {
		t.Errorf("with a master that nobody knows: %+v", a)
	}
}

func TestAConnectionHasANameWhereItMay(t *testing.T) {
	s := redisserver.Start(t)
	u := &user{t: t, dir: t.TempDir()}
	for rules, want := range map[string]string{"~* +@all": "ltsworker", "~* +@all -client|setname": ""} {
		url := s.User(t, "named", strings.Fields(rules)...).URL()
		at, err := locate(url, false)
		if err != nil {
			t.Fatal(err)
		}
		rdb := at.client()
		defer rdb.Close()
		if name, err := rdb.ClientGetName(t.Context()).Result(); name != want || err != nil && !errors.Is(err, redis.Nil) {
			t.Errorf("%s: the name is %q, %v; want %q", rules, name, err, want)
		}
	}
	// Without the whole family a worker does its work, and the doctor finds no fault.
	u.env = []string{"LTS_REDIS=" + s.User(t, "named", "~lts:{default}:*", "+@all", "-client").URL()}
	u.must("enqueue", "x", "--id", "a")
	u.must("stop", "a")
	if a := u.run("doctor", "--json"); a.err != "" || strings.Contains(a.out, `"severity":"error"`) || !strings.Contains(a.out, `"check":"entries"`) {
		t.Errorf("got %+v", a)
	}
}

func TestOnlyWhoMayJustPushIsToldToPush(t *testing.T) {
	s := redisserver.Start(t)
	u := &user{t: t, dir: t.TempDir()}
	for rules, want := range map[string]struct {
		code int
		push bool
	}{
		"~lts:{default}:inbox -@all +rpush": {exitUnreachable, true},
		"~lts:{default}:* +@all -ping":      {exitDone, false},
		"~lts:{default}:* +@all -zadd":      {exitFailed, false},
	} {
		u.env = []string{"LTS_REDIS=" + s.User(t, "some", strings.Fields(rules)...).URL()}
		if a := u.run("enqueue", "x"); a.code != want.code || strings.Contains(a.err, "RPUSH") != want.push {
			t.Errorf("%s: %+v", rules, a)
		}
	}
}
