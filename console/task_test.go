package console

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// The page of a parent lists its shards with their counts, and the parent is in the list of running tasks.
func TestParentsListTheirShards(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "p", Shards: 3})
	b.spread("p")
	b.act("tasks/stop", map[string][]string{"id": {"p/1"}})
	page := html.UnescapeString(b.page("task?id=p"))
	for _, want := range []string{"1 stopped</a>", "2 not ended", "task?id=p%2F0", "task?id=p%2F1", "task?id=p%2F2"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the parent lacks %s", want)
		}
	}
	page = b.page("tasks?state=running")
	if !strings.Contains(page, `value="p"`) || !strings.Contains(page, "2 of 3 shards not ended") || strings.Contains(page, "further running") {
		t.Error("the parent is not in the list of running tasks")
	}
	if page = b.page("tasks?state=running&q=kind:other"); strings.Contains(page, `value="p"`) {
		t.Error("the parent is listed for another kind")
	}
}

// The log of a running attempt is read while it grows, and that of an ended one stays.
func TestLogsAreText(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Retain: new(time.Hour)})
	b.serve(task.Registration{Replica: "r", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 1)
	fence := b.get("a").Fence
	log := "one\n<b>two</b>\u202e\n"
	if _, err := b.store.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Updates: []task.AttemptUpdate{{ID: "a", Fence: fence, Log: log, LogSize: int64(len(log))}}}); err != nil {
		t.Fatal(err)
	}
	read := func(path, running string) string {
		t.Helper()
		resp, err := http.Get(b.url + b.path(path))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Lts-Running"); got != running || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %q %s", path, got, resp.Header.Get("Content-Type"))
		}
		_, text := b.do(http.MethodGet, b.path(path), nil)
		return text
	}
	want := "one\n<b>two</b>\uFFFD\n"
	if diff := cmp.Diff(want, read("log?id=a", "true")); diff != "" {
		t.Error(diff)
	}
	if page := b.page("task?id=a"); !strings.Contains(page, "data-follow") || strings.Contains(page, "<b>two") {
		t.Error("the page does not follow the log")
	}
	if status, _ := b.do(http.MethodGet, b.path("log?id=absent"), nil); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
}

// A new task takes the fields of an ended one, also if that has succeeded, and its secrets.
func TestTasksRunAgainAsNewTasks(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password", "auth")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	spec := task.Spec{ID: "a", Kind: "k", Queue: "q", Group: "g", Priority: 4, Labels: []string{"gpu"}, MaxAttempts: 7, Timeout: time.Minute, Deadline: time.Hour,
		Payload: []byte(`{"password":"x1x","n":1}`), Headers: map[string]string{"auth": "x1x", "t": "u"}, Retain: new(time.Hour)}
	b.enqueue(spec)
	b.act("tasks/stop", map[string][]string{"id": {"a"}})
	page := b.page("enqueue?from=a")
	if strings.Contains(page, "x1x") || !strings.Contains(b.page("task?id=a"), "enqueue?from=a") {
		t.Error("the form shows a secret, or the task does not lead to it")
	}
	form := sendable(t, page)
	form.Set("id", "b")
	form.Set("priority", "9")
	b.act("enqueue", form)
	got, want := b.get("b").Spec, b.get("a").Spec
	want.ID, want.Priority = "b", 9
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// A part of the payload is changed: the secret stays. A secret that went elsewhere is not stored as its mask.
	form.Set("id", "d")
	form.Set("payload", `{"n": 12345678901234567890, "password": "•••"}`)
	form.Set("headers", "t=v\r\nauth=•••")
	b.act("enqueue", form)
	if got := b.get("d"); string(got.Payload) != `{"n":12345678901234567890,"password":"x1x"}` || got.Headers["auth"] != "x1x" || got.Headers["t"] != "v" {
		t.Errorf("%s %v", got.Payload, got.Headers)
	}
	form.Set("id", "e")
	form.Set("payload", `{"n":1,"pass":"•••"}`)
	if status, page := b.do(http.MethodPost, b.path("enqueue"), form); status != http.StatusBadRequest || !strings.Contains(page, `id="f-payload-error"`) || !strings.Contains(page, "has •••") {
		t.Errorf("%d\n%s", status, page)
	}
	form.Set("id", "c")
	form.Set("max_attempts", "many")
	form.Set("headers", "no pair")
	status, page := b.do(http.MethodPost, b.path("enqueue"), form)
	if status != http.StatusBadRequest || !strings.Contains(page, `id="f-max_attempts-error"`) || !strings.Contains(page, `id="f-headers-error"`) || strings.Contains(page, "x1x") {
		t.Errorf("%d\n%s", status, page)
	}
}

// A payload that a browser cannot send back stays as it is, unless the user replaces it.
func TestPayloadsThatAreNoTextStay(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "again", Payload: []byte("a\x00b")})
	b.act("tasks/stop", map[string][]string{"id": {"again"}})
	if page := b.page("task?id=again"); !strings.Contains(page, `name="replace.payload"`) {
		t.Error("the page of the task lacks the note")
	}
	b.act("tasks/retry", map[string][]string{"id": {"again"}, "change": {"1"}, "binary.payload": {"1"}, "payload": {"a\uFFFDb"}, "priority": {"3"}})
	if got := b.get("again"); string(got.Payload) != "a\x00b" || got.Priority != 3 {
		t.Errorf("%+v", got)
	}
	for i, payload := range []string{"a\x00b", "a\rb", "text\r\nlines\n"} {
		from, to := fmt.Sprint("from", i), fmt.Sprint("to", i)
		b.enqueue(task.Spec{ID: from, Payload: []byte(payload)})
		form := sendable(t, b.page("enqueue?from="+from))
		if want := i < 2; form.Has("binary.payload") != want {
			t.Errorf("%q: the form has the note: %v", payload, !want)
		}
		form.Set("id", to)
		form.Set("kind", "other")
		form.Set("priority", "x") // the form is shown again, with what was sent
		status, page := b.do(http.MethodPost, b.path("enqueue"), form)
		if status != http.StatusBadRequest {
			t.Fatalf("%d\n%s", status, page)
		}
		form = sendable(t, page)
		form.Set("priority", "5")
		b.act("enqueue", form)
		if got := string(b.get(to).Payload); got != payload && i < 2 {
			t.Errorf("%q became %q", payload, got)
		}
		form.Set("id", to+"-new")
		form.Set("payload", "new")
		form.Set("replace.payload", "1")
		b.act("enqueue", form)
		if got := string(b.get(to + "-new").Payload); got != "new" {
			t.Errorf("%q was replaced by %q", payload, got)
		}
	}
}

// Of a task that Redis has removed the page shows its last event, and offers no action.
func TestRemovedTasksShowTheirLastEvent(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Payload: []byte("1")})
	b.act("tasks/stop", map[string][]string{"id": {"a"}})
	b.act("tasks/delete", map[string][]string{"id": {"a"}})
	page := b.page("task?id=a")
	if !strings.Contains(page, "Redis has removed this task") || strings.Contains(page, "tasks/retry") || strings.Contains(page, "enqueue?from") {
		t.Error("the page offers actions on a task that is gone")
	}
	for _, path := range []string{"enqueue?from=a", "log?id=a"} {
		if status, _ := b.do(http.MethodGet, b.path(path), nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// Each attempt names the host and the address of its replica, also after that has left.
func TestAttemptsShowTheirHostsAfterTheReplicaHasLeft(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	b.serve(task.Registration{Replica: "r", Host: "<i>web</i>", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 1)
	const where = "(<i>web</i>, 127.0.0.1)"
	if page := b.page("replicas"); !strings.Contains(page, "127.0.0.1") {
		t.Error("the page of the replicas lacks the address")
	}
	for range 2 { // while it runs, and when it was put back and the replica has left
		b.as(access.Viewer)
		page := b.page("task?id=a")
		if strings.Contains(page, "<i>web") || !strings.Contains(html.UnescapeString(page), where) {
			t.Errorf("the page lacks %s:\n%s", where, page)
		}
		b.as(access.Admin)
		now := b.get("a")
		if now.State != task.Running {
			break
		}
		if got := b.api(http.MethodGet, b.at("/tasks/a"), nil); !strings.Contains(string(got.body), `"ip":"127.0.0.1"`) {
			t.Errorf("the API answers %s", got.body)
		}
		x := task.Exchange{Replica: "r", Sequence: 1, Call: 1, Reports: []task.Report{{ID: "a", Queue: task.DefaultQueue, Fence: now.Fence, Op: task.Fail, Error: "broke", Last: true}}}
		if _, err := b.store.Exchange(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if err := b.store.Leave(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
	}
	got := b.api(http.MethodGet, b.at("/tasks/a"), nil)
	var answer record.Task
	if err := json.Unmarshal(got.body, &answer); err != nil || len(answer.History) != 1 || answer.History[0].Host != "<i>web</i>" || answer.History[0].IP != "127.0.0.1" {
		t.Errorf("the API answers %s, %v", got.body, err)
	}
}

// When a rate lets a task start is shown in the zone of the user, and a name cannot add markup.
func TestWaitsAreInTheZoneOfTheUser(t *testing.T) {
	t.Parallel()
	q := &request{lang: "en"}
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	got := string(q.because(holdup.Reason{Code: "group_rate", Args: []any{"<g>", "2/h", holdup.Start(at)}}))
	if want := `the rate of group &lt;g&gt;, 2/h: the next task may start at <time datetime="2026-02-03T03:05:06.000Z">2026-02-03 03:05:06 UTC</time>`; got != want {
		t.Errorf("%s", got)
	}
}
