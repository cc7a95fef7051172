package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestTasksAreEnqueuedListedAndShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	out := u.must("enqueue", "email.send", `{"big":12345678901234567890}`, "--id", "a", "--priority", "5", "--group", "acme",
		"--unique", "u", "--header", "trace=x=y", "--json")
	if diff := cmp.Diff([]record.Receipt{{ID: "a", State: task.Waiting}}, decodeLines[record.Receipt](t, out)); diff != "" {
		t.Error(diff)
	}
	if out := u.must("enqueue", "email.send", "--id", "a"); out != "a\twaiting\tduplicate\n" {
		t.Errorf("got %q", out)
	}
	if a := u.pipe(`[1,  2]`, "enqueue", "report", "-", "--id", "b", "--at", "2099-01-01T00:00:00Z"); a.out != "b\tscheduled\n" {
		t.Errorf("got %+v", a)
	}

	tasks := decodeLines[record.Task](t, u.must("get", "a", "b", "--json"))
	if len(tasks) != 2 {
		t.Fatalf("got %d tasks", len(tasks))
	}
	a := tasks[0]
	if string(a.Payload) != `{"big":12345678901234567890}` || a.Priority != 5 || a.Group != "acme" || a.Unique != "u" || a.Headers["trace"] != "x=y" {
		t.Errorf("got %+v", a)
	}
	if b := tasks[1]; b.DueAt != "2099-01-01T00:00:00.000Z" || b.State != task.Scheduled {
		t.Errorf("got %+v", b)
	}
	if out := u.must("get", "b"); !strings.Contains(out, "payload   [1,  2]\n") {
		t.Errorf("got %s", out)
	}
	if got := u.run("get", "a", "none", "--json"); got.code != exitFailed || len(decodeLines[record.Task](t, got.out)) != 1 || got.err != "ltsworker: none: no such task\n" {
		t.Errorf("got %+v", got)
	}

	for args, want := range map[string]string{
		"ls": "b a", "ls --state waiting": "a", "ls --kind report,email.send": "b a", "ls --group acme": "a",
		"ls --queue other": "", "ls --limit 1": "b", "ls --state waiting --kind report": "",
	} {
		var ids []string
		for _, r := range decodeLines[record.Task](t, u.must(append(strings.Fields(args), "--json")...)) {
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

func TestPeopleReadTheTimeOfTheirPlace(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a", "--delay", "100h")
	a := decodeLines[record.Task](t, u.must("get", "a", "--json"))[0]
	local := func(at string) string {
		t.Helper()
		when, err := time.Parse("2006-01-02T15:04:05.000Z", at)
		if err != nil {
			t.Fatal(err)
		}
		return when.Local().Format("2006-01-02 15:04:05")
	}
	if out := u.must("get", "a"); !strings.Contains(out, "created   "+local(a.CreatedAt)+" (") || !strings.Contains(out, " ago)") ||
		!strings.Contains(out, "due       "+local(a.DueAt)+" (in 4d3h)") {
		t.Errorf("got %s", out)
	}
	if out := u.must("ls"); !strings.Contains(out, "due in 4d3h\n") {
		t.Errorf("got %s", out)
	}
	if out := u.tail([]string{"tail", "--from", "0"}, 1); !strings.HasPrefix(out, local(a.CreatedAt)+".") {
		t.Errorf("got %s", out)
	}
}

func TestBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
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
	want := []record.Receipt{{ID: "x", State: task.Waiting}, {ID: "y", State: task.Scheduled}}
	if diff := cmp.Diff(want, decodeLines[record.Receipt](t, u.must("enqueue", "--batch", "tasks.ndjson", "--json"))); diff != "" {
		t.Error(diff)
	}
}

func TestBatchMayBeginWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if a := u.pipe("\xef\xbb\xbf{\"kind\":\"x\",\"id\":\"a\"}\n", "enqueue", "--batch", "-"); a.out != "a\twaiting\n" {
		t.Errorf("got %+v", a)
	}
}

func TestRefusedTasksOfABatchAreNamedByTheirLines(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("w.yaml", "queues: {full: {max_len: 2}}\nhandlers: {other: {command: [cat]}}\n", 0o600)
	r := u.startWith("w.yaml")
	u.awaitReplicas(1)
	r.signal(syscall.SIGTERM)
	r.wait()
	var lines strings.Builder
	lines.WriteString("{\"kind\":\"x\"}\n\n")
	for i := range 600 { // more than one call to Redis takes
		fmt.Fprintf(&lines, `{"kind":"x","queue":"full","id":"t%d"}`+"\n", i)
	}
	u.write("tasks.ndjson", lines.String(), 0o600)
	a := u.run("enqueue", "--batch", "tasks.ndjson")
	if want := "ltsworker: 598 of 601 tasks were refused\ntasks.ndjson:5-602: queue is full: full\n"; a.code != exitFailed || a.err != want {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
	if !strings.HasSuffix(a.out, "\nt599\trefused: tasks.ndjson:602: queue is full: full\n") || strings.Count(a.out, "\n") != 601 {
		t.Errorf("got %s", a.out)
	}
	got := decodeLines[record.Receipt](t, u.run("enqueue", "--batch", "tasks.ndjson", "--json").out)
	if r := got[600]; len(got) != 601 || r.Outcome != "refused" || r.Line != 602 || r.Error != "queue is full: full" {
		t.Errorf("got %+v", r)
	}
}

func TestTasksOfABatchAreNotCalledRefusedWhereNobodyKnows(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr() + "/0?max_retries=-1"
	var lines strings.Builder
	for i := range 1400 {
		fmt.Fprintf(&lines, `{"kind":"x","id":"t%d"}`+"\n", i)
	}
	// The first call sends the whole script, because Redis does not have it yet.
	u.must("enqueue", "x", "--id", "first")
	p.Strike("enqueue", 2, faultproxy.ReplyLost)
	a := u.pipe(lines.String(), "enqueue", "--batch", "-", "--json")
	outcomes := map[string]int{}
	for _, r := range decodeLines[record.Receipt](t, a.out) {
		outcomes[r.Outcome]++
	}
	if diff := cmp.Diff(map[string]int{"": 500, "unknown": 500, "not_tried": 400}, outcomes); diff != "" {
		t.Error(diff)
	}
	want := "ltsworker: cannot use Redis at " + p.Addr() + ": 500 of 1400 tasks may have been made or not, 400 of 1400 tasks were not tried after that\nstandard input:501-1000: enqueue: "
	if a.code != exitUnreachable || !strings.HasPrefix(a.err, want) || strings.Count(a.err, "\n") != 2 {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
	if out := u.must("get", "t500"); !strings.Contains(out, "waiting") {
		t.Errorf("the call was not made: %s", out)
	}
}

func TestABatchThatRedisHasNoRoomForIsRefused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.ownServer()
	u.redis("CONFIG", "SET", "maxmemory", "1mb")
	a := u.pipe(`{"kind":"x"}`, "enqueue", "--batch", "-", "--json")
	got := decodeLines[record.Receipt](t, a.out)
	if len(got) != 1 || got[0].Outcome != "refused" || got[0].Line != 1 || !strings.Contains(got[0].Error, "OOM") {
		t.Errorf("got %+v", got)
	}
	if a.code != exitFailed || !strings.HasPrefix(a.err, "ltsworker: 1 of 1 tasks were refused\nstandard input:1: check schema: OOM") || strings.Contains(a.out+a.err, "user_script") {
		t.Errorf("got %+v", a)
	}
}

func TestABatchOfAUserThatMayNotWriteIsRefused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	viewer := s.User(t, "viewer", strings.Fields("%R~lts:{"+u.pool+"}:* -@all +@read +@connection -@dangerous +info +time +eval_ro +evalsha_ro")...)
	u.env = []string{"LTS_REDIS=" + viewer.URL(), "LTS_POOL=" + u.pool}
	lines := strings.Repeat(`{"kind":"x","id":"a"}`+"\n", 600)
	a := u.pipe(lines, "enqueue", "--batch", "-")
	want := "ltsworker: 500 of 600 tasks were refused, 100 of 600 tasks were not tried after that: permission denied: this user may read the pool, and change nothing " +
		"(use a user that may write: ACL users in docs/operations.md)\n"
	if a.code != exitFailed || a.err != want {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
	if !strings.HasPrefix(a.out, "a\trefused: standard input:1\na\trefused: standard input:2\n") || !strings.HasSuffix(a.out, "a\tnot tried: standard input:600\n") {
		t.Errorf("got %s", a.out)
	}
	if got := decodeLines[record.Receipt](t, u.pipe(lines, "enqueue", "--batch", "-", "--json").out); len(got) != 600 || got[0].Outcome != "refused" || got[599].Outcome != "not_tried" {
		t.Errorf("got %+v", got)
	}
}

func TestChangesNeedIDsOrConsent(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.must("enqueue", "x", "--id", id)
	}
	state := func(id string) task.State {
		t.Helper()
		return decodeLines[record.Task](t, u.must("get", id, "--json"))[0].State
	}
	if a := u.run("stop", "--kind", "x"); a.code != exitUsage || !strings.Contains(a.err, "3 tasks would be stopped") || state("a") != task.Waiting {
		t.Errorf("got %+v", a)
	}
	if out := u.must("stop", "a", "--why", "not today"); out != "stopped 1 task\n" || state("a") != task.Stopped {
		t.Errorf("got %q", out)
	}
	if a := u.run("stop", "b", "none"); a.code != exitFailed || !strings.Contains(a.err, "none: no such task") || a.out != "stopped 1 task\n" {
		t.Errorf("got %+v", a)
	}
	if out := u.must("retry", "a"); out != "put back 1 task\n" || state("a") != task.Waiting {
		t.Errorf("got %q", out)
	}
	if a := u.run("delete", "a"); a.code != exitFailed || state("a") != task.Waiting {
		t.Errorf("got %+v", a)
	}
	if out := u.must("stop", "--kind", "x", "--yes"); out != "stopped 2 tasks\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("stop", "a", "b", "--json"); out != `{"action":"stop","tasks":0,"before":2}`+"\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("delete", "a", "--json"); out != `{"action":"delete","tasks":1,"before":0}`+"\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("delete", "--state", "stopped", "--yes"); out != "deleted 2 tasks\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("ls"); out != "" {
		t.Errorf("tasks are left: %s", out)
	}
}

func TestWaitingFailsWithTheTask(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	if a := u.run("wait", "a", "--timeout", "10ms"); a.code != exitFailed || !strings.Contains(a.err, "a has not ended") {
		t.Errorf("got %+v", a)
	}
	u.must("enqueue", "x", "--id", "b")
	u.must("stop", "b", "--why", "later")
	for _, timeout := range []string{"0s", "10ms"} {
		a := u.run("wait", "a", "none", "b", "--timeout", timeout)
		if want := (answer{exitFailed, "b\tstopped\tlater\n", "ltsworker: a has not ended: the time to wait has passed\nltsworker: none: no such task\n"}); a != want {
			t.Errorf("--timeout %s: got %+v", timeout, a)
		}
	}
	if a := u.run("enqueue", "x", "--id", "c", "--wait", "--wait-timeout", "10ms"); a != (answer{exitFailed, "", "ltsworker: c has not ended: the time to wait has passed\n"}) {
		t.Errorf("got %+v", a)
	}
	if a := u.run("enqueue", "x", "--wait-timeout", "10ms"); a.code != exitUsage {
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

func TestWaitingForTasksThatAreGone(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "where", "--id", "gone", "--retain", "0s")
	u.until("the task has gone", func() bool { return u.run("get", "gone").code == exitFailed })
	args := []string{"wait", "--timeout", "0s"}
	for i := range 2000 {
		args = append(args, fmt.Sprint("none", i))
	}
	a := u.run(append(args, "gone")...)
	if a.out != "gone\tsucceeded\tsub fast where "+u.pool+"\n" || strings.Count(a.err, "no such task\n") != 2000 {
		t.Errorf("got %.300q, %.300q", a.out, a.err)
	}
}

func TestHostileTextIsQuoted(t *testing.T) {
	t.Parallel()
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
			t.Errorf("%s: the output has a control character: %q", args, out)
		}
	}
}

func TestRepeatedIDsAreOneTask(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	if out := u.must("stop", "a", "a", "a"); out != "stopped 1 task\n" {
		t.Errorf("got %q", out)
	}
}

func TestALostResultIsTold(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.awaitReplicas(1)
	long := `"` + strings.Repeat("x", task.MaxEventResult) + `"`
	const gone = "its result of 1026 bytes is gone"
	if a := u.run("enqueue", "echo", long, "--id", "a", "--retain", "0s", "--wait"); a != (answer{exitFailed, "a\tsucceeded\t" + gone + "\n", ""}) {
		t.Errorf("got %+v", a)
	}
	if a := u.run("wait", "a"); a != (answer{exitFailed, "a\tsucceeded\t" + gone + "\n", ""}) {
		t.Errorf("got %+v", a)
	}
	a := u.run("wait", "a", "--json")
	if got := decodeLines[record.Task](t, a.out); a.code != exitFailed || len(got) != 1 || got[0].ResultLost != 1026 || !strings.Contains(a.out, `"result_lost_bytes":1026`) {
		t.Errorf("got %+v", a)
	}
	if a := u.run("enqueue", "echo", `"short"`, "--retain", "0s", "--wait", "--json"); a.code != exitDone || strings.Contains(a.out, "result_lost") {
		t.Errorf("got %+v", a)
	}
}

// Tasks that are read whole are read with GET.
func TestAListReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	u.must("enqueue", "x", "--id", "f", "--delay", "1h")
	brief := *u
	brief.env = []string{"LTS_REDIS=" + s.User(t, "brief", "~*", "&*", "+@all", "-get").URL(), "LTS_POOL=" + u.pool}
	if out := brief.must("ls"); !strings.Contains(out, "due in ") {
		t.Errorf("got %q", out)
	}
	if a := brief.run("ls", "--json"); a.code != exitFailed || !strings.Contains(a.err, "may not run a command of a script") {
		t.Errorf("got %+v", a)
	}
}

func TestAListShowsTheProgressOfWhatRuns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "hold", "--id", "h")
	u.awaitRunning()
	u.redis("HSET", "lts:{"+u.pool+"}:more:h", "progress", "half way")
	u.redis("SETRANGE", "lts:{"+u.pool+"}:task:h", 1, "1")
	if out := u.must("ls"); !strings.HasSuffix(out, "half way\n") {
		t.Errorf("got %q", out)
	}
	u.write("go", "", 0o600)
	u.run("wait", "h")
}
