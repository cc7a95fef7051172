package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// claimAll claims n tasks of the default queue, with as many tasks per call as a call returns.
func (s *site) claimAll(t *testing.T, n int) []*task.Task {
	t.Helper()
	var all []*task.Task
	for call := int64(1); len(all) < n; call++ {
		got, err := s.store.Exchange(t.Context(), claimOf(call, "default", min(n-len(all), task.MaxClaim)))
		if err != nil || len(got.Claimed) == 0 {
			t.Fatalf("%d claimed, %v", len(all), err)
		}
		all = append(all, tasksOf(got)...)
	}
	return all
}

func TestFullExchangeIsOneShortCall(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	s.join(t, "r")
	specs := make([]task.Spec, task.MaxReports)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Group: []string{"", "g"}[i%2]}
	}
	s.enqueue(t, specs...)
	var x task.Exchange
	var want []task.Verdict
	for i, tk := range s.claimAll(t, len(specs)) {
		r := reportOn(tk, task.Op(i%2))
		verdict := task.Accepted
		switch {
		case i < 4: // results and logs of a megabyte
			r.Result, r.Log = make([]byte, (1-i%2)<<20), strings.Repeat("l", i%2<<20)
		case i%7 == 0:
			r.ID, verdict = fmt.Sprint("none-", i), task.Gone
		case i%11 == 0:
			r.Fence, verdict = r.Fence-1, task.LeaseLost
		}
		if r.Op == task.Fail {
			r.Error, r.DelaySet, r.Delay = "broke", true, time.Hour
		}
		x.Reports, want = append(x.Reports, r), append(want, verdict)
	}
	for i := range task.MaxQueues {
		x.Claims = append(x.Claims, task.Claim{Queue: fmt.Sprint("q", i), N: 3})
		s.enqueue(t, task.Spec{Queue: fmt.Sprint("q", i)}, task.Spec{Queue: fmt.Sprint("q", i)})
	}
	for i := range 4 * task.MaxQueues {
		x.Busy = append(x.Busy, fmt.Sprint("busy", i))
	}
	x.Replica, x.Sequence, x.Call, x.Lease, x.Grace = "r", 2, 1, time.Minute, time.Second
	var sent recorder
	rdb.AddHook(&sent)
	got, err := s.store.Exchange(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Verdicts, want) {
		t.Errorf("verdicts (-want +got):\n%s", cmp.Diff(want, got.Verdicts))
	}
	if n := len(tasksOf(got)); n != 2*task.MaxQueues {
		t.Errorf("%d tasks claimed", n)
	}
	if calls := sent.take(); len(calls) != 1 {
		t.Errorf("%d calls", len(calls))
	}
}

func TestExchangeOverItsBoundsIsRefused(t *testing.T) {
	s := newSite(t, miniClient(t))
	s.join(t, "r")
	for what, x := range map[string]task.Exchange{
		"reports": {Reports: make([]task.Report, task.MaxReports+1)},
		"claims":  {Claims: make([]task.Claim, task.MaxQueues+1)},
		"tasks":   {Claims: []task.Claim{{Queue: "p", N: task.MaxClaim}, {Queue: "q", N: 1}}},
		"busy":    {Busy: make([]string, 4*task.MaxQueues+1)},
	} {
		x.Replica, x.Sequence, x.Call, x.Lease = "r", 1, 1, time.Minute
		if _, err := s.store.Exchange(t.Context(), x); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(s.rdb.HGet(t.Context(), s.prefix+"replica:r", "sequence:1").Val()) > 0 {
		t.Error("a refused call had an effect")
	}
}

func TestAnswerOfLargeTasksIsBounded(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	for range 4 {
		specs := make([]task.Spec, 4)
		for i := range specs {
			specs[i].Payload = make([]byte, task.MaxPayload)
		}
		s.enqueue(t, specs...)
	}
	claimed := 0
	for call := int64(1); claimed < 16; call++ {
		got, err := s.store.Exchange(t.Context(), claimOf(call, "default", 16))
		if err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, task := range tasksOf(got) {
			bytes += len(task.Payload)
		}
		if n := len(tasksOf(got)); n == 0 || n > 1 && bytes > 3*task.MaxPayload/2 || got.Short[0] && claimed+n < 16 {
			t.Fatalf("call %d: %d tasks of %d bytes after %d, short is %v", call, n, bytes, claimed, got.Short[0])
		}
		claimed += len(tasksOf(got))
	}
}

func TestManyRenewalsAreSeveralShortCalls(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	s.join(t, "r")
	s.enqueue(t, task.Spec{}, task.Spec{})
	first, err := s.store.Exchange(t.Context(), claimOf(1, "default", 1))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.store.Exchange(t.Context(), claimOf(2, "default", 1))
	if err != nil {
		t.Fatal(err)
	}
	r := task.Renewal{Replica: "r", Lease: time.Minute, Held: make([]task.HeldClaim, 2500), Running: 2500}
	want := slices.Repeat([]task.Verdict{task.LeaseLost}, len(r.Held))
	for i := range r.Held {
		r.Held[i] = task.HeldClaim{Fence: int64(i + 1), Held: 1, Left: time.Hour}
	}
	for at, got := range map[int]task.Exchanged{0: first, 2499: second} {
		r.Held[at], want[at] = heldBy(tasksOf(got)...)[0], task.Kept
	}
	if _, err := s.store.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Minute}); err != nil { // makes the script known to the server
		t.Fatal(err)
	}
	var sent recorder
	rdb.AddHook(&sent)
	got, err := s.store.Renew(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Verdicts, want) {
		t.Errorf("verdicts (-want +got):\n%s", cmp.Diff(want, got.Verdicts))
	}
	if calls := sent.ran("renew"); len(calls) != 10 {
		t.Errorf("%d calls", len(calls))
	}
	if replicas, err := s.store.Replicas(t.Context()); err != nil || len(replicas) != 1 || replicas[0].Running != 2500 {
		t.Errorf("replicas %+v, %v, want 2500 running", replicas, err)
	}
}

func TestRenewalOfAnUnknownReplicaStillHasItsVerdicts(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	s.enqueue(t, task.Spec{})
	tk := s.claimAll(t, 1)[0]
	if err := s.store.Leave(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	got, err := s.store.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Minute, Held: heldBy(tk)})
	if !errors.Is(err, task.ErrNotJoined) || !slices.Equal(got.Verdicts, []task.Verdict{task.Kept}) {
		t.Errorf("%v, %v, want kept and ErrNotJoined", got, err)
	}
}

// A lease counts from the first answer. A replica that gets the tasks by a repeated answer must
// stop at the same time.
func TestRepeatedClaimReturnsWhenTheAttemptStarted(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	s.enqueue(t, task.Spec{ID: "x"})
	claim := func(call int64, reports ...task.Report) task.Claimed {
		t.Helper()
		x := claimOf(call, "default", 1)
		x.Reports = reports
		got, err := s.store.Exchange(t.Context(), x)
		if err != nil || len(got.Claimed) != 1 || len(got.Claimed[0].Tasks) != 1 {
			t.Fatal(got, err)
		}
		return got.Claimed[0]
	}
	first := claim(1)
	for !s.now(t).After(first.Started) {
	}
	again := claim(1)
	if !again.Started.Equal(first.Started) || again.Fence != first.Fence || again.Tasks[0].Attempt != 1 {
		t.Errorf("the repeated answer is %+v, the first %+v", again, first)
	}
	next := claim(2, reportOn(first.Tasks[0], task.Release))
	if !next.Started.After(first.Started) || next.Fence <= first.Fence || next.Tasks[0].Attempt != 2 {
		t.Errorf("the next claim is %+v, the first %+v", next, first)
	}
	if tasks, err := s.store.Get(t.Context(), "x"); err != nil || tasks[0].Fence != next.Fence || !tasks[0].StartedAt.Equal(next.Started) {
		t.Errorf("read: %+v, %v", tasks[0], err)
	}
}

func TestUnreadableFieldStopsNeitherClaimNorListing(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	ctx := t.Context()
	s.enqueue(t, task.Spec{ID: "a", Backoff: walkBackoff}, task.Spec{ID: "b", Headers: map[string]string{"h": "v"}}, task.Spec{ID: "c"})
	s.rewrite(t, "a", "backoff=fixed:", "backoff=linear:")
	s.rewrite(t, "b", "headers={", "headers=[")
	check := func(how string, tasks []*task.Task) {
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
		var tasks []*task.Task
		for tk, err := range s.store.Tasks(ctx, task.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, tk)
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

// A member that no script writes hides neither the stop requests nor the verdicts.
func TestDamagedStopRequestIsLeftOut(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	s.join(t, "r")
	s.enqueue(t, task.Spec{ID: "a", Kind: "k"})
	claimed := s.claimAll(t, 1)
	if _, err := s.store.Stop(t.Context(), "", "a"); err != nil {
		t.Fatal(err)
	}
	rdb.SAdd(t.Context(), s.prefix+"stop:r", "x", "1 2 3", "y\n-1")
	want := []task.Attempt{{ID: "a", Fence: claimed[0].Fence}}
	renewed, err := s.store.Renew(t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Grace: time.Second, Held: heldBy(claimed...)})
	if err != nil || !slices.Equal(renewed.Stops, want) {
		t.Errorf("a renewal returns %+v, %v", renewed.Stops, err)
	}
	got, err := s.store.Exchange(t.Context(), claimOf(2, "default", 1))
	if err != nil || !slices.Equal(got.Stops, want) {
		t.Errorf("an exchange returns %+v, %v", got.Stops, err)
	}
}
