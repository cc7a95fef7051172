package storetest

import (
	"maps"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var thenRules = []rule{
	{"ThenMakesATaskWithTheResult", thenMakesATask},
	{"ThenFollowsASuccessOnly", thenFollowsASuccess},
	{"ThenFollowsEachGenerationOnce", thenFollowsEachGeneration},
	{"ThenFollowsAParent", thenFollowsAParent},
	{"ThenFollowsTheSave", thenFollowsTheSave},
	{"ThenPassesTheCapOfTheQueue", thenPassesTheCap},
	{"RefusedThenIsInTheLastEvent", refusedThen},
	{"ThenHasItsOptions", thenHasItsOptions},
	{"EntryWithThen", entryWithThen},
}

func thenMakesATask(fx *fixture) {
	for i, result := range []string{`{"n":1}`, "plain text", "", "\xff"} {
		id := string(rune('a' + i))
		fx.enqueue(task.Spec{ID: id, Then: &task.Spec{Kind: "next", Queue: "q"}, Headers: map[string]string{"h": "1"}})
		t := fx.children(1)[0]
		r := succeed(t)
		r.Meta = task.Meta{"m": "2"}
		if result != "" {
			r.Result = []byte(result)
		}
		fx.accept(r)
		want := result
		if result == "\xff" {
			want = ""
		}
		got := fx.claim("q", 9)
		if len(got) != 1 || got[0].ID != id+"/then" || got[0].Kind != "next" || string(got[0].Payload) != want || got[0].After != id ||
			!maps.Equal(got[0].Headers, map[string]string{"h": "1", "m": "2"}) {
			fx.Fatalf("after the result %q: %+v", result, got)
		}
		events := fx.eventsOf(id)
		if e := events[len(events)-1]; e.ThenID != id+"/then" || e.ThenError != "" || e.State != task.Succeeded {
			fx.Errorf("event %+v", e)
		}
		fx.accept(succeed(got[0]))
	}
	fx.checkTotals()
	fx.checkInspection()
}

func thenFollowsASuccess(fx *fixture) {
	fx.enqueue(task.Spec{ID: "a", MaxAttempts: 1, Then: &task.Spec{Kind: "next"}})
	fx.accept(fail(fx.children(1)[0], task.CodeError))
	fx.enqueue(task.Spec{ID: "b", Then: &task.Spec{Kind: "next"}})
	fx.stop("b")
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	if t := fx.get("a"); t.Then == nil || t.Then.Kind != "next" || t.ThenID != "" {
		fx.Errorf("task %+v", t)
	}
}

func thenFollowsEachGeneration(fx *fixture) {
	fx.enqueue(task.Spec{ID: "a", Retain: new(time.Hour), Then: &task.Spec{Kind: "next", Queue: "q", ID: "own", Retain: new(time.Hour)}})
	for _, want := range []string{"own", "own/1", "own/2"} {
		fx.accept(succeed(fx.children(1)[0]))
		if t := fx.get("a"); t.ThenID != want {
			fx.Errorf("the id is %q, want %q", t.ThenID, want)
		}
		fx.wantIDs(fx.claim("q", 9), want)
		fx.retry("a")
	}
}

func thenFollowsAParent(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, MaxAttempts: 1, Then: &task.Spec{Kind: "sum", Queue: "q"}})
	children := fx.children(2)
	r := succeed(children[0])
	r.Result = []byte("1")
	fx.accept(r)
	fx.accept(final(children[1]))
	fx.wantIDs(fx.claim("q", 9))
	fx.retry("p")
	fx.spread()
	r = succeed(fx.children(1)[0])
	r.Result = []byte("2")
	fx.accept(r)
	if got := fx.claim("q", 9); len(got) != 1 || string(got[0].Payload) != "[1,2]" || got[0].ID != "p/then/1" || got[0].After != "p" {
		fx.Errorf("claimed %+v", got)
	}
	fx.checkTotals()
	fx.checkInspection()
}

func thenFollowsTheSave(fx *fixture) {
	t := fx.staged(task.Spec{ID: "a", Then: &task.Spec{Kind: "next", Queue: "q"}}, "large")
	fx.wantIDs(fx.claim("q", 9))
	fx.accept(saved(fx.toSave(), "ref"))
	if got := fx.claim("q", 9); len(got) != 1 || string(got[0].Payload) != "ref" {
		fx.Errorf("after %s: %+v", t.ID, got)
	}
}

func thenPassesTheCap(fx *fixture) {
	n := 1
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: &n})
	fx.enqueueAll(task.Spec{ID: "full", Queue: "q"}, task.Spec{ID: "a", Then: &task.Spec{Kind: "next", Queue: "q"}})
	fx.accept(succeed(fx.children(1)[0]))
	fx.wantState("a/then", task.Waiting)
}

func refusedThen(fx *fixture) {
	fx.enqueue(task.Spec{ID: "taken", Queue: "q", Unique: "u"})
	for _, c := range []struct {
		next task.Spec
		want string
	}{
		{task.Spec{Kind: "next", Unique: "u"}, "duplicate of task taken, which is waiting"},
		{task.Spec{Kind: "next", ID: "taken"}, "duplicate of task taken, which is waiting"},
		{task.Spec{Kind: "next", RunAt: fx.Now(fx).Add(time.Hour), TTL: time.Second}, "ttl must be longer than the time until run_at"},
	} {
		fx.enqueue(task.Spec{ID: "a", Then: &c.next, Retain: new(time.Hour)})
		fx.accept(succeed(fx.children(1)[0]))
		events := fx.eventsOf("a")
		e, t := events[len(events)-1], fx.wantEnd("a", task.Succeeded, task.CodeOK)
		if !strings.HasPrefix(e.ThenError, c.want) || t.ThenError != e.ThenError {
			fx.Errorf("the event has %q, the task %q, want %q", e.ThenError, t.ThenError, c.want)
		}
		fx.remove("a")
	}
	fx.checkTotals()
}

func thenHasItsOptions(fx *fixture) {
	next := task.Spec{Kind: "next", ID: "own", Queue: "q", Payload: []byte(" \"own\" "), Priority: -3, Group: "g", Unique: "u v", Delay: time.Hour,
		Timeout: time.Minute, TTL: 2 * time.Hour, Deadline: 3 * time.Hour, MaxAttempts: 7, Backoff: task.Backoff{Fixed: true, Base: time.Second},
		Retain: new(task.Forever), Reply: true, Headers: map[string]string{"a": "own", "b": "<x y>"}}
	fx.enqueue(task.Spec{ID: "a", Then: &next, Headers: map[string]string{"a": "before", "c": "3"}, Retain: new(time.Hour)})
	fx.accept(succeed(fx.children(1)[0]))
	want := next
	want.Delay, want.TTL, want.Deadline, want.Unique = 0, 0, 0, task.UniqueKey(next.Unique)
	want.Headers = map[string]string{"a": "own", "b": "<x y>", "c": "3"}
	got := fx.wantState("own", task.Scheduled)
	if d := diff(want, got.Spec); d != "" || got.DueAt.Sub(got.CreatedAt) != time.Hour || got.ExpiresAt.Sub(got.CreatedAt) != 2*time.Hour {
		fx.Errorf("the task that follows (-want +got):\n%s", d)
	}
	want = next
	want.Unique = task.UniqueKey(next.Unique)
	if d := diff(want, *fx.get("a").Then); d != "" {
		fx.Errorf("as it is read (-want +got):\n%s", d)
	}
}

func entryWithThen(fx *fixture) {
	fx.Push(fx, `{"kind":"k","id":"a","then":{"kind":"next","payload":{"x":1},"delay_ms":5}}`,
		`{"kind":"k","then":{"kind":"","delay_ms":5,"ttl_ms":5,"then":{},"colour":1}}`)
	fx.admit()
	fx.accept(succeed(fx.children(1)[0]))
	if t := fx.get("a/then"); string(t.Payload) != `{"x":1}` || t.State != task.Scheduled {
		fx.Errorf("task %+v", t)
	}
	reasons := fx.Rejects(fx)
	for _, want := range []string{"then.kind must not be empty", "then.ttl_ms must be longer", "then.then must not be set", `then."colour" is not a field`} {
		if len(reasons) != 1 || !strings.Contains(reasons[0], want) {
			fx.Errorf("rejects %q, want %q", reasons, want)
		}
	}
}

func diff(want, got task.Spec) string { return cmp.Diff(want, got) }
