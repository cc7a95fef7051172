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
	{"ListOfAGroupReadsNoOtherTaskThatIsBlockedOrRuns", listReadsGroup},
	{"ListFindsTheHolderOfAUniqueKeyWithoutASearch", listReadsUnique},
	{"ListEndsWithItsReader", listEnds},
	{"BriefListLeavesOutLargeFields", listIsBrief},
	{"GetAnswersInOrder", getAnswersInOrder},
}

func (fx *fixture) list(f task.Filter) []string {
	fx.Helper()
	out := []string{}
	for t, err := range fx.Store.Tasks(fx.ctx, f) {
		fx.noError(err)
		out = append(out, t.ID)
	}
	return out
}

func listReadsEveryTaskOnce(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	const n = 450 // several pages, many of the same score
	var want []string
	add := func(id string, s task.Spec) {
		s.ID = id
		want = append(want, id)
		fx.enqueueAll(s)
	}
	specs := make([]task.Spec, n)
	at := fx.Now(fx).Add(time.Hour)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("s", i), RunAt: at}
		want = append(want, specs[i].ID)
	}
	fx.enqueueAll(specs...)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("g", i), Group: "g"}
		want = append(want, specs[i].ID)
	}
	fx.enqueueAll(specs...)
	add("w0", task.Spec{})
	add("w1", task.Spec{Queue: "q"})
	ended := make([]string, n)
	for i := range specs {
		ended[i] = fmt.Sprint("e", i)
		specs[i] = task.Spec{ID: ended[i], Retain: ptr([]time.Duration{time.Hour, task.Forever}[i%2])}
		want = append(want, ended[i])
	}
	fx.enqueueAll(specs...)
	fx.stopAll(ended...)
	got := fx.list(task.Filter{})
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		fx.Error("tasks (-want +got):\n", d)
	}
}

func listTakesFilters(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a", Kind: "x", Queue: "q", Group: "g"}, task.Spec{ID: "b", Kind: "y", Queue: "q"},
		task.Spec{ID: "c", Kind: "x", Queue: "p", Delay: time.Hour}, task.Spec{ID: "d", Kind: "x", Queue: "q", Group: "g"}, task.Spec{ID: "e", Kind: "x", Queue: "p"})
	fx.wantIDs(fx.claim("q", 1), "a")
	fx.stop("e")
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
		if d := cmp.Diff(c.want, fx.list(c.f)); d != "" {
			fx.Errorf("%+v (-want +got):\n%s", c.f, d)
		}
	}
}

func listReadsUnique(fx *fixture) {
	const url = "https://x.y/?customer=7"
	fx.enqueueAll(task.Spec{ID: "ended", Unique: url, Retain: ptr(time.Hour)}, task.Spec{ID: "other"}, task.Spec{ID: "named", Unique: "u"})
	fx.stop("ended")
	fx.enqueue(task.Spec{ID: "live", Unique: url})
	live := []task.State{task.Scheduled, task.Waiting, task.Running}
	for _, c := range []struct {
		f    task.Filter
		want []string
		read int
	}{
		{task.Filter{Unique: []string{url}}, []string{"live", "ended"}, 2},
		{task.Filter{Unique: []string{task.UniqueKey(url)}, States: live}, []string{"live"}, 1},
		{task.Filter{Unique: []string{url, "u"}, States: live}, []string{"live", "named"}, 2},
		{task.Filter{Unique: []string{url}, States: live[:1]}, []string{}, 1},
		{task.Filter{Unique: []string{url}, Queues: []string{"none"}}, []string{}, 2},
		{task.Filter{Unique: []string{url}, IDs: []string{"ended", "named"}}, []string{"ended"}, 2},
		{task.Filter{Unique: []string{"none"}, States: live}, []string{}, 0},
	} {
		read := 0
		c.f.Progress = func(n int) { read = n }
		if d := cmp.Diff(c.want, fx.list(c.f)); d != "" || read != c.read {
			c.f.Progress = nil
			fx.Errorf("%+v: read %d tasks, want %d (-want +got):\n%s", c.f, read, c.read, d)
		}
	}
}

func listReadsGroup(fx *fixture) {
	var want []string
	for _, g := range []string{"g", "gg", "h"} {
		fx.limit(task.GroupScope, g, 1)
		specs := make([]task.Spec, 300)
		for i := range specs {
			specs[i] = task.Spec{ID: fmt.Sprint(g, "-", i), Group: g, Queue: []string{"p", "q"}[i%2]}
			if g == "g" {
				want = append(want, specs[i].ID)
			}
		}
		fx.enqueueAll(specs...)
	}
	fx.claim("p", 3)
	read := 0
	got := fx.list(task.Filter{Groups: []string{"g"}, Progress: func(n int) { read = n }})
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		fx.Error("tasks (-want +got):\n", d)
	}
	// The first task of each group in each queue is in the queue's own index.
	if most := len(want) + 6; read < len(want) || read > most {
		fx.Errorf("%d tasks were read, want at most %d", read, most)
	}
	fx.list(task.Filter{States: []task.State{task.Waiting}, Queues: []string{"p"}, Progress: func(n int) { read = n }})
	if read < 447 || read > 450 {
		fx.Errorf("%d waiting tasks were read of a queue that has 447", read)
	}
}

func listEnds(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	for _, f := range []task.Filter{{}, {IDs: []string{"a", "b"}}} {
		n := 0
		for _, err := range fx.Store.Tasks(fx.ctx, f) {
			fx.noError(err)
			n++
			break
		}
		if n != 1 {
			fx.Errorf("%d tasks", n)
		}
	}
}

func listIsBrief(fx *fixture) {
	full := task.Spec{ID: "x", Kind: "k", Queue: "q", Priority: -3, Group: "g", Unique: "u", Timeout: time.Minute, TTL: time.Hour,
		Deadline: 2 * time.Hour, MaxAttempts: 2, Backoff: task.Backoff{Base: time.Second, Max: time.Minute}, Retain: ptr(time.Hour),
		Payload: []byte("payload"), Headers: map[string]string{"h": "v"}}
	t := fx.start(full)
	fx.sendUpdate(t, "half", false)
	fx.accept(fail(t, task.CodePermanent))
	fx.enqueue(task.Spec{ID: "y"})
	brief := map[string]*task.Task{}
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{Brief: true}) {
		fx.noError(err)
		brief[t.ID] = t
	}
	want := fx.get("x")
	if len(want.Payload) == 0 || len(want.Headers) == 0 || len(want.Progress) == 0 || want.Error == "" {
		fx.Fatalf("the task is %+v", want)
	}
	want.Payload, want.Headers, want.Result = nil, nil, nil
	if d := cmp.Diff(want, brief["x"], cmp.AllowUnexported(task.Task{})); d != "" || len(brief) != 2 {
		fx.Errorf("%d tasks (-want +got):\n%s", len(brief), d)
	}
}

func getAnswersInOrder(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	ts, err := fx.Store.Get(fx.ctx, "b", "none", "a", "b")
	fx.noError(err)
	if len(ts) != 4 || ts[0].ID != "b" || ts[1] != nil || ts[2].ID != "a" || ts[3].ID != "b" {
		fx.Errorf("tasks %v", ts)
	}
	if ts, err := fx.Store.Get(fx.ctx); err != nil || len(ts) != 0 {
		fx.Errorf("of none: %v, %v", ts, err)
	}
}
