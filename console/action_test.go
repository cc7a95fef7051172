package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A user changes tasks, queues, groups and triggers, and every change is in the audit stream
// before its outcome.
func TestActionsChangeThePoolAndAreRecorded(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "b", Delay: time.Hour}, task.Spec{ID: "c"})
	b.act("tasks/stop", url.Values{"id": {"a", "c"}, "reason": {"too old"}})
	if got := b.get("a"); got.State != task.Stopped || got.StopWhy != "too old" {
		t.Errorf("stopped: %+v", got)
	}
	b.act("tasks/run", url.Values{"id": {"b"}})
	if got := b.get("b").State; got != task.Waiting {
		t.Errorf("b is %s", got)
	}
	b.act("tasks/retry", url.Values{"id": {"a"}, "change": {"1"}, "payload": {"{\"n\":\r\n2}"}, "priority": {"5"}})
	if got := b.get("a"); got.State != task.Waiting || string(got.Payload) != "{\"n\":\n2}" || got.Priority != 5 {
		t.Errorf("retried: %+v", got)
	}
	b.act("enqueue", url.Values{"kind": {"k"}, "id": {"made"}, "payload": {`{"n":1}`}, "priority": {"-3"}, "delay": {"2h"}})
	if got := b.get("made"); got.State != task.Scheduled || string(got.Payload) != `{"n":1}` || got.Priority != -3 {
		t.Errorf("enqueued: %+v", got)
	}
	b.act("tasks/delete", url.Values{"id": {"c"}})
	if tasks, err := b.store.Get(t.Context(), "c"); err != nil || tasks[0] != nil {
		t.Errorf("deleted: %v, %v", tasks, err)
	}
	b.act("pause", url.Values{"queue": {task.DefaultQueue}})
	b.act("limit", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "limit": {"7"}})
	b.act("rate", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "rate": {"10/s burst 5"}})
	s, err := b.store.Stats(t.Context())
	if q := s.Queues[0]; err != nil || !q.Paused || q.Limit != 7 || q.Rate.String() != "10/s burst 5" {
		t.Errorf("queue %+v, %v", q, err)
	}
	b.act("resume", url.Values{"queue": {task.DefaultQueue}})
	if s, err = b.store.Stats(t.Context()); err != nil || s.Queues[0].Paused {
		t.Errorf("the queue is still paused, %v", err)
	}
	entries := b.audit(false)
	slices.Reverse(entries)
	if len(entries) != 18 {
		t.Fatalf("%d entries, want 18: %+v", len(entries), entries)
	}
	if e := entries[0]; e.Action != "tasks/stop" || e.Target != "a c" || e.Count != 2 || e.Reason != "too old" || e.User != "ann" {
		t.Errorf("the first entry is %+v", e)
	}
	if e := entries[1]; e.Of != entries[0].ID || e.Done != 2 || e.Error != "" {
		t.Errorf("its outcome is %+v", e)
	}
	page := b.page("audit")
	if !strings.Contains(page, "tasks/stop") || !strings.Contains(page, "too old") {
		t.Error("the page does not show the stop")
	}
}

// What is wrong is said on the page, and nothing changes.
func TestWrongFormsAreExplained(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	for _, x := range []struct {
		path string
		form url.Values
		want string
	}{
		{"tasks/stop", url.Values{}, "Nothing is chosen"},
		{"limit", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "limit": {"-1"}}, "number from 1 on"},
		{"rate", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "rate": {"fast"}}, "rate"},
		{"tasks/retry", url.Values{"id": {"a"}, "change": {"1"}, "priority": {"900"}}, "-128 to 127"},
		{"pause", url.Values{}, "Nothing is chosen"},
	} {
		status, text := b.do(http.MethodPost, b.path("")+x.path, x.form)
		if status != http.StatusBadRequest || !strings.Contains(text, x.want) {
			t.Errorf("%s: %d\n%s", x.path, status, text)
		}
	}
	status, text := b.do(http.MethodGet, b.path("tasks?q=stat:failed"), nil)
	if status != http.StatusBadRequest || !strings.Contains(text, "did you mean state?") {
		t.Errorf("%d\n%s", status, text)
	}
	if status, text = b.do(http.MethodGet, b.path("task?id=absent"), nil); status != http.StatusNotFound || !strings.Contains(text, "no task absent") {
		t.Errorf("%d\n%s", status, text)
	}
	if got := b.get("a"); got.State != task.Waiting {
		t.Errorf("the task is %s", got.State)
	}
}

// A change that some tasks refuse is made for the others. The page and the audit say so.
func TestRefusedTasksAreTold(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	b.act("tasks/stop", url.Values{"id": {"a"}})
	status, text := b.do(http.MethodPost, b.path("tasks/stop"), url.Values{"id": {"a", "b", "absent"}})
	if status != http.StatusConflict || !strings.Contains(text, "1 of 3") {
		t.Errorf("%d\n%s", status, text)
	}
	if got := b.get("b").State; got != task.Stopped {
		t.Errorf("b is %s", got)
	}
	if e := b.audit(false)[0]; e.Done != 1 || !strings.Contains(e.Error, "absent") {
		t.Errorf("the outcome is %+v", e)
	}
	b.enqueue(task.Spec{ID: "c"})
	if status, text = b.do(http.MethodPost, b.path("enqueue"), url.Values{"kind": {"k"}, "id": {"c"}}); status != http.StatusConflict || !strings.Contains(text, "c") {
		t.Errorf("%d\n%s", status, text)
	}
}
