package storetest

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

var metaRules = []rule{
	{"MetaIsInTheLastEvent", metaIsInTheLastEvent},
	{"MetaOfAnAttemptThatDoesNotEndTheTaskIsDropped", metaOfEarlierAttempts},
	{"ReportsWithAndWithoutMetaShareACall", reportsWithAndWithoutMeta},
	{"MetaIsNoPartOfTheTask", metaIsNoPartOfTheTask},
}

func withMeta(r task.Report, m task.Meta) task.Report {
	r.Meta = m
	return r
}

// wantMeta checks the meta of the task's last event, and that no event before it has any since the
// version from.
func (fx *fixture) wantMeta(id string, from int64, want map[string]string) {
	fx.Helper()
	es := fx.eventsOf(id)
	for i, e := range es {
		expected := map[string]string{}
		if i == len(es)-1 {
			expected = want
		}
		if e.Version < from {
			continue
		}
		if d := cmp.Diff(expected, e.Meta, cmpopts.EquateEmpty()); d != "" || e.Broken != nil {
			fx.Errorf("meta of %s in the event %s, version %d (-want +got):\n%s%v", id, e.State, e.Version, d, e.Broken)
		}
	}
}

func metaIsInTheLastEvent(fx *fixture) {
	const odd = "é \"\\/\n\x00\U0001F600"
	headers := map[string]string{"trace": "a b", "own": "header", odd: odd}
	meta := task.Meta{"own": "meta", "pages": "12", "1": "", "key " + odd: odd}
	both := maps.Clone(headers)
	maps.Copy(both, meta)
	result := func(t *task.Task) task.Report { r := succeed(t); r.Result = []byte(`{"a":1}`); return r }
	for name, c := range map[string]struct {
		spec   task.Spec
		stop   bool
		report func(t *task.Task) task.Report
		want   task.State
	}{
		"ok":       {report: succeed, want: task.Succeeded},
		"kept":     {spec: task.Spec{Retain: ptr(time.Hour), Reply: true}, report: succeed, want: task.Succeeded},
		"result":   {report: result, want: task.Succeeded},
		"log":      {report: func(t *task.Task) task.Report { return withLog(result(t), "log\n", 4) }, want: task.Succeeded},
		"fail":     {report: func(t *task.Task) task.Report { return fail(t, task.CodePermanent) }, want: task.Failed},
		"used up":  {spec: task.Spec{MaxAttempts: 1}, report: func(t *task.Task) task.Report { return failIn(t, 0) }, want: task.Failed},
		"stop":     {stop: true, report: func(t *task.Task) task.Report { return fail(t, task.CodeStopped) }, want: task.Stopped},
		"release":  {stop: true, report: func(t *task.Task) task.Report { return release(t, 0) }, want: task.Stopped},
		"deadline": {spec: task.Spec{Deadline: time.Hour}, report: func(t *task.Task) task.Report { return release(t, 2*time.Hour) }, want: task.Failed},
	} {
		for _, h := range []map[string]string{nil, headers} {
			id := strings.ReplaceAll(name, " ", "-") + fmt.Sprint(len(h))
			c.spec.ID, c.spec.Headers = id, h
			t := fx.start(c.spec)
			if c.stop {
				fx.stop(id)
			}
			fx.accept(withMeta(c.report(t), meta))
			want := map[string]string(meta)
			if h != nil {
				want = both
			}
			fx.wantMeta(id, 1, want)
			es := fx.eventsOf(id)
			if last := es[len(es)-1]; last.State != c.want || string(last.Result) != string(c.report(t).Result) {
				fx.Errorf("%s: the last event is %+v", id, last)
			}
		}
	}
	fx.wantNoTrace("ok0")
	fx.wantNoTrace("ok3")
}

func metaOfEarlierAttempts(fx *fixture) {
	meta := task.Meta{"a": "1"}
	for i, end := range []func(t *task.Task){
		func(t *task.Task) { fx.accept(withMeta(failIn(t, 0), meta)) },
		func(t *task.Task) { fx.accept(withMeta(release(t, 0), meta)) },
		func(t *task.Task) {
			fx.loseLeases(t)
			fx.verdict(withMeta(succeed(t), meta), task.LeaseLost)
			fx.verdict(withMeta(fail(t, task.CodePermanent), meta), task.LeaseLost)
		},
	} {
		id := fmt.Sprint("x", i)
		t := fx.start(task.Spec{ID: id, Headers: map[string]string{"h": "v"}, Retain: ptr(time.Hour)})
		end(t)
		fx.wantMeta(id, 1, nil)
		fx.accept(succeed(fx.claim(task.DefaultQueue, 1)[0]))
		fx.wantMeta(id, 1, map[string]string{"h": "v"})
		ended := fx.get(id)
		fx.retry(id)
		fx.accept(withMeta(succeed(fx.claim(task.DefaultQueue, 1)[0]), task.Meta{"b": "2"}))
		fx.wantMeta(id, ended.Version+1, map[string]string{"h": "v", "b": "2"})
	}
}

func reportsWithAndWithoutMeta(fx *fixture) {
	ts := fx.startAll(8, task.Spec{ID: "t", Retain: ptr(time.Hour), MaxAttempts: 9})
	stale := *ts[0]
	stale.Fence--
	meta := task.Meta{"a": "1"}
	reports := []task.Report{withMeta(succeed(ts[0]), meta), succeed(ts[1]), withMeta(succeed(&stale), meta), withMeta(fail(ts[2], task.CodePermanent), meta),
		fail(ts[3], task.CodePermanent), withMeta(release(ts[4], 0), meta), release(ts[5], 0), withMeta(withLog(succeed(ts[6]), "log\n", 4), meta),
		withMeta(succeed(ts[7]), meta), withMeta(succeed(ts[7]), meta)}
	want := []task.Verdict{task.Accepted, task.Accepted, task.LeaseLost, task.Accepted, task.Accepted, task.Accepted, task.Accepted, task.Accepted,
		task.Accepted, task.LeaseLost}
	x := fx.complete(task.Exchange{Reports: reports})
	first := fx.send(x)
	if d := cmp.Diff(want, first.Verdicts); d != "" {
		fx.Errorf("verdicts (-want +got):\n%s", d)
	}
	events := len(fx.events())
	fx.repeat(x, first)
	if n := len(fx.events()); n != events {
		fx.Errorf("the repeated call made %d events", n-events)
	}
	for i, has := range []bool{true, false, true, false, false, false, true, true} {
		want := map[string]string(meta)
		if !has {
			want = nil
		}
		fx.wantMeta(ts[i].ID, 1, want)
	}
}

func metaIsNoPartOfTheTask(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Headers: map[string]string{"h": "v"}, Retain: ptr(time.Hour)})
	fx.accept(withMeta(succeed(t), task.Meta{"h": "meta", "a": "1"}))
	if d := cmp.Diff(map[string]string{"h": "v"}, fx.get("x").Headers); d != "" {
		fx.Errorf("headers (-want +got):\n%s", d)
	}
	fx.retry("x")
	t = fx.claim(task.DefaultQueue, 1)[0]
	if d := cmp.Diff(map[string]string{"h": "v"}, t.Headers); d != "" {
		fx.Errorf("headers of the next generation (-want +got):\n%s", d)
	}
	fx.accept(succeed(t))
}
