package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// serve puts a replica on the list and claims what waits in the default queue.
func (b *browser) serve(r task.Registration, claim int) {
	b.t.Helper()
	if r.Lease == 0 {
		r.Lease = time.Hour
	}
	if _, err := b.store.Join(b.t.Context(), r); err != nil {
		b.t.Fatal(err)
	}
	if claim > 0 {
		if _, err := b.store.Exchange(b.t.Context(), task.Exchange{Replica: r.Replica, Claims: []task.Claim{{Queue: task.DefaultQueue, N: claim}}}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// The page of a queue has its settings beside those of the config, who serves it with which
// weight, and the tasks that hold its places.
func TestQueuesShowConfiguredAndLiveSettings(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Group: "acme"}, task.Spec{ID: "b", Group: "acme"}, task.Spec{ID: "waits"})
	b.serve(task.Registration{Replica: "r", Host: "host-7", Queues: map[string]task.QueueConfig{
		task.DefaultQueue: {Workers: 9, Limit: 6, Slots: "both", Weight: 3, MaxLen: 70, Rate: pool.PerHour(1).WithBurst(2)},
		"slow":            {Workers: 9, Aging: time.Hour},
	}, Groups: task.Groups{DefaultLimit: 4, Limits: map[string]int{"acme": 5}}}, 2)
	b.act("limit", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "limit": {"11"}})
	page := b.page("queue?name=" + task.DefaultQueue)
	for _, want := range []string{"<td>11</td><td>6 <b class=\"differs\">", "<td>1/h burst 2</td><td>1/h burst 2</td>", "<td>70</td><td>70</td>", "host-7", "<td>both</td><td class=\"n\">3</td>", "task?id=a", "task?id=b"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the queue lacks %s", want)
		}
	}
	if strings.Contains(page, "task?id=waits") {
		t.Error("a waiting task holds a place")
	}
	if page := b.page("queue?name=slow"); !strings.Contains(page, "<td>1h</td><td>1h</td>") {
		t.Error("the page lacks the aging")
	}
	if page := b.page("group?name=acme"); !strings.Contains(page, "task?id=a") || !strings.Contains(page, "<td>5</td><td>5</td>") {
		t.Error("the page of the group lacks its tasks or its limit")
	}
	if page := b.page("groups"); !strings.Contains(page, "<td>4</td><td>4</td>") {
		t.Error("the page of the groups lacks the limit of all")
	}
	for _, path := range []string{"queue?name=absent", "group?name=not+a+name"} {
		if status, _ := b.do(http.MethodGet, b.path("")+path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// An admin changes the settings of queues, of groups and of the pool. Aging changes only while
// the queue is empty.
func TestSettingsAreEditedLive(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.act("aging", url.Values{"name": {"q"}, "aging": {"10m"}})
	b.act("limit", url.Values{"scope": {"pool"}, "limit": {"40"}})
	b.act("limit", url.Values{"scope": {"groups"}, "limit": {"4"}})
	b.act("rate", url.Values{"scope": {"groups"}, "rate": {"5/m"}})
	b.act("limit", url.Values{"scope": {"group"}, "name": {"acme"}, "limit": {"none"}})
	b.act("rate", url.Values{"scope": {"group"}, "name": {"acme"}, "rate": {"none"}})
	s, err := b.store.Stats(t.Context())
	if err != nil || s.Limit != 40 || s.Queues[0].Aging != 10*time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
	byDefault, groups, err := b.store.Groups(t.Context())
	if err != nil || byDefault != 4 || len(groups) != 1 || !groups[0].Own || groups[0].Limit != 0 || !groups[0].OwnRate || groups[0].Rate.Limits() {
		t.Errorf("%d %+v, %v", byDefault, groups, err)
	}
	if r, err := b.store.DefaultRate(t.Context()); err != nil || r.String() != "5/m burst 1" {
		t.Errorf("%v, %v", r, err)
	}
	b.enqueue(task.Spec{ID: "a", Queue: "q"})
	if status, page := b.do(http.MethodPost, b.path("aging"), url.Values{"name": {"q"}, "aging": {"1h"}}); status != http.StatusConflict || !strings.Contains(page, "aging changes only while") {
		t.Errorf("with a waiting task: %d", status)
	}
	if status, _ := b.do(http.MethodPost, b.path("aging"), url.Values{"name": {"q"}, "aging": {"soon"}}); status != http.StatusBadRequest {
		t.Errorf("a wrong aging: %d", status)
	}
}

// A replica that drains names the tasks that it waits for, since when, and until when.
func TestDrainsShowTheirProgress(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	b.serve(task.Registration{Replica: "r", DrainTimeout: time.Hour, StopGrace: time.Minute, Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}}}, 2)
	if page := b.page("replicas"); strings.Contains(page, "Drains since") {
		t.Error("a replica that serves drains")
	}
	b.act("replicas/drain", url.Values{"replica": {"r"}, "reason": {"new version"}})
	if _, err := b.store.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Running: 2}); err != nil && !errors.Is(err, task.ErrDrain) {
		t.Fatal(err)
	}
	b.c.sites[b.name].forget()
	replicas, err := b.store.Replicas(t.Context())
	if err != nil || len(replicas) != 1 || replicas[0].DrainTimeout != time.Hour || replicas[0].DrainingSince.IsZero() {
		t.Fatalf("%+v, %v", replicas, err)
	}
	page := b.page("replicas")
	for _, want := range []string{"Running tasks that it waits for (2)", "task?id=a", "task?id=b", replicas[0].DrainingSince.Add(time.Hour + time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
