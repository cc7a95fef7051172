package console

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// What tasks contain is shown as text, cut, and without characters that change the order of
// the text around them.
func TestTasksCannotAddMarkup(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	evil := `<script>alert(1)</script>`
	b.enqueue(task.Spec{ID: "text", Payload: []byte(evil + "\u202e"), Headers: map[string]string{"h": evil}},
		task.Spec{ID: "long", Payload: []byte(strings.Repeat("x", 1_000_000))})
	for _, id := range []string{"text", "long"} {
		page := b.page("task?id=" + id)
		if strings.Contains(page, evil) || strings.Contains(page, "\u202e") {
			t.Errorf("%s has the text as it is", id)
		}
		if len(page) > 3*shown {
			t.Errorf("%s has %d bytes", id, len(page))
		}
	}
	if page := b.page("task?id=text"); !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the payload is not shown")
	}
	if page := b.page("task?id=long"); !strings.Contains(page, "of 1000000 bytes") {
		t.Error("the page does not say that the payload is cut")
	}
	b.page("tasks?state=waiting&q=" + url.QueryEscape("payload:"+evil))
}

func TestSecretsAreRedactedBeforeTheyAreShown(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, func(o *Options) {
		o.Redact = func(kind, key string, value []byte) []byte {
			return []byte(strings.ReplaceAll(string(value), "secret", "***"))
		}
	})
	b.enqueue(task.Spec{ID: "a", Payload: []byte(`{"card":"secret"}`), Headers: map[string]string{"auth": "secret"}})
	if page := b.page("task?id=a"); strings.Contains(page, "secret") || strings.Count(page, "***") < 2 {
		t.Error(page)
	}
}

// A search in payloads also reads those of running tasks, and sees what the page shows.
func TestPayloadsOfRunningTasksAreSearched(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, func(o *Options) {
		o.Redact = func(_, _ string, value []byte) []byte {
			return []byte(strings.ReplaceAll(string(value), "secret", "***"))
		}
	})
	if _, err := b.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}); err != nil {
		t.Fatal(err)
	}
	b.enqueue(task.Spec{ID: "a", Payload: []byte(`{"customer":7}`)}, task.Spec{ID: "b", Payload: []byte(`{"customer":"secret"}`)})
	if _, err := b.store.Exchange(t.Context(), task.Exchange{Replica: "r", Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}}); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string][2]bool{"state:running": {true, true}, "state:running payload:7": {true, false}, "state:running payload:secret": {false, false},
		"state:running payload:***": {false, true}} {
		page := b.page("tasks?q=" + url.QueryEscape(q))
		for i, id := range []string{"a", "b"} {
			if got := strings.Contains(page, `name="id" value="`+id+`"`); got != want[i] {
				t.Errorf("%s: task %s is listed: %v", q, id, got)
			}
		}
	}
}

// Words that the index of running tasks does not have are compared with the tasks themselves.
func TestRunningTasksAreSelectedByAllWords(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if _, err := b.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour, Labels: []string{"gpu"}, Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}); err != nil {
		t.Fatal(err)
	}
	b.enqueue(task.Spec{ID: "plain"}, task.Spec{ID: "labelled", Labels: []string{"gpu"}})
	if _, err := b.store.Exchange(t.Context(), task.Exchange{Replica: "r", Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}}); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string][2]bool{"": {true, true}, "label:gpu": {false, true}, "age:>1h": {false, false}, "age:<1h": {true, true}} {
		page := b.page("tasks?state=running&q=" + url.QueryEscape(q))
		for i, id := range []string{"plain", "labelled"} {
			if got := strings.Contains(page, `name="id" value="`+id+`"`); got != want[i] {
				t.Errorf("%q: task %s is listed: %v", q, id, got)
			}
		}
	}
}

// The address of a list has its state, so that a list stays one of this state.
func TestListsHaveTheirStateInTheAddress(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "held", Hold: true})
	if status, text := b.do(http.MethodGet, b.path("tasks?q=kind:k"), nil); status != http.StatusSeeOther || !strings.Contains(text, "state=any") {
		t.Errorf("%d\n%s", status, text)
	}
	if page := b.page("tasks?q=hold:true"); !strings.Contains(page, `value="held"`) {
		t.Error("the task on hold is missing")
	}
	page := b.page("tasks?q=" + url.QueryEscape(`state:waiting error:"disk full"`))
	want := url.Values{"q": {`error:"disk full"`}, "state": {"failed"}}.Encode()
	if !strings.Contains(html.UnescapeString(page), want) {
		t.Errorf("no tab leads to %s", want)
	}
}

// A running task past its soft timeout is on the overview.
func TestOverviewShowsSlowTasks(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if _, err := b.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}); err != nil {
		t.Fatal(err)
	}
	b.enqueue(task.Spec{ID: "slow"}, task.Spec{ID: "quick"})
	if _, err := b.store.Exchange(t.Context(), task.Exchange{Replica: "r", Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}}); err != nil {
		t.Fatal(err)
	}
	mark := task.AttemptUpdate{ID: "slow", Fence: b.get("slow").Fence, Slow: true}
	if _, err := b.store.Renew(t.Context(), task.Renewal{Replica: "r", Updates: []task.AttemptUpdate{mark}}); err != nil {
		t.Fatal(err)
	}
	page := b.page("")
	if !strings.Contains(page, "task?id=slow") || strings.Contains(page, "task?id=quick") {
		t.Error("the overview does not show the slow task alone")
	}
}
