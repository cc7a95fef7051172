package console

import (
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
