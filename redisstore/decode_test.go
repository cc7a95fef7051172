package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

// plain dereferences arguments as the client does when it sends them.
func plain(args []any) []any {
	out := slices.Clone(args)
	for i, a := range out {
		switch v := a.(type) {
		case *string:
			out[i] = *v
		case bool:
			out[i] = 0
			if v {
				out[i] = 1
			}
		case []byte:
			out[i] = string(v)
		}
	}
	return out
}

func TestReportsAreGroupedByQueueClaimAndOp(t *testing.T) {
	x := task.Exchange{
		Replica: "r", Sequence: 2, Call: 7, Lease: time.Minute, Grace: time.Second, Idle: true, Busy: []string{"b"},
		Reports: []task.Report{
			{ID: "1", Queue: "q", Fence: 5},
			{ID: "2", Queue: "p", Fence: 9, Op: task.Fail, Code: "error", Error: "e", Log: "l", LogSize: 12},
			{ID: "3", Queue: "q", Fence: 5, Result: []byte{}, Last: true},
			{ID: "4", Queue: "q", Fence: 5},
			{ID: "5", Queue: "q", Fence: 4, Op: task.Release, Code: "released", Delay: time.Second, Last: true},
			{ID: "6", Queue: "p", Fence: 9, Op: task.Fail, Code: "panic", DelaySet: true, Last: true},
			{ID: "7", Queue: "q", Fence: 5, Log: "l", LogSize: 12},
			{ID: "8", Queue: "q", Fence: 5, Log: "l", LogSize: 12, Result: []byte("1")},
		},
		Claims: []task.Claim{{Queue: "q", N: 3}, {Queue: "p", N: 1}},
	}
	order := reportOrder(x.Reports)
	args := plain(exchangeArgs(&x, "c", order))
	args[7] = "seed"
	want := []any{
		"r", 2, int64(7), int64(60000), int64(1000), "c", 1, "seed", 1, "b",
		2,
		"p", 1,
		"fail", int64(9), 1, 2, "2", "l", int64(12), "error", "e", "", "6", "", "", "panic", "", int64(0),
		"q", 4,
		"release", int64(4), 1, 1, "5", "", "", "released", int64(1000),
		"log", int64(5), 0, 2, "7", "l", int64(12), 0, "", "text", "8", "l", int64(12), 1, "1", "json",
		"ok", int64(5), 0, 2, "1", "4",
		"result", int64(5), 1, 1, "3", "", "text",
		2, "q", 3, "p", 1,
	}
	if d := cmp.Diff(want, args); d != "" {
		t.Error("(-want +got):\n", d)
	}
	// The reports were sent in the order 2 6 5 7 8 1 4 3, and the verdicts follow that order.
	got, joined, err := decodeExchange([]any{int64(1), int64(0), "oloolgoo", "sf", "", "", int64(0)}, &x, order)
	verdicts := []task.Verdict{task.Gone, task.Accepted, task.Accepted, task.Accepted, task.Accepted, task.LeaseLost, task.Accepted, task.LeaseLost}
	if err != nil || !joined || !slices.Equal(got.Verdicts, verdicts) || !slices.Equal(got.Short, []bool{true, false}) {
		t.Errorf("%+v, %v, want the verdicts %v", got, err, verdicts)
	}
}

func TestExchangeIsBounded(t *testing.T) {
	for _, x := range []task.Exchange{
		{Reports: make([]task.Report, task.MaxReports+1)},
		{Claims: make([]task.Claim, task.MaxQueues+1)},
		{Claims: []task.Claim{{N: task.MaxClaim}, {N: 1}}},
		{Busy: make([]string, 4*task.MaxQueues+1)},
	} {
		if err := checkExchange(&x); err == nil {
			t.Error("a call over the limit was accepted")
		}
	}
}

func TestAnswerOfAnExchange(t *testing.T) {
	plainRecord, grouped := record("k -", "p1"), record("k - group=g", strings.Repeat("x", 100))
	retried := "w1" + record("other -", "")[2:]
	extras := []string{"attempt", "2", "v", "4", "failures", "2"}
	length := func(parts ...string) string {
		var b strings.Builder
		for i, p := range parts {
			fmt.Fprint(&b, strings.Repeat(" ", min(i, 1)), len(p))
		}
		return b.String()
	}
	all := append([]string{plainRecord, grouped, retried}, extras...)
	reply := []any{
		int64(1_700_000_000_500), int64(250), "", "f", "r1 r2", "7000 a\n7000 b\n8000 c", int64(1),
		"7000 default 1700000000400 30000 0 0 6", "a b c", length(all...), strings.Join(all, ""),
		"8000 q 1700000000400 0 0", "d", length(record("k q", "")), record("k q", ""),
	}
	x := task.Exchange{Replica: "r", Reports: make([]task.Report, 2), Claims: []task.Claim{{Queue: "default", N: 4}}}
	got, joined, err := decodeExchange(reply, &x, []int{0, 1})
	if err != nil || !joined {
		t.Fatal(joined, err)
	}
	started := time.UnixMilli(1_700_000_000_400)
	tk := func(id string, fence int64, left time.Duration) *task.Task {
		return &task.Task{Spec: task.Spec{ID: id, Kind: "k", Queue: "default", Payload: []byte{}}, State: task.Running, Attempt: 1,
			Version: 2, Fence: fence, Replica: "r", StartedAt: started, CreatedAt: time.UnixMilli(1_700_000_000_000), TimeLeft: left}
	}
	a, b, c, d := tk("a", 7000, 30*time.Second), tk("b", 7000, 30*time.Second), tk("c", 7000, 30*time.Second), tk("d", 8000, task.Forever)
	a.Payload, b.Payload, b.Group = []byte("p1"), []byte(strings.Repeat("x", 100)), "g"
	c.Kind, c.Attempt, c.Version, c.Failures, d.Queue = "other", 3, 5, 2, "q"
	want := task.Exchanged{
		Verdicts: []task.Verdict{task.Accepted, task.Accepted}, Short: []bool{false}, Ready: []string{"r1", "r2"}, Drain: true,
		Stops: []task.Attempt{{ID: "a", Fence: 7000}, {ID: "b", Fence: 7000}, {ID: "c", Fence: 8000}},
		Now:   time.UnixMilli(1_700_000_000_500), Next: 250 * time.Millisecond,
		Claimed: []task.Claimed{
			{Queue: "default", Fence: 7000, Started: started, Left: 30 * time.Second, Tasks: []*task.Task{a, b, c}},
			{Queue: "q", Fence: 8000, Started: started, Left: task.Forever, Tasks: []*task.Task{d}},
		},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(task.Task{})); d != "" {
		t.Error("(-want +got):\n", d)
	}
}

func TestSpoiledRecordHarmsOnlyItsOwnTask(t *testing.T) {
	spoiled, good := "no record", record("k -", "p")
	reply := []any{int64(1), int64(0), "", "f", "", "", int64(0), "7 default 1 0 0", "a b", fmt.Sprint(len(spoiled), " ", len(good)), spoiled + good}
	got, _, err := decodeExchange(reply, &task.Exchange{Claims: make([]task.Claim, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tasks := got.Claimed[0].Tasks
	if tasks[0].ID != "a" || tasks[0].Broken == nil || tasks[1].Broken != nil || string(tasks[1].Payload) != "p" {
		t.Errorf("tasks %+v, %+v", tasks[0], tasks[1])
	}
}

func TestAnswerThatDoesNotFitTogetherIsAnError(t *testing.T) {
	rec := record("k -", "p")
	n := fmt.Sprint(len(rec))
	for _, claim := range [][]any{
		{"7 default 1 0 0", "a", n}, {"7 default 1 0 0", "a", n, int64(1)}, {"7 default 1 0", "a", n, rec}, {"7 default 1 0 0", "", n, rec},
		{"7 default 1 0 0", "a b", n, rec}, {"7 default 1 0 0", "a", n, rec + "x"}, {"7 default 1 0 0", "a", n + " 1", rec},
		{"7 default 1 0 0", "a", "9999", rec}, {"7 default 1 0 2", "a", n, rec}, {"x default 1 0 0", "a", n, rec}, {"7", "a", n, rec},
		{"7 default 1 0 0", "a", "-1 " + n, rec}, {"7 default 1 0 0", "a b", n, rec + rec + "x"}, {"7 default 1 0 0", "a b", "-1", ""},
	} {
		reply := append([]any{int64(1), int64(0), "", "f", "", "", int64(0)}, claim...)
		if _, _, err := decodeExchange(reply, &task.Exchange{Claims: make([]task.Claim, 1)}, nil); err == nil {
			t.Errorf("%q is accepted", claim)
		}
	}
	for _, reply := range []any{
		nil, "x", []any{}, []any{"1", int64(0), "", "", "", "", int64(0)},
		[]any{int64(1), int64(0), "o", "", "", "", int64(0)}, []any{int64(1), int64(0), "ox?", "", "", "", int64(0)},
	} {
		if _, _, err := decodeExchange(reply, &task.Exchange{}, []int{0, 1, 2}); err == nil {
			t.Errorf("%v is accepted", reply)
		}
	}
}

func TestDecodedClaimKeepsNoPartOfTheReply(t *testing.T) {
	var ids, lengths []string
	var blob strings.Builder
	const n = 200
	for i := range n {
		rec := record("some.kind queue-1", strings.Repeat("p", 64))
		ids, lengths = append(ids, fmt.Sprintf("%022d", i)), []string{fmt.Sprint(len(rec))}
		blob.WriteString(rec)
	}
	reply := []any{int64(1), int64(0), "", "f", "", "", int64(0), "7 queue-1 1 0 0", strings.Join(ids, " "), strings.Join(lengths, " "), blob.String()}
	x := task.Exchange{Replica: "r", Claims: []task.Claim{{Queue: "queue-1", N: n}}}
	var got task.Exchanged
	allocs := testing.AllocsPerRun(20, func() { got, _, _ = decodeExchange(reply, &x, nil) })
	if per := allocs / n; per > 1.2 {
		t.Errorf("%.2f allocations per task, want the one of its payload", per)
	}
	if len(got.Claimed) != 1 || len(got.Claimed[0].Tasks) != n || got.Claimed[0].Tasks[n-1].Kind != "some.kind" {
		t.Fatalf("%+v", got)
	}
}

func TestReportsCostFewAllocations(t *testing.T) {
	x := task.Exchange{Reports: make([]task.Report, 200)}
	for i := range x.Reports {
		x.Reports[i] = task.Report{ID: fmt.Sprint("some-task-", i), Queue: "q", Fence: 1 << 40}
	}
	allocs := testing.AllocsPerRun(20, func() { exchangeArgs(&x, "", reportOrder(x.Reports)) })
	if per := allocs / float64(len(x.Reports)); per > 0.2 {
		t.Errorf("%.2f allocations per report", per)
	}
}

func TestSpecsOfOneShapeAreSentTogether(t *testing.T) {
	specs := []task.Spec{
		{Kind: "k", Payload: []byte("1")}, {Kind: "k", Queue: "default", Payload: []byte("2")}, {Kind: "k", ID: "given"},
		{Kind: "k", ID: "other", Priority: -3}, {Kind: "k", Group: "g", TTL: time.Second, Delay: time.Nanosecond}, {Kind: "k", Group: "g", Unique: "u"},
	}
	receipts := make([]task.Receipt, len(specs))
	nameTasks(receipts, specs)
	made := func(i int) string { return receipts[i].ID }
	args, n := enqueueArgs(&sequence{name: "l", call: 4}, receipts, specs)
	args = plain(args)
	want := []any{
		"l", int64(4), 5,
		"default", 0, "k", 0, "", 0, 2, made(0), "1", made(1), "2",
		"default", 0, "k", 1, "", 0, 1, "given", "",
		"default", -3, "k", 1, "", 0, 1, "other", "",
		"default", 0, "k", 0, "group=g", 8, "g", "", int64(1), "", int64(1000), "", "", "", 1, made(4), "",
		"default", 0, "k", 0, "group=g unique=u", 8, "g", "u", "", "", "", "", "", "", 1, made(5), "",
	}
	if d := cmp.Diff(want, args); d != "" || n != len(specs) {
		t.Errorf("%d tasks (-want +got):\n%s", n, d)
	}
	if made(0) >= made(1) || made(1) >= made(4) || made(4) >= made(5) {
		t.Error("the generated ids do not ascend")
	}
	err := decodeReceipts([]any{int64(5), int64(3), "dup", "given", "running", int64(6), "full", "", ""}, receipts, specs)
	if err != nil || !receipts[2].Duplicate || receipts[2].State != task.Running || receipts[5].Err == nil || receipts[4].State != task.Scheduled {
		t.Errorf("receipts %+v, %v", receipts, err)
	}
}

func TestEnqueueIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		spec func(i int) task.Spec
		want int
	}{
		"tasks":      {func(int) task.Spec { return task.Spec{} }, maxBatch},
		"shapes":     {func(i int) task.Spec { return task.Spec{Group: fmt.Sprint(i / 2)} }, 2 * maxShapes},
		"bytes":      {func(int) task.Spec { return task.Spec{Payload: make([]byte, 1<<20)} }, maxBatchBytes >> 20},
		"broadcasts": {func(i int) task.Spec { return task.Spec{Broadcast: i%2 == 0} }, 2 * maxBroadcasts},
		"one":        {func(int) task.Spec { return task.Spec{Payload: make([]byte, 2*maxBatchBytes)} }, 1},
	} {
		specs := make([]task.Spec, 1500)
		for i := range specs[:min(len(specs), 1+c.want)] {
			specs[i] = c.spec(i)
		}
		args, n := enqueueArgs(&sequence{}, make([]task.Receipt, len(specs)), specs)
		if groups := args[2].(int); n != c.want || groups > maxShapes {
			t.Errorf("%s: %d tasks in %d groups, want %d", name, n, groups, c.want)
		}
	}
}

func TestRenewalIsSentInPages(t *testing.T) {
	held := make([]task.HeldClaim, 600)
	if n := claimPage(held); n != renewClaims {
		t.Errorf("%d claims in a page", n)
	}
	for i := range held {
		held[i].IDs = make([]string, 250)
	}
	if n := claimPage(held); n != renewIDs/250 {
		t.Errorf("%d claims of 250 ids in a page", n)
	}
	updates := make([]task.AttemptUpdate, 600)
	if n := updatesPage(updates); n != renewUpdates {
		t.Errorf("%d updates in a page", n)
	}
	updates[0].Progress, updates[1].Progress = make([]byte, 2*renewBytes), make([]byte, 1)
	if n := updatesPage(updates); n != 1 {
		t.Errorf("%d updates in a page with large progress", n)
	}
	updates[0].Progress, updates[0].Log = nil, strings.Repeat("x", 2*renewBytes)
	if n := updatesPage(updates); n != 1 {
		t.Errorf("%d updates in a page with a large log", n)
	}
	args := plain(renewArgs(&task.Renewal{Replica: "r", Lease: time.Minute, Grace: time.Second, Stuck: 1, Running: 2, Draining: true},
		[]task.HeldClaim{{Fence: 9, Held: 2, Left: task.Forever, IDs: []string{"a", "b"}}, {Fence: 10, Held: 1, Left: -time.Second}},
		[]task.AttemptUpdate{{ID: "a", Fence: 9, Progress: []byte{}}, {ID: "b", Fence: 9, Slow: true, Log: "l", LogSize: 12}}))
	want := []any{"r", int64(60000), int64(1000), 1, 2, 1, "", 2, int64(9), 2, "", 2, "a", "b", int64(10), 1, int64(-1000), 0,
		2, int64(9), "a", "", 1, 0, "", "", int64(9), "b", "", 0, 1, "l", int64(12)}
	if d := cmp.Diff(want, args); d != "" {
		t.Error("(-want +got):\n", d)
	}
}

func TestClassIsThatOfTheQueuesAndKinds(t *testing.T) {
	r := task.Registration{Queues: map[string]task.QueueConfig{"a": {Workers: 1}, "b": {}}, Kinds: map[string]task.Policy{"k": {}}}
	same := task.Registration{Queues: map[string]task.QueueConfig{"b": {Workers: 4}, "a": {}}, Kinds: map[string]task.Policy{"k": {MaxAttempts: 3}}}
	other := task.Registration{Queues: map[string]task.QueueConfig{"a": {}}, Kinds: map[string]task.Policy{"b": {}, "k": {}}}
	if classFor(r) != classFor(same) || classFor(r) == classFor(other) {
		t.Errorf("classes %s, %s, %s", classFor(r), classFor(same), classFor(other))
	}
}

func TestResultIsJSONOrTextOrNeither(t *testing.T) {
	for result, want := range map[string]string{
		`{"a":[1,"é"]}`: "json", "7": "json", "null": "json", "": "text", "plain": "text", "[1,]": "text", "NaN": "text", "\xff": "bytes", "\"\xff\"": "bytes",
	} {
		if got := resultForm([]byte(result)); got != want {
			t.Errorf("%q is %s, want %s", result, got, want)
		}
	}
}
