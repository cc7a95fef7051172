package main

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/redisstore"
)

// poolsOf makes a server with pools, and returns its client.
func (u *user) poolsOf(names ...string) *redis.Client {
	u.t.Helper()
	s := u.ownServer()
	for _, name := range names {
		u.must("--pool", name, "enqueue", "x", "--delay", "1h", "--id", "a")
	}
	return s.Client(u.t)
}

// makePool makes the user's pool without a task.
func (u *user) makePool() {
	u.t.Helper()
	u.redis("HSET", "lts:{"+u.pool+"}:meta", "schema", redisstore.SchemaVersion)
}

func TestCommandsNoteAPoolThatDoesNotExist(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.poolsOf("media", "mail")
	const note = "note: pool meda does not exist yet; did you mean media? this server has: mail, media\n"
	for args, want := range map[string]struct {
		code int
		err  string // after the note
	}{
		"stats": {}, "queues": {err: "ltsworker: pool meda has no queues\n"}, "ls": {err: "ltsworker: pool meda holds no task\n"},
		"get a": {code: 1, err: "ltsworker: a: no such task\n"}, "replicas": {err: "ltsworker: no replica is alive in pool meda\n"}, "limit": {},
		"stats --json": {}, "logs a": {code: 1, err: "ltsworker: a: no such task\n"}, "delete a": {code: 1, err: "ltsworker: delete task a: no such task\n"},
	} {
		a := u.run(append([]string{"--pool", "meda"}, strings.Fields(args)...)...)
		if a.code != want.code || !strings.HasPrefix(a.err, note) || !strings.Contains(a.err, want.err) {
			t.Errorf("%s: %+v", args, a)
		}
	}
	if a := u.run("--pool", "unlike", "stats"); a.err != "note: pool unlike does not exist yet; this server has: mail, media\n" {
		t.Errorf("got %+v", a)
	}
	if a := u.run("--pool", "meda", "pools"); a.code != exitDone || a.err != "" {
		t.Errorf("pools: %+v", a)
	}
	for _, args := range []string{"pause", "limit default 3", "enqueue x"} {
		name := strings.Fields(args)[0]
		a := u.run(append([]string{"--pool", name}, strings.Fields(args)...)...)
		if a.code != exitDone || strings.Contains(a.err, "pool "+name+" does not exist yet") != (name != "enqueue") {
			t.Errorf("%s: %+v", args, a)
		}
		if a = u.run("--pool", name, "stats"); a.code != exitDone || a.err != "" {
			t.Errorf("after %s: %+v", args, a)
		}
	}
	u.redis("RPUSH", "lts:{pushed}:inbox", "{}")
	if a := u.run("--pool", "pushed", "stats"); a.err != "" {
		t.Errorf("a pool with an inbox: %+v", a)
	}
}

func TestDoctorNotesAPoolThatDoesNotExist(t *testing.T) {
	t.Parallel()
	u := soundUser(t)
	u.must("--pool", "media", "enqueue", "x", "--delay", "1h")
	a := u.run("--pool", "typo", "doctor")
	if a.code != exitDone || !strings.HasPrefix(a.out, "note     pool         pool typo does not exist yet; this server has: media\n") ||
		!strings.HasSuffix(a.out, "\nno open finding; pool typo does not exist yet\n") || a.err != "" {
		t.Errorf("got %+v", a)
	}
	got := decodeLines[record.Finding](t, u.must("--pool", "typo", "doctor", "--json"))
	if got[0].Check != "pool" || got[0].Severity != "note" || got[0].Do == "" {
		t.Errorf("got %+v", got[0])
	}
}

func TestAnExistingPoolCostsNoCallForTheNote(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	rdb := u.poolsOf("media")
	u.redis("CONFIG", "RESETSTAT")
	u.must("--pool", "media", "stats")
	stats := rdb.Info(t.Context(), "commandstats").Val()
	if !strings.Contains(stats, "cmdstat_hget:calls=1,") || strings.Contains(stats, "cmdstat_scan") || strings.Contains(stats, "cmdstat_exists") {
		t.Errorf("calls:\n%s", stats)
	}
}

func TestTheSearchForOtherPoolsIsBounded(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	rdb := u.poolsOf()
	if err := rdb.Eval(t.Context(), "for i = 1, 60000 do redis.call('SET', 'key' .. i, 1) end return 1", nil).Err(); err != nil {
		t.Fatal(err)
	}
	u.redis("CONFIG", "RESETSTAT")
	a := u.run("--pool", "typo", "stats")
	if a.code != exitDone || a.err != "note: pool typo does not exist yet; ltsworker pools lists those of this server\n" {
		t.Errorf("got %+v", a)
	}
	if stats := rdb.Info(t.Context(), "commandstats").Val(); !strings.Contains(stats, "cmdstat_scan:calls=20,") {
		t.Errorf("calls:\n%s", stats)
	}
}

func TestAUserThatMayNotListPoolsGetsAHintAtTheName(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	for rules, want := range map[string]string{
		"~lts:* +@all -scan":   "note: pool typo does not exist yet; check its name: this user cannot list the pools of the server\n",
		"~lts:{media}:* +@all": "ltsworker: permission denied: this user may not access the keys of pool typo (check the name of the pool; which keys a user has: ACL users in docs/operations.md)\n",
	} {
		u.env = []string{"LTS_REDIS=" + s.User(t, "restricted", strings.Fields(rules)...).URL()}
		if a := u.run("--pool", "typo", "stats"); a.err != want {
			t.Errorf("%s: %+v", rules, a)
		}
	}
}
