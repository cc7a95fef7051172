package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/worker"
)

var listRules = []rule{
	{"ListReadsEveryTaskOnce", listReadsEveryTaskOnce},
	{"ListTakesFilters", listTakesFilters},
	{"ListEndsWithItsReader", listEnds},
	{"BriefListLeavesOutLargeFields", listIsBrief},
	{"GetAnswersInOrder", getAnswersInOrder},
}

func (b *bundle) list(f worker.Filter) []string {
	b.Helper()
	out := []string{}
	for t, err := range b.Store.Tasks(b.ctx, f) {
		b.ok(err)
		out = append(out, t.ID)
	}
	return out
}

func listReadsEveryTaskOnce(b *bundle) {
	b.limit(worker.GroupScope, "g", 1)
	const n = 450 // several pages, many of the same score
	var want []string
	add := func(id string, s worker.Spec) {
		s.ID = id
		want = append(want, id)
		b.enqueueAll(s)
	}
	specs := make([]worker.Spec, n)
	at := b.Now(b).Add(time.Hour)
	for i := range specs {
		specs[i] = worker.Spec{ID: fmt.Sprint("s", i), RunAt: at}
		want = append(want, specs[i].ID)
	}
	b.enqueueAll(specs...)
	for i := range specs {
		specs[i] = worker.Spec{ID: fmt.Sprint("g", i), Group: "g"}
		want = append(want, specs[i].ID)
	}
	b.enqueueAll(specs...)
	add("w0", worker.Spec{})
	add("w1", worker.Spec{Queue: "q"})
	ended := make([]string, n)
	for i := range specs {
		ended[i] = fmt.Sprint("e", i)
		specs[i] = worker.Spec{ID: ended[i], Retain: ptr([]time.Duration{time.Hour, worker.Forever}[i%2])}
		want = append(want, ended[i])
	}
	b.enqueueAll(specs...)
	b.stopAll(ended...)
	got := b.list(worker.Filter{})
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		b.Error("tasks (-want +got):\n", d)
	}
}

func listTakesFilters(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a", Kind: "x", Queue: "q", Group: "g"}, worker.Spec{ID: "b", Kind: "y", Queue: "q"},
		worker.Spec{ID: "c", Kind: "x", Queue: "p", Delay: time.Hour}, worker.Spec{ID: "d", Kind: "x", Queue: "q", Group: "g"}, worker.Spec{ID: "e", Kind: "x", Queue: "p"})
	b.wantIDs(b.claim("q", 1), "a")
	b.stop("e")
	for _, c := range []struct {
		f    worker.Filter
		want []string
	}{
		{worker.Filter{}, []string{"c", "b", "d", "a", "e"}},
		{worker.Filter{Kinds: []string{"x"}}, []string{"c", "d", "a", "e"}},
		{worker.Filter{Queues: []string{"p"}}, []string{"c", "e"}},
		{worker.Filter{Groups: []string{"g"}}, []string{"d", "a"}},
		{worker.Filter{States: []worker.State{worker.Running, worker.Stopped}}, []string{"a", "e"}},
		{worker.Filter{IDs: []string{"e", "none", "b"}}, []string{"e", "b"}},
		{worker.Filter{IDs: []string{"a", "b"}, Kinds: []string{"y"}}, []string{"b"}},
		{worker.Filter{Kinds: []string{"x"}, Queues: []string{"q"}, States: []worker.State{worker.Waiting}}, []string{"d"}},
		{worker.Filter{Queues: []string{"none"}}, []string{}},
	} {
		if d := cmp.Diff(c.want, b.list(c.f)); d != "" {
			b.Errorf("%+v (-want +got):\n%s", c.f, d)
		}
	}
}

func listEnds(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a"}, worker.Spec{ID: "b"}, worker.Spec{ID: "c"})
	for _, f := range []worker.Filter{{}, {IDs: []string{"a", "b"}}} {
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
	full := worker.Spec{ID: "x", Kind: "k", Queue: "q", Priority: -3, Group: "g", Unique: "u", Timeout: time.Minute, TTL: time.Hour,
		Deadline: 2 * time.Hour, MaxAttempts: 2, Backoff: worker.Backoff{Base: time.Second, Max: time.Minute}, Retain: ptr(time.Hour),
		Payload: []byte("payload"), Headers: map[string]string{"h": "v"}}
	t := b.start(full)
	b.news(t, "half", false)
	b.accept(fail(t, worker.CodePermanent))
	b.enqueue(worker.Spec{ID: "y"})
	brief := map[string]*worker.Task{}
	for t, err := range b.Store.Tasks(b.ctx, worker.Filter{Brief: true}) {
		b.ok(err)
		brief[t.ID] = t
	}
	want := b.get("x")
	if len(want.Payload) == 0 || len(want.Headers) == 0 || len(want.Progress) == 0 || want.Error == "" {
		b.Fatalf("the task is %+v", want)
	}
	want.Payload, want.Headers, want.Result = nil, nil, nil
	if d := cmp.Diff(want, brief["x"], cmp.AllowUnexported(worker.Task{})); d != "" || len(brief) != 2 {
		b.Errorf("%d tasks (-want +got):\n%s", len(brief), d)
	}
}

func getAnswersInOrder(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a"}, worker.Spec{ID: "b"})
	ts, err := b.Store.Get(b.ctx, "b", "none", "a", "b")
	b.ok(err)
	if len(ts) != 4 || ts[0].ID != "b" || ts[1] != nil || ts[2].ID != "a" || ts[3].ID != "b" {
		b.Errorf("tasks %v", ts)
	}
	if ts, err := b.Store.Get(b.ctx); err != nil || len(ts) != 0 {
		b.Errorf("of none: %v, %v", ts, err)
	}
}
