package redisstore_test

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/lua"
	"github.com/ltsworker/ltsworker/worker"
)

// claimAll claims n tasks, as many to a call as a call gives.
func (s *site) claimAll(t *testing.T, n int) []*worker.Task {
	t.Helper()
	var tasks []*worker.Task
	for call := int64(1); len(tasks) < n; call++ {
		_, claimed, err := s.store.Exchange(t.Context(), nil, []worker.Claim{
			{Replica: "r", Queue: "default", N: n - len(tasks), Lease: time.Minute, Call: call}})
		if err != nil || len(claimed[0].Tasks) == 0 {
			t.Fatalf("%d claimed, %v", len(tasks), err)
		}
		tasks = append(tasks, claimed[0].Tasks...)
	}
	return tasks
}

// ran is the arguments of the calls that were made of a script, by hash or in
// full.
func (r *recorder) ran(script string) [][]any {
	var calls [][]any
	text := lua.Source(script)
	sum := sha1.Sum([]byte(text))
	for _, c := range r.calls {
		if c[1] == text || c[1] == hex.EncodeToString(sum[:]) {
			calls = append(calls, c[5:])
		}
	}
	return calls
}

func TestManyReportsAreSeveralShortCalls(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	s.join(t, "r")
	const n = 1300
	specs := make([]worker.Spec, n)
	for i := range specs {
		specs[i] = worker.Spec{Kind: "k"}
	}
	if _, err := s.store.Enqueue(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	var reports []worker.Report
	var want []worker.Verdict
	for i, task := range s.claimAll(t, n) {
		r := worker.Report{ID: task.ID, Fence: task.Fence, Op: worker.Op(i % 2), Code: worker.CodeOK}
		verdict := worker.Accepted
		switch {
		case i < 16: // 8 results and 8 logs of a megabyte
			r.Result, r.Log = make([]byte, (1-i%2)<<20), strings.Repeat("l", i%2<<20)
		case i%7 == 0:
			r.ID, verdict = fmt.Sprint("none-", i), worker.Gone
		case i%11 == 0:
			r.Fence, verdict = r.Fence-1, worker.LeaseLost
		}
		if r.Op == worker.Fail {
			r.Code, r.Error, r.DelaySet = worker.CodeError, "broke", true
		}
		reports, want = append(reports, r), append(want, verdict)
	}
	var sent recorder
	rdb.AddHook(&sent)
	got, _, err := s.store.Exchange(t.Context(), reports, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts (-want +got):\n%s", cmp.Diff(want, got))
	}
	for script, each := range map[string]int{"succeed": 4, "fail": 6} {
		calls := sent.ran(script)
		if len(calls) < 3 {
			t.Errorf("%d calls of %s", len(calls), script)
		}
		reported := 0
		for _, args := range calls {
			bytes := 0
			for _, a := range args {
				if text, ok := a.(string); ok {
					bytes += len(text)
				}
			}
			if len(args) > 2+500*each || bytes > 4<<20+100_000 { // ids and such come on top
				t.Errorf("a call of %s with %d arguments, %d bytes", script, len(args), bytes)
			}
			reported += len(args) / each
		}
		if reported != n/2 {
			t.Errorf("%d reports by %s, want %d", reported, script, n/2)
		}
	}
}

func TestManyRenewalsAreSeveralShortCalls(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	s.join(t, "r")
	if _, err := s.store.Enqueue(t.Context(), []worker.Spec{{Kind: "k"}, {Kind: "k"}}); err != nil {
		t.Fatal(err)
	}
	tasks := s.claimAll(t, 2)
	r := worker.Renewal{Replica: "r", Lease: time.Minute, Held: make([]worker.Held, 2500)}
	want := slices.Repeat([]worker.Verdict{worker.Gone}, len(r.Held))
	for i := range r.Held {
		r.Held[i] = worker.Held{ID: fmt.Sprint("none-", i), Fence: 1}
	}
	for i, task := range tasks {
		at := []int{0, 2499}[i]
		r.Held[at], want[at] = worker.Held{ID: task.ID, Fence: task.Fence}, worker.Kept
	}
	var sent recorder
	rdb.AddHook(&sent)
	got, err := s.store.Renew(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts (-want +got):\n%s", cmp.Diff(want, got))
	}
	if calls := sent.ran("renew"); len(calls) != 10 {
		t.Errorf("%d calls", len(calls))
	}
	if replicas, err := s.store.Replicas(t.Context()); err != nil || len(replicas) != 1 || replicas[0].Running != 2500 {
		t.Errorf("replicas %+v, %v, want 2500 running", replicas, err)
	}
}

func TestRenewalOfAForgottenReplicaStillHasItsVerdicts(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	if _, err := s.store.Enqueue(t.Context(), []worker.Spec{{Kind: "k"}}); err != nil {
		t.Fatal(err)
	}
	task := s.claimAll(t, 1)[0]
	if err := s.store.Leave(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	verdicts, err := s.store.Renew(t.Context(), worker.Renewal{Replica: "r", Lease: time.Minute, Held: []worker.Held{{ID: task.ID, Fence: task.Fence}}})
	if !errors.Is(err, worker.ErrNotJoined) || !slices.Equal(verdicts, []worker.Verdict{worker.Kept}) {
		t.Errorf("%v, %v, want kept and ErrNotJoined", verdicts, err)
	}
}

// A lease counts from the first answer: whoever holds the task by a repeated one
// must stop as early.
func TestRepeatedClaimTellsWhenTheAttemptStarted(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	if _, err := s.store.Enqueue(t.Context(), []worker.Spec{{Kind: "k", ID: "x"}}); err != nil {
		t.Fatal(err)
	}
	claim := func(call int64, reports ...worker.Report) *worker.Task {
		t.Helper()
		_, claimed, err := s.store.Exchange(t.Context(), reports, []worker.Claim{{Replica: "r", Queue: "default", N: 1, Lease: time.Minute, Call: call}})
		if err != nil || len(claimed[0].Tasks) != 1 {
			t.Fatal(claimed, err)
		}
		return claimed[0].Tasks[0]
	}
	later := func(than time.Time) {
		for !s.now(t).After(than) {
		}
	}
	first := claim(1)
	later(first.StartedAt)
	again := claim(1)
	if !again.StartedAt.Equal(first.StartedAt) || again.Fence != first.Fence || again.Attempt != 1 {
		t.Errorf("started at %v, attempt %d, fence %d; the first answer said %v and fence %d", again.StartedAt, again.Attempt, again.Fence, first.StartedAt, first.Fence)
	}
	next := claim(2, worker.Report{ID: "x", Fence: first.Fence, Op: worker.Release, Code: worker.CodeReleased})
	if !next.StartedAt.After(first.StartedAt) || next.Fence <= first.Fence || next.Attempt != 2 {
		t.Errorf("started at %v, attempt %d, fence %d, after %v and fence %d", next.StartedAt, next.Attempt, next.Fence, first.StartedAt, first.Fence)
	}
	if tasks, err := s.store.Get(t.Context(), "x"); err != nil || tasks[0].Fence != next.Fence || !tasks[0].StartedAt.Equal(next.StartedAt) {
		t.Errorf("read: %+v, %v", tasks[0], err)
	}
}

func TestUnreadableFieldStopsNeitherClaimNorListing(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	ctx := t.Context()
	if _, err := s.store.Enqueue(ctx, []worker.Spec{{Kind: "k", ID: "a"}, {Kind: "k", ID: "b"}, {Kind: "k", ID: "c"}}); err != nil {
		t.Fatal(err)
	}
	s.rdb.HSet(ctx, s.prefix+"task:a", "backoff", "linear:5", "more", 1)
	s.rdb.HSet(ctx, s.prefix+"task:b", "priority", "x", "headers", "[", "more", 1)
	check := func(how string, tasks []*worker.Task) {
		t.Helper()
		var got []string
		for _, task := range tasks {
			got = append(got, fmt.Sprint(task.ID, " broken ", task.Broken != nil))
		}
		slices.Sort(got)
		if d := cmp.Diff([]string{"a broken true", "b broken true", "c broken false"}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", how, d)
		}
	}
	list := func(how string) {
		t.Helper()
		var tasks []*worker.Task
		for task, err := range s.store.Tasks(ctx, worker.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, task)
		}
		check(how, tasks)
	}
	tasks, err := s.store.Get(ctx, "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	check("read", tasks)
	list("listed")
	check("claimed", s.claimAll(t, 3))
	list("listed while running")
}
