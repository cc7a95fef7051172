package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/worker"
)

func TestTasksAreEnqueuedListedAndShown(t *testing.T) {
	u := newUser(t)
	out := u.must("enqueue", "email.send", `{"big":12345678901234567890}`, "--id", "a", "--priority", "5", "--group", "acme",
		"--unique", "u", "--header", "trace=x=y", "--json")
	if diff := cmp.Diff([]receiptRecord{{ID: "a", State: worker.Waiting}}, decodeLines[receiptRecord](t, out)); diff != "" {
		t.Error(diff)
	}
	if out := u.must("enqueue", "email.send", "--id", "a"); out != "a\twaiting\tduplicate\n" {
		t.Errorf("got %q", out)
	}
	if a := u.pipe(`[1,  2]`, "enqueue", "report", "-", "--id", "b", "--at", "2099-01-01T00:00:00Z"); a.out != "b\tscheduled\n" {
		t.Errorf("got %+v", a)
	}

	tasks := decodeLines[taskRecord](t, u.must("get", "a", "b", "--json"))
	if len(tasks) != 2 {
		t.Fatalf("got %d tasks", len(tasks))
	}
	a := tasks[0]
	if string(a.Payload) != `{"big":12345678901234567890}` || a.Priority != 5 || a.Group != "acme" || a.Unique != "u" || a.Headers["trace"] != "x=y" {
		t.Errorf("got %+v", a)
	}
	if b := tasks[1]; b.DueAt != "2099-01-01T00:00:00.000Z" || b.State != worker.Scheduled {
		t.Errorf("got %+v", b)
	}
	if out := u.must("get", "b"); !strings.Contains(out, "payload   [1,  2]\n") {
		t.Errorf("got %s", out)
	}
	if got := u.run("get", "a", "none", "--json"); got.code != exitFailed || len(decodeLines[taskRecord](t, got.out)) != 1 || got.err != "ltsworker: none: no such task\n" {
		t.Errorf("got %+v", got)
	}

	for args, want := range map[string]string{
		"ls": "b a", "ls --state waiting": "a", "ls --kind report,email.send": "b a", "ls --group acme": "a",
		"ls --queue other": "", "ls --limit 1": "b", "ls --state waiting --kind report": "",
	} {
		var ids []string
		for _, r := range decodeLines[taskRecord](t, u.must(append(strings.Fields(args), "--json")...)) {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
	if out := u.must("ls"); !strings.HasPrefix(out, "ID ") || strings.Count(out, "\n") != 3 {
		t.Errorf("got\n%s", out)
	}
}

func TestBatchIsAllOrNothing(t *testing.T) {
	u := newUser(t)
	bad := u.pipe("{\"kind\":\"a\"}\n{\"knd\":\"a\"}\n\nnot json\n{\"kind\":\"a\",\"priority\":300}\n", "enqueue", "--batch", "-")
	if bad.code != exitUsage || bad.out != "" {
		t.Errorf("got %+v", bad)
	}
	for _, want := range []string{"3 lines of 5", "standard input:2:", "standard input:4:", "standard input:5: priority must be"} {
		if !strings.Contains(bad.err, want) {
			t.Errorf("%q is missing in\n%s", want, bad.err)
		}
	}
	if out := u.must("ls"); out != "" {
		t.Errorf("something was written: %s", out)
	}
	u.write("tasks.ndjson", "{\"kind\":\"a\",\"id\":\"x\",\"payload\":[1]}\n\n{\"kind\":\"b\",\"id\":\"y\",\"delay_ms\":60000}\n", 0o600)
	want := []receiptRecord{{ID: "x", State: worker.Waiting}, {ID: "y", State: worker.Scheduled}}
	if diff := cmp.Diff(want, decodeLines[receiptRecord](t, u.must("enqueue", "--batch", "tasks.ndjson", "--json"))); diff != "" {
		t.Error(diff)
	}
}

func TestChangesNeedIDsOrConsent(t *testing.T) {
	u := newUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.must("enqueue", "x", "--id", id)
	}
	state := func(id string) worker.State {
		t.Helper()
		return decodeLines[taskRecord](t, u.must("get", id, "--json"))[0].State
	}
	if a := u.run("stop", "--kind", "x"); a.code != exitUsage || !strings.Contains(a.err, "3 tasks would be stopped") || state("a") != worker.Waiting {
		t.Errorf("got %+v", a)
	}
	if out := u.must("stop", "a", "--why", "not today"); out != "stopped 1 task\n" || state("a") != worker.Stopped {
		t.Errorf("got %q", out)
	}
	if a := u.run("stop", "b", "none"); a.code != exitFailed || !strings.Contains(a.err, "none: no such task") || a.out != "stopped 1 task\n" {
		t.Errorf("got %+v", a)
	}
	if out := u.must("retry", "a"); out != "put back 1 task\n" || state("a") != worker.Waiting {
		t.Errorf("got %q", out)
	}
	if a := u.run("delete", "a"); a.code != exitFailed || state("a") != worker.Waiting {
		t.Errorf("got %+v", a)
	}
	if out := u.must("stop", "--kind", "x", "--yes"); out != "stopped 2 tasks\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("delete", "--state", "stopped", "--yes"); out != "deleted 3 tasks\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("ls"); out != "" {
		t.Errorf("something is left: %s", out)
	}
}

func TestWaitingFailsWithTheTask(t *testing.T) {
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	if a := u.run("wait", "a", "--timeout", "10ms"); a.code != exitFailed || !strings.Contains(a.err, "a has not ended") {
		t.Errorf("got %+v", a)
	}
	u.must("stop", "a", "--why", "enough")
	if a := u.run("wait", "a"); a.code != exitFailed || a.out != "a\tstopped\tenough\n" {
		t.Errorf("got %+v", a)
	}
	if a := u.run("wait", "none"); a.code != exitFailed || a.err != "ltsworker: none: no such task\n" {
		t.Errorf("got %+v", a)
	}
}

func TestHostileTextIsQuoted(t *testing.T) {
	u := newUser(t)
	u.must("enqueue", "x", `{"v":"\u001b[31m"}`, "--id", "a", "--header", "h=\x1b[2J")
	u.must("stop", "a", "--why", "\x1b]0;title\a")
	for _, args := range []string{"ls", "get a", "get a --json", "tail --from 0"} {
		var out string
		if strings.HasPrefix(args, "tail") {
			out = u.tail(strings.Fields(args), 2)
		} else {
			out = u.must(strings.Fields(args)...)
		}
		if strings.ContainsAny(out, "\x1b\a") {
			t.Errorf("%s: a control character got through: %q", args, out)
		}
	}
}
