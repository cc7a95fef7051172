package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var enqueueRules = []rule{
	{"ReadTaskEqualsTheEnqueuedSpec", readTaskEqualsTheSpec},
	{"SameIDIsOneTask", sameIDIsOneTask},
	{"SameIDIsOneTaskForFiftyClients", sameIDIsOneTaskForFiftyClients},
	{"SameIDInABatchIsOneTask", sameIDInABatchIsOneTask},
	{"DuplicateReturnsTheStateOfTheTask", duplicateReturnsTheState},
	{"MadeIDsSortByTime", madeIDsSortByTime},
	{"BadSpecIsRefusedBeforeAnythingIsWritten", badSpecIsRefusedBeforeAnythingIsWritten},
	{"PayloadBytesSurvive", payloadBytesSurvive},
	{"PayloadHasACap", payloadHasACap},
	{"FullQueueRefusesTheRest", fullQueueRefusesTheRest},
	{"FullQueueAcceptsAgainWithoutItsCap", fullQueueAcceptsAgain},
	{"FullQueueAcceptsScheduledTasks", fullQueueAcceptsScheduled},
	{"BatchesOverAThousandKeepTheirOrder", batchesOverAThousandKeepTheirOrder},
	{"LargePayloadsInOneBatch", largePayloadsInOneBatch},
}

func readTaskEqualsTheSpec(fx *fixture) {
	spec := task.Spec{
		ID: "a-1", Kind: "video.cut", Queue: "q", Payload: []byte("{}"), Priority: -7, Group: "acme", Unique: "once",
		Headers: map[string]string{"trace": "x", "ü": "€"}, Timeout: time.Minute, TTL: time.Hour, Deadline: 2 * time.Hour,
		MaxAttempts: 3, Backoff: task.Backoff{Base: time.Second, Max: time.Minute}, Retain: ptr(3 * time.Hour),
	}
	before := fx.Now(fx)
	r := fx.enqueueAll(spec)[0]
	if r.ID != "a-1" || r.State != task.Waiting || r.Duplicate || r.Err != nil {
		fx.Errorf("receipt %+v", r)
	}
	t := fx.get("a-1")
	if d := cmp.Diff(spec, task.Spec{
		ID: t.ID, Kind: t.Kind, Queue: t.Queue, Payload: t.Payload, Priority: t.Priority, Group: t.Group, Unique: t.Unique,
		Headers: t.Headers, Timeout: t.Timeout, TTL: time.Hour, Deadline: 2 * time.Hour,
		MaxAttempts: t.MaxAttempts, Backoff: t.Backoff, Retain: t.Retain,
	}); d != "" {
		fx.Error("the task differs (-asked +got):\n", d)
	}
	if t.Version != 1 || t.Attempt != 0 || t.CreatedAt.Before(before) {
		fx.Errorf("version %d, attempt %d, created %v before %v", t.Version, t.Attempt, t.CreatedAt, before)
	}
	if got := t.ExpiresAt.Sub(t.CreatedAt); got != time.Hour {
		fx.Errorf("expires %v after its creation", got)
	}
	if got := t.DeadlineAt.Sub(t.CreatedAt); got != 2*time.Hour {
		fx.Errorf("deadline %v after its creation", got)
	}
	claimed := fx.claim("q", 1)
	fx.wantIDs(claimed, "a-1")
	if c := claimed[0]; !bytes.Equal(c.Payload, spec.Payload) || c.Priority != -7 || c.Group != "acme" ||
		c.State != task.Running || c.Attempt != 1 || c.Replica != "r" {
		fx.Errorf("claimed %+v", c)
	}
}

func sameIDIsOneTask(fx *fixture) {
	fx.enqueue(task.Spec{ID: "one", Payload: []byte("first")})
	r := fx.enqueueAll(task.Spec{ID: "one", Payload: []byte("second"), Queue: "other", Delay: time.Hour})[0]
	if r.ID != "one" || !r.Duplicate || r.State != task.Waiting {
		fx.Errorf("receipt %+v", r)
	}
	if t := fx.get("one"); string(t.Payload) != "first" || t.Queue != task.DefaultQueue {
		fx.Errorf("the duplicate changed the task: %+v", t)
	}
	if n := len(fx.events()); n != 1 {
		fx.Errorf("%d events, want 1", n)
	}
}

func sameIDIsOneTaskForFiftyClients(fx *fixture) {
	made := make([]task.Receipt, 50)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			store := fx.Store
			if i%2 == 1 {
				store = fx.Peer
			}
			r, err := store.Enqueue(fx.ctx, []task.Spec{{ID: "one", Kind: "k", Payload: fmt.Append(nil, i)}})
			if err != nil {
				fx.Error(err)
				return
			}
			made[i] = r[0]
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range made {
		if r.ID != "one" {
			fx.Errorf("receipt %+v", r)
		}
		if !r.Duplicate {
			fresh++
		}
	}
	if fresh != 1 {
		fx.Errorf("%d clients made it", fresh)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 50), "one")
}

func sameIDInABatchIsOneTask(fx *fixture) {
	rs := fx.enqueueAll(task.Spec{ID: "x"}, task.Spec{ID: "y"}, task.Spec{ID: "x"})
	if rs[0].Duplicate || rs[1].Duplicate || !rs[2].Duplicate {
		fx.Errorf("receipts %+v", rs)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 5), "x", "y")
}

func madeIDsSortByTime(fx *fixture) {
	var made []string
	for range 3 {
		for _, r := range fx.enqueueAll(make([]task.Spec, 40)...) {
			made = append(made, r.ID)
		}
		fx.waitPast(2 * time.Millisecond)
	}
	if !slices.IsSorted(made) {
		fx.Errorf("the ids do not sort by time: %v", made)
	}
	for _, id := range made {
		if len(id) != 22 || task.CheckName(id) != nil {
			fx.Errorf("id %q has %d characters, want 22 of a name", id, len(id))
		}
	}
}

func duplicateReturnsTheState(fx *fixture) {
	again := func(want task.State) {
		fx.Helper()
		if r := fx.enqueueAll(task.Spec{ID: "x"})[0]; !r.Duplicate || r.State != want {
			fx.Errorf("receipt %+v, want a duplicate that is %s", r, want)
		}
	}
	fx.enqueue(task.Spec{ID: "x", Delay: time.Millisecond, Retain: ptr(time.Hour)})
	fx.waitPast(time.Millisecond)
	again(task.Scheduled)
	got := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(got, "x")
	again(task.Running)
	fx.accept(failIn(got[0], time.Hour))
	again(task.Scheduled)
	fx.stop("x")
	again(task.Stopped)
	fx.remove("x")
	if r := fx.enqueueAll(task.Spec{ID: "x"})[0]; r.Duplicate {
		fx.Errorf("the id of a deleted task is not free: %+v", r)
	}
}

func badSpecIsRefusedBeforeAnythingIsWritten(fx *fixture) {
	for _, bad := range []task.Spec{
		{}, {Kind: "a b"}, {Kind: "k", Queue: "{q}"}, {Kind: "k", ID: "\x00"}, {Kind: "k", Group: "g\n"}, {Kind: "k", Delay: -1},
		{Kind: "k", Delay: time.Second, RunAt: time.Now()}, {Kind: "k", MaxAttempts: -1}, {Kind: "k", TTL: time.Microsecond},
	} {
		_, err := fx.Store.Enqueue(fx.ctx, []task.Spec{{Kind: "good"}, bad})
		var field *task.FieldError
		if !errors.As(err, &field) {
			fx.Errorf("%+v: error %v, want a field error", bad, err)
		}
	}
	if s := fx.stats(); s.Enqueued != 0 || s.Events != 0 {
		fx.Errorf("%d tasks and %d events were written", s.Enqueued, s.Events)
	}
}

func payloadBytesSurvive(fx *fixture) {
	var all []byte
	for r := range rune(0x300) {
		all = utf8.AppendRune(all, r)
	}
	payloads := [][]byte{
		{}, []byte("0"), []byte(`{"big":12345678901234567890123,"neg":-0,"e":1e400}`), []byte("[]"), []byte("[[],{}]"),
		[]byte("3.14159265358979323846264338327950288"), []byte("\ufffd\x00\ufeff\U0010ffff"), {0}, all, []byte("\r\n$5\r\n"),
		[]byte(`{ "spaced" :  [ 1 ,2 ] }` + "\n"), bytes.Repeat([]byte("é"), 50_000), []byte(`"\u0000\ud800"`),
	}
	specs := make([]task.Spec, len(payloads))
	for i, p := range payloads {
		specs[i] = task.Spec{ID: fmt.Sprint("p", i), Payload: p}
	}
	fx.enqueueAll(specs...)
	for i, t := range fx.claim(task.DefaultQueue, len(payloads)) {
		if !bytes.Equal(t.Payload, payloads[i]) {
			fx.Errorf("payload %d reached the replica as %.60q, was %.60q", i, t.Payload, payloads[i])
		}
		if got := fx.get(t.ID).Payload; !bytes.Equal(got, payloads[i]) {
			fx.Errorf("payload %d reads as %.60q", i, got)
		}
	}
}

func payloadHasACap(fx *fixture) {
	most := bytes.Repeat([]byte{0x7f}, task.MaxPayload)
	t := fx.start(task.Spec{Payload: most})
	if !bytes.Equal(t.Payload, most) {
		fx.Error("a payload of the largest size changed")
	}
	_, err := fx.Store.Enqueue(fx.ctx, []task.Spec{{Kind: "k", Payload: append(most, 1)}})
	var field *task.FieldError
	if !errors.As(err, &field) || field.Field != "payload" {
		fx.Errorf("one byte over: %v, want a field error on payload", err)
	}
}

func fullQueueRefusesTheRest(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(2)})
	fx.enqueue(task.Spec{ID: "a", Queue: "q"})
	rs := fx.enqueueAll(task.Spec{ID: "a", Queue: "q"}, task.Spec{ID: "b", Queue: "q", Group: "g"},
		task.Spec{ID: "c", Queue: "q"}, task.Spec{ID: "d", Queue: "free"})
	if !rs[0].Duplicate || rs[1].Err != nil || !errors.Is(rs[2].Err, task.ErrQueueFull) || rs[3].Err != nil {
		fx.Errorf("receipts %+v", rs)
	}
	if rs[2].ID != "c" {
		fx.Errorf("the refused one is %q", rs[2].ID)
	}
	fx.wantNoTrace("c")
}

func fullQueueAcceptsScheduled(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(2)})
	later := func(id string) task.Spec { return task.Spec{ID: id, Queue: "q", Delay: time.Hour} }
	now := func(id string) task.Spec { return task.Spec{ID: id, Queue: "q"} }
	rs := fx.enqueueAll(later("a"), later("b"), later("c"), now("d"), now("e"), now("f"), later("g"))
	for i, r := range rs {
		if full := errors.Is(r.Err, task.ErrQueueFull); full != (r.ID == "f") || r.Err != nil && !full {
			fx.Errorf("receipt %d: %+v", i, r)
		}
	}
	fx.Push(fx, `{"kind":"k","queue":"q","id":"h","delay_ms":3600000}`, `{"kind":"k","queue":"q","id":"i"}`)
	fx.admit()
	fx.wantState("h", task.Scheduled)
	fx.wantNoTrace("i")
}

func fullQueueAcceptsAgain(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(1)})
	fx.start(task.Spec{ID: "a", Queue: "q"})
	fx.enqueue(task.Spec{ID: "b", Queue: "q"})
	if r := fx.enqueueAll(task.Spec{ID: "c", Queue: "q"})[0]; r.Err == nil {
		fx.Error("the cap did not hold")
	}
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(0)})
	if r := fx.enqueueAll(task.Spec{ID: "c", Queue: "q"})[0]; r.Err != nil {
		fx.Error("refused without a cap: ", r.Err)
	}
}

func batchesOverAThousandKeepTheirOrder(fx *fixture) {
	specs := make([]task.Spec, 2100)
	want := make([]string, len(specs))
	for i := range specs {
		want[i] = fmt.Sprint("t", i)
		specs[i] = task.Spec{ID: want[i]}
	}
	for i, r := range fx.enqueueAll(specs...) {
		if r.ID != want[i] {
			fx.Fatalf("receipt %d is of %s", i, r.ID)
		}
	}
	if d := cmp.Diff(want, ids(fx.claim(task.DefaultQueue, len(want)))); d != "" {
		fx.Error("started in another order (-want +got):\n", d)
	}
}

func largePayloadsInOneBatch(fx *fixture) {
	specs := make([]task.Spec, 9)
	for i := range specs {
		specs[i] = task.Spec{Payload: bytes.Repeat([]byte{byte(i)}, task.MaxPayload)}
	}
	fx.enqueueAll(specs...)
	for i, t := range fx.claim(task.DefaultQueue, len(specs)) {
		if !bytes.Equal(t.Payload, specs[i].Payload) {
			fx.Errorf("payload %d changed", i)
		}
	}
}
