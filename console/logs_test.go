package console

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// What is kept of a log that viewers follow has no payload, and is dropped when its last viewer has gone.
func TestFollowedLogsAreSmall(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Payload: []byte(`"large"`)})
	b.serve(task.Registration{Replica: "r", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 1)
	fence := b.get("a").Fence
	write := func(fence int64) {
		t.Helper()
		if _, err := b.store.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Updates: []task.AttemptUpdate{{ID: "a", Fence: fence, Log: "one\n", LogSize: 4}}}); err != nil {
			t.Fatal(err)
		}
	}
	write(fence)
	if text := b.logText("a"); text != "one\n" {
		t.Errorf("the log is %q", text)
	}
	l := &b.c.sites[b.name].logs
	kept := l.of("a", time.Now()).last.value
	if kept.Log != "one\n" || kept.Payload != nil || kept.State != task.Running {
		t.Errorf("%+v", kept)
	}
	l.of("b", time.Now().Add(2*idleLog))
	if len(l.byTask) != 1 || l.byTask["b"] == nil {
		t.Errorf("%d logs are kept", len(l.byTask))
	}
	if got, err := b.store.RunningLog(t.Context(), "absent"); got != nil || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func (b *browser) logText(id string) string {
	b.t.Helper()
	_, text := b.do("GET", b.path("log?id="+id), nil)
	return text
}

// Pages of a search in payloads do not keep what was searched.
func TestSearchesKeepNoPayloads(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	data := []byte(`{"a":"needle"}`)
	b.enqueue(task.Spec{ID: "run", Payload: data})
	b.serve(task.Registration{Replica: "r", Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 1)
	b.enqueue(task.Spec{ID: "wait", Payload: data}, task.Spec{ID: "p", Payload: data, Shards: 2})
	for _, text := range []string{"state:running payload:needle", "state:waiting payload:needle", "parent:p payload:needle"} {
		q := &request{c: b.c, site: b.c.sites[b.name], Request: httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)}
		wanted, err := parseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := q.site.picture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		page, err := q.list(wanted, p, 50)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Tasks) == 0 && !strings.HasPrefix(text, "parent:") {
			t.Errorf("%s: nothing is found", text)
		}
		for _, one := range page.Tasks {
			if one.Payload != nil || one.Result != nil {
				t.Errorf("%s: %s has its payload", text, one.ID)
			}
		}
	}
}
