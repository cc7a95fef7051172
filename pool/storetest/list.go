package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var listRules = []rule{
	{"ListReadsEveryTaskOnce", listReadsEveryTaskOnce},
	{"ListTakesFilters", listTakesFilters},
	{"ListEndsWithItsReader", listEnds},
	{"BriefListLeavesOutLargeFields", listIsBrief},
	{"GetAnswersInOrder", getAnswersInOrder},
}

func (b *bundle) list(f task.Filter) []string {
	b.Helper()
	out := []string{}
	for t, err := range b.Store.Tasks(b.ctx, f) {
		b.ok(err)
		out = append(out, t.ID)
	}
	return out
}

func listReadsEveryTaskOnce(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	const n = 450 // several pages, many of the same score
	var want []string
	add := func(id string, s task.Spec) {
		s.ID = id
		want = append(want, id)
		b.enqueueAll(s)
	}
	specs := make([]task.Spec, n)
	at := b.Now(b).Add(time.Hour)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("s", i), RunAt: at}
		want = append(want, specs[i].ID)
	}
	b.enqueueAll(specs...)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("g", i), Group: "g"}
		want = append(want, specs[i].ID)
	}
	b.enqueueAll(specs...)
	add("w0", task.Spec{})
	add("w1", task.Spec{Queue: "q"})
	ended := make([]string, n)
	for i := range specs {
		ended[i] = fmt.Sprint("e", i)
		specs[i] = task.Spec{ID: ended[i], Retain: ptr([]time.Duration{time.Hour, task.Forever}[i%2])}
		want = append(want, ended[i])
	}
	b.enqueueAll(specs...)
	b.stopAll(ended...)
	got := b.list(task.Filter{})
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		b.Error("tasks (-want +got):\n", d)
	}
}

func listTakesFilters(b *bundle) {
	b.enqueueAll(task.Spec{ID: "a", Kind: "x", Queue: "q", Group: "g"}, task.Spec{ID: "b", Kind: "y", Queue: "q"},
		task.Spec{ID: "c", Kind: "x", Queue: "p", Delay: time.Hour}, task.Spec{ID: "d", Kind: "x", Queue: "q", Group: "g"}, task.Spec{ID: "e", Kind: "x", Queue: "p"})
	b.wantIDs(b.claim("q", 1), "a")
	b.stop("e")
	for _, c := range []struct {
		f    task.Filter
		want []string
	}{
		{task.Filter{}, []string{"c", "b", "d", "a", "e"}},
		{task.Filter{Kinds: []string{"x"}}, []string{"c", "d", "a", "e"}},
		{task.Filter{Queues: []string{"p"}}, []string{"c", "e"}},
		{task.Filter{Groups: []string{"g"}}, []string{"d", "a"}},
		{task.Filter{States: []task.State{task.Running, task.Stopped}}, []string{"a", "e"}},
		{task.Filter{IDs: []string{"e", "none", "b"}}, []string{"e", "b"}},
		{task.Filter{IDs: []string{"a", "b"}, Kinds: []string{"y"}}, []string{"b"}},
		{task.Filter{Kinds: []string{"x"}, Queues: []string{"q"}, States: []task.State{task.Waiting}}, []string{"d"}},
		{task.Filter{Queues: []string{"none"}}, []string{}},
	} {
		if d := cmp.Diff(c.want, b.list(c.f)); d != "" {
			b.Errorf("%+v (-want +got):\n%s", c.f, d)
		}
	}
}

func listEnds(b *bundle) {
	b.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	for _, f := range []task.Filter{{}, {IDs: []string{"a", "b"}}} {
		n := 0
		for _, err := range b.Store.Tasks(b.ctx, f) {
			b.ok(err)
			n++
			break
		}
		if n != 1 {
			b.Errorf("%d tasks", n)
		}
	}
}

func listIsBrief(b *bundle) {
	full := task.Spec{ID: "x", Kind: "k", Queue: "q", Priority: -3, Group: "g", Unique: "u", Timeout: time.Minute, TTL: time.Hour,
		Deadline: 2 * time.Hour, MaxAttempts: 2, Backoff: task.Backoff{Base: time.Second, Max: time.Minute}, Retain: ptr(time.Hour),
		Payload: []byte("payload"), Headers: map[string]string{"h": "v"}}
	t := b.start(full)
	b.updates(t, "half", false)
	b.accept(fail(t, task.CodePermanent))
	b.enqueue(task.Spec{ID: "y"})
	brief := map[string]*task.Task{}
	for t, err := range b.Store.Tasks(b.ctx, task.Filter{Brief: true}) {
		b.ok(err)
		brief[t.ID] = t
	}
	want := b.get("x")
	if len(want.Payload) == 0 || len(want.Headers) == 0 || len(want.Progress) == 0 || want.Error == "" {
		b.Fatalf("the task is %+v", want)
	}
	want.Payload, want.Headers, want.Result = nil, nil, nil
	if d := cmp.Diff(want, brief["x"], cmp.AllowUnexported(task.Task{})); d != "" || len(brief) != 2 {
		b.Errorf("%d tasks (-want +got):\n%s", len(brief), d)
	}
}

func getAnswersInOrder(b *bundle) {
	b.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	ts, err := b.Store.Get(b.ctx, "b", "none", "a", "b")
	b.ok(err)
	if len(ts) != 4 || ts[0].ID != "b" || ts[1] != nil || ts[2].ID != "a" || ts[3].ID != "b" {
		b.Errorf("tasks %v", ts)
	}
	if ts, err := b.Store.Get(b.ctx); err != nil || len(ts) != 0 {
		b.Errorf("of none: %v, %v", ts, err)
	}
}
