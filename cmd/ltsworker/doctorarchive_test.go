package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestDoctorChecksTheArchive(t *testing.T) {
	u := soundUser(t)
	u.env = append(u.env, "LTS_ARCHIVE=tasks.db")
	u.must("enqueue", "k", "--delay", "1h")
	for _, step := range []struct {
		do   func()
		code int
		want string
	}{
		{func() {}, exitFailed, "\nwarning  archive      it cannot be read: "},
		{func() { u.must("--pool", "other", "archive", "run", "--once") }, exitFailed, "\nwarning  archive      it has nothing of pool p\n"},
		{func() { u.must("archive", "run", "--once") }, 0, "\nok       archive      has all events\n"},
		{func() { u.must("enqueue", "k", "--delay", "1h") }, 0, "\nok       archive      follows the pool, "},
		{func() { u.redis("HSET", "lts:{p}:meta", "events:trimmed", "9999999999999-0") }, exitFailed, "\nwarning  archive      events were trimmed before it had read them"},
	} {
		step.do()
		if a := u.run("doctor"); a.code != step.code || !strings.Contains(a.out, step.want) {
			t.Errorf("exit code %d, want %d and %q:\n%s%s", a.code, step.code, step.want, a.out, a.err)
		}
	}
}

// Users who cannot read the archive see how far it is.
func TestStatsAndDoctorShowAPublishedArchive(t *testing.T) {
	u := soundUser(t)
	u.must("enqueue", "k", "--delay", "1h")
	u.must("archive", "run", "--once")
	if a := u.run("doctor"); a.code != 0 || !strings.Contains(a.out, "\nok       archive      ltsworker-archive.db: has all events\n") {
		t.Errorf("exit code %d:\n%s", a.code, a.out)
	}
	if out := u.must("stats"); !strings.Contains(out, "  archive      ltsworker-archive.db: has all events\n") {
		t.Error(out)
	}
	if out := u.must("stats", "--json"); !strings.Contains(out, `"behind_ms":0`) || !strings.Contains(out, `"once":true`) {
		t.Error(out)
	}
}

func TestDoctorWarnsAboutAnArchiveThatDoesNotFollow(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for age, want := range map[time.Duration]task.Severity{-time.Second: task.SeverityOK, maxBehind: task.SeverityOK, maxBehind + time.Second: task.SeverityWarning} {
		f := archiveState{cursor: "1-0", next: []task.Event{{At: now.Add(-age)}}, now: now}.finding("p")
		if f.Severity != want || f.Figures["behind_ms"] != float64(max(0, age.Milliseconds())) {
			t.Errorf("%v: %+v", age, f)
		}
	}
}
