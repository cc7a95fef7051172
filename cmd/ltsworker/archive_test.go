package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestArchiveIsFilledListedAndRead(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "a.kind", `{"n":1}`, "--id", "one", "--delay", "1h")
	u.must("enqueue", "b.kind", `{"n":2}`, "--id", "two", "--delay", "1h", "--group", "acme")
	u.must("stop", "one", "two", "--why", "not needed")
	if a := u.run("archive", "ls"); a.code != exitFailed || !strings.Contains(a.err, "archive run makes it") {
		t.Errorf("without an archive: %+v", a)
	}
	u.must("archive", "run", "--once")
	u.must("delete", "one", "two", "--yes")
	got := decodeLines[archivedRecord](t, u.must("archive", "ls", "--json", "--kind", "b.kind"))
	if len(got) != 1 || got[0].ID != "two" || got[0].Group != "acme" || got[0].Error != "not needed" || string(got[0].Payload) != `{"n":2}` {
		t.Errorf("%+v", got)
	}
	a := u.run("archive", "ls", "--limit", "1")
	_, after, _ := strings.Cut(a.err, "--after ")
	after, _, _ = strings.Cut(after, " ")
	first, second := a.out, u.must("archive", "ls", "--after", after)
	if strings.Contains(first, "two") == strings.Contains(second, "two") || strings.Contains(first, "one") == strings.Contains(second, "one") {
		t.Errorf("pages:\n%s%s", first, second)
	}
	got = decodeLines[archivedRecord](t, u.must("archive", "get", "one", "--json"))
	if len(got) != 1 || len(got[0].Events) != 2 || got[0].Events[1].Error != "not needed" || !got[0].Complete {
		t.Errorf("%+v", got)
	}
	if a := u.run("archive", "get", "missing"); a.code != exitFailed || !strings.Contains(a.err, "missing") {
		t.Errorf("%+v", a)
	}
	var stats archiveStatsRecord
	if err := json.Unmarshal([]byte(u.must("archive", "stats", "--json")), &stats); err != nil {
		t.Fatal(err)
	}
	if len(stats.Counts) != 2 || stats.Live != 0 || stats.LagMS == nil || *stats.LagMS != 0 || len(stats.Gaps) != 1 {
		t.Errorf("%+v", stats)
	}
	if out := u.must("archive", "stats"); !strings.Contains(out, "  stopped    2\n") {
		t.Error(out)
	}
	for _, filter := range []string{"--state=unknown", "--orphan", "--exported"} {
		if a := u.run("archive", "ls", filter); a.code != exitDone || !strings.Contains(a.err, "no task") {
			t.Errorf("%s: %+v", filter, a)
		}
	}
}

func TestArchiveMistakesAreRefused(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	if err := os.WriteFile(filepath.Join(u.dir, "dsn"), []byte("postgres://u:s3cret@127.0.0.1:1/d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		env  string
		code int
		want string
	}{
		{[]string{"ls", "--db", "postgres://u:s3cret@h/d"}, "", exitUsage, "must not hold a password"},
		{[]string{"ls", "--db", "@missing"}, "", exitUsage, "cannot be read"},
		{[]string{"ls", "--db", "@dsn"}, "", exitFailed, "failed to connect"},
		{[]string{"ls"}, "LTS_ARCHIVE=postgres://u:s3cret@127.0.0.1:1/d", exitFailed, "failed to connect"},
		{[]string{"ls"}, "LTS_ARCHIVE=postgres://u:s3cret@[/d", exitFailed, "the DSN cannot be read"},
		{[]string{"ls", "--state", "running"}, "", exitUsage, "--state must be one of succeeded"},
		{[]string{"ls", "--since", "1h", "--from", "2026-01-01T00:00:00Z"}, "", exitUsage, "exclude each other"},
		{[]string{"ls", "--limit", "-1"}, "", exitUsage, "--limit must not be negative"},
		{[]string{"get"}, "", exitUsage, "a task's ID is missing"},
		{[]string{"run", "--keep", "x"}, "", exitUsage, "--keep must be a duration"},
		{[]string{"run", "--keep", "0s"}, "", exitUsage, "--keep must be positive, or forever"},
		{[]string{"fill"}, "", exitUsage, "unknown command"},
	} {
		u.env = []string{c.env}
		a := u.run(append([]string{"archive"}, c.args...)...)
		if a.code != c.code || !strings.Contains(a.err, c.want) || strings.Contains(a.out+a.err, "s3cret") {
			t.Errorf("%v %s: %+v", c.args, c.env, a)
		}
	}
}

func TestArchiveRunEndsIfRedisCannotBeReached(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	server := redisserver.Start(t)
	u.env = []string{"LTS_REDIS=redis://" + server.Addr() + "/0"}
	server.Stop(t)
	if a := u.run("archive", "run"); a.code != exitUnreachable {
		t.Errorf("%+v", a)
	}
}
