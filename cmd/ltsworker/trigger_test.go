package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

func TestTriggerCommands(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("trigger", "set", "night", "cleanup", `{"a":1}`, "--cron", "0 3 * * 1-5", "--zone", "Europe/Berlin", "--overlap", "skip", "--queue", "low")
	u.must("trigger", "set", "poll", "fetch", "--every", "30m", "--paused")
	u.must("trigger", "set", "sweep", "cleanup", "--daily", "09:00-17:00/10m", "--days", "mon,fri", "--template", `{"at":{{planned_ms}}}`)
	out := u.must("trigger", "ls")
	for _, want := range []string{"0 3 * * 1-5 Europe/Berlin", "every 30m0s", "paused", "09:00-17:00 every 10m0s mon,fri", "planned", "low"} {
		if !strings.Contains(out, want) {
			t.Errorf("ls has no %q:\n%s", want, out)
		}
	}
	shown := decodeLines[record.Trigger](t, u.must("trigger", "show", "night", "poll", "--json"))
	if len(shown) != 2 || shown[0].State != "planned" || shown[0].Next == "" || shown[1].State != "paused" ||
		string(shown[0].Definition) != `{"name":"night","cron":"0 3 * * 1-5","zone":"Europe/Berlin","overlap":"skip","task":{"kind":"cleanup","payload":{"a":1},"queue":"low"}}` {
		t.Errorf("%+v", shown)
	}
	if out := u.must("trigger", "show", "night"); !strings.Contains(out, "definition") {
		t.Error(out)
	}
	if a := u.pipe(string(shown[0].Definition), "trigger", "set", "--file", "-"); a.code != exitDone {
		t.Errorf("the same definition: %+v", a)
	}
	if out := u.must("trigger", "resume", "poll"); out != "poll resumed\n" {
		t.Error(out)
	}
	if out := u.must("trigger", "pause", "night", "sweep"); out != "night paused\nsweep paused\n" {
		t.Error(out)
	}
	if a := u.run("trigger", "next", "night"); !strings.Contains(a.err, "has no planned time") {
		t.Errorf("%+v", a)
	}
	if out := u.must("trigger", "next", "poll", "--count", "3"); strings.Count(out, "\n") != 3 {
		t.Error(out)
	}
	id, what, _ := strings.Cut(u.must("trigger", "run", "night"), " ")
	if what != "made\n" || !strings.Contains(u.must("get", id), "low") {
		t.Errorf("run: %q", what)
	}
	fired := decodeLines[record.Firing](t, u.must("trigger", "history", "night", "--json"))
	if len(fired) != 1 || fired[0].Outcome != "enqueued" || fired[0].Task != id {
		t.Errorf("history %+v", fired)
	}
	if out := u.must("trigger", "history", "night"); !strings.Contains(out, "enqueued") {
		t.Error(out)
	}
	for _, verb := range []string{"show", "pause", "run", "next", "history", "rm"} {
		if a := u.run("trigger", verb, "nigth"); a.code != exitFailed || !strings.HasSuffix(a.err, " trigger nigth: no such trigger; did you mean night?\n") {
			t.Errorf("%s: %+v", verb, a)
		}
	}
	if out := u.must("trigger", "rm", "night", "poll", "sweep"); strings.Count(out, "removed") != 3 {
		t.Error(out)
	}
	if a := u.run("trigger", "rm", "night"); a.code != exitFailed || a.err != "ltsworker: remove trigger night: no such trigger; the pool has none\n" {
		t.Errorf("%+v", a)
	}
}

func TestWrongTriggerIsRefusedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, tt := range []struct {
		args string
		want string
	}{
		{"a k", "cron is missing: set one of cron, every, after, daily and at"},
		{"a k --cron 99", "cron must have five fields, or six with seconds first, not 1"},
		{"a k --every 1ms", "every must be at least 50ms"},
		{"a k --cron @daily --zone Mars", "zone names no time zone"},
		{"a k --at 2020-01-01T00:00:00Z", "never fires"},
		{"a k --every 1h --overlap forbid", "overlap must be one of allow, skip, queue, stop"},
		{"a k --daily 9-17", "--daily must be FROM-TO/EVERY such as 09:00-17:00/10m"},
		{"a k --every 1h --days mon", "--days needs --daily"},
		{"a k --every 1h --calendar cn-workday", "did you mean cn-workdays?"},
		{"a", "KIND is missing"},
	} {
		if a := u.run(append([]string{"trigger", "set"}, strings.Fields(tt.args)...)...); a.code != exitUsage || !strings.Contains(a.err, tt.want) {
			t.Errorf("%s: %d %q, want %q", tt.args, a.code, a.err, tt.want)
		}
	}
	if a := u.run("trigger", "ls"); !strings.Contains(a.err, "has no trigger") {
		t.Errorf("something was written: %+v", a)
	}
}

func TestFlagsBesideAFileOfATriggerAreRefused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const def = `{"name":"a","cron":"0 3 * * *","task":{"kind":"k"}}`
	if a := u.pipe(def, "trigger", "set", "--file", "-", "--every", "1h"); a.code != exitUsage || !strings.Contains(a.err, "--file and --every") {
		t.Errorf("%+v", a)
	}
	if a := u.pipe(def, "trigger", "set", "--file", "-", "--json"); a.code != 0 {
		t.Errorf("%+v", a)
	}
}
