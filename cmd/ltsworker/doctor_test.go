package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/record"
)

// soundUser returns a user whose Redis has no findings.
func soundUser(t *testing.T) *user {
	s := redisserver.Start(t, redisserver.AOF())
	return &user{t: t, dir: t.TempDir(), pool: "p", addr: s.Addr(), env: []string{"LTS_REDIS=redis://" + s.Addr() + "/0", "LTS_POOL=p"}}
}

func (u *user) redis(args ...any) {
	u.t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: u.addr})
	defer rdb.Close()
	if err := rdb.Do(context.Background(), args...).Err(); err != nil {
		u.t.Fatal(err)
	}
}

func TestDoctorSaysThatAllIsWell(t *testing.T) {
	u := soundUser(t)
	u.must("enqueue", "k", "--delay", "1h")
	out := u.must("doctor")
	for _, check := range []string{"version", "eviction", "persistence", "memory", "rights", "scripts", "round trip", "schema", "replicas", "entries"} {
		if !strings.Contains(out, check) {
			t.Errorf("the output does not mention %s:\n%s", check, out)
		}
	}
	if !strings.HasSuffix(out, "all is well\n") {
		t.Error(out)
	}
}

func TestDoctorFailsIfATaskWaitsAndNoReplicaIsAlive(t *testing.T) {
	u := soundUser(t)
	u.must("enqueue", "k")
	a := u.run("doctor")
	if a.code != exitFailed || !strings.Contains(a.out, "\nwarning  replicas     no live replica, 1 task waits\n") || !strings.HasSuffix(a.out, "\n1 open finding\n") {
		t.Errorf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
}

func TestDoctorGivesItsNumbersAsNumbers(t *testing.T) {
	u := soundUser(t)
	u.must("enqueue", "k", "--delay", "1h")
	u.redis("CONFIG", "SET", "maxmemory", "100mb")
	got := map[string]map[string]float64{}
	for _, f := range decodeLines[record.Finding](t, u.must("doctor", "--json")) {
		got[f.Check] = f.Figures
	}
	if m := got["memory"]; m["max_bytes"] != 100<<20 || m["used_bytes"] < 100_000 || m["used_bytes"] > 100<<20 {
		t.Errorf("memory %v", m)
	}
	if r := got["round trip"]; r["ping_ms"] <= 0 || r["script_ms"] <= 0 {
		t.Errorf("round trip %v", r)
	}
	if alive, ok := got["replicas"]["alive"]; !ok || alive != 0 {
		t.Errorf("replicas %v", got["replicas"])
	}
	if e := got["entries"]; e["entries"] < 3 || e["broken"] != 0 {
		t.Errorf("entries %v", e)
	}
	u.redis("SET", "lts:{p}:task:b", "x")
	a := u.run("doctor", "--json", "--fix")
	for _, f := range decodeLines[record.Finding](t, a.out) {
		if f.Check == "entries" && f.Figures != nil && f.Figures["broken"] < 1 {
			t.Errorf("%+v", f)
		}
	}
	if a.code != exitFailed {
		t.Errorf("exit code %d though a key was moved away", a.code)
	}
}

func TestDoctorFindsWhatTheServerDoesWrong(t *testing.T) {
	for want, set := range map[string][2]string{
		"eviction":    {"maxmemory-policy", "allkeys-lru"},
		"persistence": {"appendonly", "no"},
		"memory":      {"maxmemory", "1mb"},
	} {
		t.Run(want, func(t *testing.T) {
			u := soundUser(t)
			u.redis("CONFIG", "SET", set[0], set[1])
			a := u.run("doctor", "--json")
			found := ""
			for _, f := range decodeLines[record.Finding](t, a.out) {
				if f.Severity == "warning" || f.Severity == "error" {
					found += f.Check
					if f.Do == "" {
						t.Errorf("%+v does not say what to do", f)
					}
				}
			}
			if a.code != exitFailed || found != want {
				t.Errorf("exit code %d, found %q\n%s%s", a.code, found, a.out, a.err)
			}
		})
	}
}

func TestDoctorBreaksItsLinesBetweenWords(t *testing.T) {
	u := soundUser(t)
	u.redis("CONFIG", "SET", "appendonly", "no")
	want := strings.Fields(u.run("doctor").out)
	m := u.terminal(70, 40, "doctor")
	m.wait()
	out := strings.ReplaceAll(m.written(), "\r", "")
	for line := range strings.Lines(out) {
		if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > 70 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	words := func(all []string) (some []string) { // figures differ between inspections
		return slices.DeleteFunc(slices.Clone(all), func(w string) bool { return strings.ContainsAny(w, "0123456789") })
	}
	if diff := cmp.Diff(words(want), words(strings.Fields(out))); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(out, "\n"+strings.Repeat(" ", findingText+2)) {
		t.Errorf("no line was broken:\n%s", out)
	}
}

func TestDoctorRepairsAndSaysSo(t *testing.T) {
	u := soundUser(t)
	u.must("enqueue", "k", "--id", "a", "--delay", "1h")
	u.redis("DEL", "lts:{p}:scheduled")
	u.redis("SET", "lts:{p}:task:b", "x")
	if a := u.run("doctor"); a.code != exitFailed || !strings.Contains(a.out, "task a is scheduled and has no entry") ||
		!strings.HasSuffix(a.out, "2 open findings\n") {
		t.Errorf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
	a := u.run("doctor", "--fix")
	for _, want := range []string{"put back on the schedule", "moved to lts:{p}:broken:task:b", "1 open finding, 2 fixed"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("%q is not said\n%s", want, a.out)
		}
	}
	if a.code != exitFailed {
		t.Errorf("exit code %d though a key was moved out of the way", a.code)
	}
	if a := u.run("doctor"); a.code != exitFailed || !strings.Contains(a.out, "warning  entries      lts:{p}:broken:task:b") {
		t.Errorf("%+v", a)
	}
	u.redis("DEL", "lts:{p}:broken:task:b")
	if out := u.must("doctor"); !strings.HasSuffix(out, "all is well\n") {
		t.Error(out)
	}
}

func TestDoctorSaysOnceWhatIsToBeDoneAboutSeveral(t *testing.T) {
	u := soundUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.redis("SET", "lts:{p}:task:"+id, "x")
	}
	for _, tt := range []struct {
		args   []string
		remedy string
		times  int
	}{
		{[]string{"doctor"}, "→ read the key, then repair", 1},
		{[]string{"doctor", "--fix"}, "→ moved to lts:{p}:broken:task:", 3}, // each finding has its own key
	} {
		a := u.run(tt.args...)
		if got := strings.Count(a.out, tt.remedy); got != tt.times || strings.Count(a.out, "has no header") != 3 {
			t.Errorf("%s: %q occurs %d times, want %d\n%s", tt.args, tt.remedy, got, tt.times, a.out)
		}
		if tt.times == 1 && strings.Index(a.out, tt.remedy) < strings.LastIndex(a.out, "has no header") {
			t.Errorf("%s: the remedy is not below the findings\n%s", tt.args, a.out)
		}
	}
}

func TestALackedRightIsAFindingOfTheDoctor(t *testing.T) {
	t.Parallel()
	s := redisserver.Start(t, redisserver.AOF())
	u := &user{t: t, dir: t.TempDir(), pool: "p", addr: s.Addr()}
	for name, rules := range map[string]string{
		"producer": "~lts:{p}:inbox -@all +rpush",
		"pingless": "~lts:{p}:* +@all -@admin -@dangerous -function +info -ping",
	} {
		u.env = []string{"LTS_REDIS=" + s.User(t, name, strings.Fields(rules)...).URL(), "LTS_POOL=p"}
		a := u.run("doctor", "--json")
		var open []record.Finding
		for _, f := range decodeLines[record.Finding](t, a.out) {
			if f.Severity == "error" {
				open = append(open, f)
			}
		}
		if a.code != exitFailed || a.err != "" || len(open) != 1 || open[0].Check != "rights" || !strings.Contains(open[0].What, "may not run PING") || open[0].Do == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if out := u.run("doctor").out; !strings.HasSuffix(out, "\n1 open finding\n") {
		t.Error(out)
	}
}

func TestDoctorThatCannotGetIn(t *testing.T) {
	t.Parallel()
	nowhere := stranger(t)
	nowhere.env = []string{"LTS_REDIS=redis://127.0.0.1:1/0"}
	if a := nowhere.run("doctor"); a.code != exitUnreachable {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
	a := nowhere.run("doctor", "--json")
	got := decodeLines[record.Finding](t, a.out)
	if a.code != exitUnreachable || len(got) != 1 || got[0].Severity != "error" || got[0].Check != "server" || got[0].Do == "" ||
		!strings.HasPrefix(got[0].What, "cannot use Redis at 127.0.0.1:1: ") || a.err != "ltsworker: "+got[0].What+"\n" {
		t.Errorf("%+v", a)
	}
	if a := nowhere.run("doctor", "everything"); a.code != exitUsage {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
}
