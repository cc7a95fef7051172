package redisstore_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// 10,000 shards are made in bounded calls, and have one fan-in. The times of the calls are
// logged: they depend on the machine.
func TestTenThousandShardsHaveOneFanIn(t *testing.T) {
	w := &wreck{site: newSite(t, redisserver.Shared(t).Client(t)), t: t}
	w.joinAgain()
	w.enqueue(task.Spec{ID: "p", Shards: task.MaxShards, Retain: new(time.Hour)})
	var calls int
	var longest, total time.Duration
	measure := func(call func()) {
		start := time.Now()
		call()
		took := time.Since(start)
		calls, total, longest = calls+1, total+took, max(longest, took)
	}
	for next := time.Millisecond; next > 0; {
		measure(func() {
			var err error
			next, err = w.store.Spread(t.Context())
			w.must(err)
		})
	}
	t.Logf("made in %d calls, %v in all, the longest %v", calls, total, longest)
	if want := task.MaxShards/500 + 1; calls > want {
		t.Errorf("%d calls, want at most %d", calls, want)
	}
	calls, longest, total = 0, 0, 0
	for ended := 0; ended < task.MaxShards; {
		var reports []task.Report
		for _, c := range w.claim(200) {
			r := reportOn(c, task.Succeed)
			r.Result = []byte("1")
			reports = append(reports, r)
		}
		if len(reports) == 0 {
			t.Fatalf("no more children after %d", ended)
		}
		measure(func() { w.exchange(nil, reports...) })
		ended += len(reports)
	}
	t.Logf("ended in %d calls of 200, %v in all, the longest %v", calls, total, longest)
	got, err := w.store.Get(t.Context(), "p")
	w.must(err)
	if p := got[0]; p.State != task.Succeeded || p.Counts.Succeeded != task.MaxShards || len(p.Result) != 2*task.MaxShards+1 {
		t.Errorf("the parent is %s with %+v and a result of %d bytes", p.State, p.Counts, len(p.Result))
	}
	ends := 0
	for cursor := "0"; ; {
		events, err := w.store.ReadEvents(t.Context(), cursor, 1000, 0)
		w.must(err)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if cursor = e.Cursor; e.ID == "p" && e.State.Terminal() {
				ends++
			}
		}
	}
	if ends != 1 {
		t.Errorf("the parent ended %d times", ends)
	}
}

// Children that were retried by themselves have the large payload that their parent no longer
// has. A step does not read them to find that out.
func TestSpreadReadsNoPayloadOfAnotherLength(t *testing.T) {
	const n = 20
	rdb := redisserver.Start(t).Client(t)
	w := &wreck{site: newSite(t, rdb), t: t}
	w.joinAgain()
	spec := task.Spec{ID: "p", Shards: n, Payload: []byte(strings.Repeat("x", 100_000)), Retain: new(time.Hour)}
	for i := range task.MaxHeaders { // the header of a record is longer than its first read
		if spec.Headers == nil {
			spec.Headers = map[string]string{}
		}
		spec.Headers[fmt.Sprint("header-", i)] = "a value with some words"
	}
	w.enqueue(spec)
	w.spread()
	all := func() []*task.Task { // a claim takes few tasks with large payloads
		var got []*task.Task
		for len(got) < n {
			some := w.claim(n)
			if len(some) == 0 {
				t.Fatalf("claimed %d of %d children", len(got), n)
			}
			got = append(got, some...)
		}
		return got
	}
	for _, c := range all() {
		r := reportOn(c, task.Fail)
		r.Code = task.CodePermanent
		w.exchange(nil, r)
	}
	for i := range n {
		_, err := w.store.Retry(t.Context(), task.Edit{}, fmt.Sprint("p/", i))
		w.must(err)
	}
	_, err := w.store.Retry(t.Context(), task.Edit{Payload: []byte("1")}, "p")
	w.must(err)
	calls := commands(t, rdb, w.spread)
	if reads, err := strconv.Atoi(calls["get"]); err != nil || reads >= n {
		t.Errorf("%s reads of whole records for %d children, %v", calls["get"], n, err)
	}
	for _, c := range all() {
		if string(c.Payload) != "1" {
			t.Errorf("%s has a payload of %d bytes", c.ID, len(c.Payload))
		}
	}
}

func TestBroadcastSaysWhichBoundItExceeds(t *testing.T) {
	w := &wreck{site: newSite(t, redisserver.Shared(t).Client(t)), t: t}
	w.joinAgain()
	class := w.rdb.HGet(t.Context(), w.prefix+"replica:r", "class").Val()
	var gone []any
	for i := range 2000 {
		gone = append(gone, fmt.Sprint("r:gone-", i), 1)
	}
	w.must(w.rdb.HSet(t.Context(), w.prefix+"class:"+class, gone...).Err())
	w.enqueue(task.Spec{ID: "b", Broadcast: true, Retain: new(time.Hour)})
	if b := w.task("b"); b.Code != task.CodeChildren || !strings.HasPrefix(b.Error, "more than 2000 replicas that serve its queue are listed, live or not") {
		t.Errorf("the broadcast is %s: %s", b.State, b.Error)
	}
}

// One call may retry many parents, so it copies no results. The first step for the children does.
func TestRetryOfAParentCopiesNoResults(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.enqueue(task.Spec{ID: "p", Queue: "q2", Shards: 2, Retain: new(time.Hour)})
	w.spread()
	got := w.claim(2, "q2")
	first := reportOn(got[0], task.Succeed)
	first.Result = []byte(strings.Repeat("1", 1000))
	fails := reportOn(got[1], task.Fail)
	fails.Code = task.CodePermanent
	w.exchange(nil, first, fails)
	for range 2 { // the second time after an end without a step
		if _, err := w.store.Retry(t.Context(), task.Edit{}, "p"); err != nil || w.state("p") != task.Running {
			t.Fatalf("%s, %v", w.state("p"), err)
		}
		if n := w.rdb.HLen(t.Context(), w.prefix+"results:p").Val(); n > 0 {
			t.Errorf("the retry has copied %d results", n)
		}
		w.stop("p")
	}
	if _, err := w.store.Retry(t.Context(), task.Edit{}, "p"); err != nil {
		t.Fatal(err)
	}
	w.spread()
	second := reportOn(w.claim(1, "q2")[0], task.Succeed)
	second.Result = []byte("2")
	w.exchange(nil, second)
	if p := w.task("p"); p.State != task.Succeeded || string(p.Result) != "["+string(first.Result)+",2]" {
		t.Errorf("the parent is %s with %s", p.State, p.Result)
	}
	w.findsNothing()
}
