package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

var shardRules = []rule{
	{"ParentSucceedsWithAllItsShards", parentSucceeds},
	{"ChildrenHaveWhatTheirParentHas", childrenHaveWhatTheParentHas},
	{"ShardsHaveParameters", shardsHaveParameters},
	{"ParentTakesNoPlace", parentTakesNoPlace},
	{"ParentRunsWhenItIsDue", parentRunsWhenDue},
	{"ParentIsMadeOnce", parentIsMadeOnce},
	{"ChildrenAreMadeInBoundedSteps", childrenInBoundedSteps},
	{"QueueCapHoldsForChildren", queueCapHoldsForChildren},
	{"ResultsOfShardsAreCollected", resultsAreCollected},
	{"ResultsOfShardsStayWithinTheLimit", resultsStayWithinTheLimit},
	{"ChildrenAreListedByTheirParent", childrenAreListed},
	{"EntryWithShardsBecomesAParent", entryWithShards},
	{"ParentRepliesOnce", parentRepliesOnce},
	{"TriggerMakesAParent", triggerMakesAParent},
}

// spread calls Spread until no parent needs it at once.
func (fx *fixture) spread() {
	fx.Helper()
	for next := time.Millisecond; next == time.Millisecond; {
		var err error
		next, err = fx.Store.Spread(fx.ctx)
		fx.noError(err)
	}
}

// parent makes a parent and its children.
func (fx *fixture) parent(spec task.Spec) {
	fx.Helper()
	fx.enqueue(spec)
	fx.spread()
}

// children claims so many children of the default queue.
func (fx *fixture) children(n int) []*task.Task {
	fx.Helper()
	got := fx.claim(task.DefaultQueue, n)
	if len(got) != n {
		fx.Fatalf("claimed %v, want %d children", ids(got), n)
	}
	return got
}

func (fx *fixture) wantCounts(id string, want task.ShardCounts) {
	fx.Helper()
	if d := cmp.Diff(want, fx.get(id).Counts); d != "" {
		fx.Errorf("shards of %s (-want +got):\n%s", id, d)
	}
}

func parentSucceeds(fx *fixture) {
	forever := task.Forever
	if r := fx.enqueueAll(task.Spec{ID: "p", Kind: "k", Shards: 3, Retain: &forever})[0]; r.State != task.Running {
		fx.Errorf("receipt %+v", r)
	}
	fx.wantCounts("p", task.ShardCounts{Unmade: 3})
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 3})
	children := fx.children(3)
	for i, c := range children {
		if c.ID != fmt.Sprint("p/", i) || c.Shard != (task.Shard{Parent: "p", Index: i, Total: 3}) {
			fx.Errorf("child %d is %s with %+v", i, c.ID, c.Shard)
		}
	}
	fx.accept(succeed(children[2]))
	fx.accept(succeed(children[0]))
	fx.wantState("p", task.Running)
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Succeeded: 2})
	fx.checkTotals()
	fx.accept(succeed(children[1]))
	p := fx.wantEnd("p", task.Succeeded, task.CodeOK)
	if p.StartedAt.IsZero() || p.Attempt != 0 || len(p.Result) != 0 {
		fx.Errorf("the parent is %+v", p)
	}
	fx.wantCounts("p", task.ShardCounts{Succeeded: 3})
	var states []task.State
	for _, e := range fx.eventsOf("p") {
		states = append(states, e.State)
	}
	if !slices.Equal(states, []task.State{task.Running, task.Succeeded}) {
		fx.Errorf("events of the parent: %v", states)
	}
	fx.checkTotals()
	fx.checkInspection()
	fx.remove("p")
	for _, c := range children {
		fx.remove(c.ID)
	}
	fx.wantNoTrace("p")

	// By default a parent without results is not kept, as any task.
	fx.parent(task.Spec{ID: "q", Kind: "k", Shards: 1})
	fx.accept(succeed(fx.children(1)[0]))
	fx.wantNoTrace("q")
}

func childrenHaveWhatTheParentHas(fx *fixture) {
	spec := task.Spec{ID: "p", Kind: "k", Queue: "q", Priority: 5, Group: "g", Payload: []byte(" {} "), Headers: map[string]string{"a": "b c"},
		Timeout: time.Minute, MaxAttempts: 2, Backoff: task.Backoff{Fixed: true, Base: time.Second}, Retain: new(time.Hour),
		TTL: time.Hour, Deadline: 2 * time.Hour, Unique: "u", Reply: true, Shards: 1}
	fx.parent(spec)
	p, c := fx.get("p"), fx.get("p/0")
	if c.ExpiresAt != p.ExpiresAt || c.DeadlineAt != p.DeadlineAt || c.DeadlineAt.IsZero() {
		fx.Errorf("the child ends at %v and %v, the parent at %v and %v", c.ExpiresAt, c.DeadlineAt, p.ExpiresAt, p.DeadlineAt)
	}
	want, got := p.Spec, c.Spec
	want.ID, want.Shards, want.Unique, want.Reply = "p/0", 0, "", false
	if d := cmp.Diff(want, got); d != "" {
		fx.Errorf("the child (-want +got):\n%s", d)
	}
	if got := fx.claim("q", 1); len(got) != 1 || got[0].Headers["a"] != "b c" {
		fx.Errorf("claimed %+v", got)
	}
}

func shardsHaveParameters(fx *fixture) {
	params := []string{"a", "", "b c", "\u2028\n\"<x>\"", strings.Repeat("é", 512)}
	fx.parent(task.Spec{ID: "p", Kind: "k", ShardParams: params})
	p := fx.get("p")
	if d := cmp.Diff(params, p.ShardParams); d != "" || p.ShardCount() != len(params) {
		fx.Errorf("parameters of the parent (-want +got):\n%s", d)
	}
	for i, c := range fx.children(len(params)) {
		if c.Shard != (task.Shard{Parent: "p", Index: i, Total: len(params), Param: params[i]}) {
			fx.Errorf("shard %d is %+v", i, c.Shard)
		}
		if read := fx.get(c.ID); read.Shard != c.Shard {
			fx.Errorf("shard %d is read as %+v", i, read.Shard)
		}
	}
}

func parentTakesNoPlace(fx *fixture) {
	for _, scope := range []task.Scope{task.QueueScope, task.GroupScope, task.PoolScope} {
		fx.limit(scope, map[task.Scope]string{task.QueueScope: task.DefaultQueue, task.GroupScope: "g"}[scope], 1)
	}
	fx.parent(task.Spec{ID: "p", Kind: "k", Group: "g", Shards: 3})
	for range 3 {
		fx.accept(succeed(fx.children(1)[0]))
		fx.maintain()
	}
	if t := fx.find("p"); t != nil {
		fx.Errorf("the parent is %s", t.State)
	}
}

func parentRunsWhenDue(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "delayed", Kind: "k", Shards: 1, Delay: time.Millisecond}, task.Spec{ID: "held", Kind: "k", Shards: 1, Hold: true},
		task.Spec{ID: "late", Kind: "k", Shards: 1, Hold: true, TTL: time.Millisecond}, task.Spec{ID: "now", Kind: "k", Shards: 1, Delay: time.Hour})
	for _, id := range []string{"delayed", "held", "late", "now"} {
		fx.wantState(id, task.Scheduled)
	}
	fx.waitPast(2 * time.Millisecond)
	fx.maintain()
	fx.spread()
	fx.wantState("delayed", task.Running)
	fx.wantState("delayed/0", task.Waiting)
	fx.wantEnd("late", task.Expired, task.CodeExpired)
	fx.wantState("held", task.Scheduled)
	if c := fx.runNow("now"); !c.Done || c.State != task.Running {
		fx.Errorf("run now: %+v", c)
	}
	fx.runNow("held")
	fx.spread()
	fx.wantState("held/0", task.Waiting)
	fx.wantState("now/0", task.Waiting)
	fx.checkTotals()
	fx.checkInspection()
}

func parentIsMadeOnce(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Unique: "u", Shards: 2})
	if r := fx.enqueueAll(task.Spec{ID: "p", Kind: "k", Shards: 3})[0]; !r.Duplicate || r.State != task.Running {
		fx.Errorf("receipt %+v", r)
	}
	if r := fx.enqueueAll(task.Spec{ID: "other", Kind: "k", Unique: "u"})[0]; !r.Duplicate || r.ID != "p" {
		fx.Errorf("receipt %+v", r)
	}
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 2})
}

func childrenInBoundedSteps(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "p", Kind: "k", Shards: 1200}, task.Spec{ID: "q", Kind: "k", Shards: 1}, task.Spec{ID: "large", Kind: "k", Shards: 8, Payload: make([]byte, 1<<20)})
	for calls := 0; ; calls++ {
		next, err := fx.Store.Spread(fx.ctx)
		fx.noError(err)
		if next == 0 {
			if calls < 5 {
				fx.Errorf("%d calls", calls)
			}
			break
		}
		if calls == 2 {
			fx.wantCounts("q", task.ShardCounts{Pending: 1}) // it does not wait for all of the others
		}
	}
	fx.wantCounts("p", task.ShardCounts{Pending: 1200})
	fx.wantCounts("large", task.ShardCounts{Pending: 8})
	if n := len(fx.list(task.Filter{Parent: "p"})); n != 1200 {
		fx.Errorf("%d children", n)
	}
}

func queueCapHoldsForChildren(fx *fixture) {
	n := 2
	fx.configure(task.Setting{Scope: task.QueueScope, Name: task.DefaultQueue, MaxLen: &n})
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3})
	fx.wantCounts("p", task.ShardCounts{Pending: 2, Unmade: 1})
	if r := fx.enqueueAll(task.Spec{ID: "q", Kind: "k", Shards: 1})[0]; r.Err == nil {
		fx.Errorf("receipt %+v", r)
	}
	for _, c := range fx.children(2) {
		fx.accept(succeed(c))
	}
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	fx.accept(succeed(fx.children(1)[0]))
	if fx.find("p") != nil {
		fx.Error("the parent has not ended")
	}
}

func resultsAreCollected(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 4})
	for i, c := range fx.children(4) {
		r := succeed(c)
		r.Result = [][]byte{[]byte(`{"n":1}`), nil, []byte("plain \"text\""), []byte("\xff")}[i]
		fx.accept(r)
	}
	p := fx.wantEnd("p", task.Succeeded, task.CodeOK)
	if want := `[{"n":1},null,"plain \"text\"",null]`; string(p.Result) != want {
		fx.Errorf("result %s, want %s", p.Result, want)
	}
	fx.wantCounts("p", task.ShardCounts{Succeeded: 4, Omitted: 1})
}

func resultsStayWithinTheLimit(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3})
	for _, c := range fx.children(3) {
		r := succeed(c)
		r.Result = []byte(`"` + strings.Repeat("x", 400_000) + `"`)
		fx.accept(r)
	}
	p := fx.wantEnd("p", task.Succeeded, task.CodeOK)
	if len(p.Result) < 800_000 || len(p.Result) > task.MaxResult || !strings.HasSuffix(string(p.Result), ",null]") {
		fx.Errorf("the result has %d bytes", len(p.Result))
	}
	fx.wantCounts("p", task.ShardCounts{Succeeded: 3, Omitted: 1})
}

func childrenAreListed(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3})
	fx.enqueue(task.Spec{ID: "p/4"})
	fx.accept(fail(fx.children(1)[0], task.CodePermanent))
	fx.children(1)
	for _, want := range []struct {
		f     task.Filter
		tasks string
	}{
		{task.Filter{Parent: "p"}, "p/0 p/1 p/2"},
		{task.Filter{Parent: "p", States: []task.State{task.Failed}}, "p/0"},
		{task.Filter{States: []task.State{task.Running}}, "p p/1"},
		{task.Filter{States: []task.State{task.Running}, Queues: []string{task.DefaultQueue}}, "p p/1"},
		{task.Filter{Parent: "none"}, ""},
	} {
		if got := strings.Join(fx.list(want.f), " "); got != want.tasks {
			fx.Errorf("%+v lists %q, want %q", want.f, got, want.tasks)
		}
	}
	if s := fx.stats(); s.Running != 2 || s.Parents != 1 {
		fx.Errorf("%d running, %d parents", s.Running, s.Parents)
	}
}

func entryWithShards(fx *fixture) {
	fx.Push(fx, `{"kind":"k","id":"p","shards":2,"fail_fast":true}`, `{"kind":"k","id":"q","shards":["a","b c"],"payload":[1]}`,
		`{"kind":"k","id":"bad","shards":0}`)
	fx.admit()
	fx.spread()
	if p := fx.wantState("p", task.Running); !p.FailFast || p.Shards != 2 {
		fx.Errorf("parent %+v", p)
	}
	if c := fx.get("q/1"); c.Shard.Param != "b c" || string(c.Payload) != "[1]" {
		fx.Errorf("child %+v", c)
	}
	if reasons := fx.Rejects(fx); len(reasons) != 1 || !strings.Contains(reasons[0], "shards must be a whole number from 1 to 10000") {
		fx.Errorf("rejects %q", reasons)
	}
}

func parentRepliesOnce(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Reply: true, Shards: 2})
	for _, c := range fx.children(2) {
		fx.wantNoReply("p")
		fx.accept(succeed(c))
	}
	fx.wantReply("p", "succeeded", "")
	fx.wantNoReply("p/0")
}

func triggerMakesAParent(fx *fixture) {
	def := trigger.Definition{Name: "t", Every: time.Hour, Task: task.Spec{Kind: "k", ShardParams: []string{"a", "b"}, Then: &task.Spec{Kind: "next"}}}
	fx.setTrigger(def, fx.past())
	fx.wantFired("enqueued")
	fx.spread()
	children := fx.children(2)
	if children[1].Shard.Param != "b" {
		fx.Errorf("child %+v", children[1])
	}
	for _, c := range children {
		fx.accept(succeed(c))
	}
	if got := fx.claim(task.DefaultQueue, 9); len(got) != 1 || got[0].Kind != "next" {
		fx.Errorf("claimed %v", ids(got))
	}
}
