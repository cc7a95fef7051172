package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var enqueueRules = []rule{
	{"TaskComesBackAsItWasAskedFor", taskComesBackAsItWasAskedFor},
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

func taskComesBackAsItWasAskedFor(b *bundle) {
	spec := task.Spec{
		ID: "a-1", Kind: "video.cut", Queue: "q", Payload: []byte("{}"), Priority: -7, Group: "acme", Unique: "once",
		Headers: map[string]string{"trace": "x", "ü": "€"}, Timeout: time.Minute, TTL: time.Hour, Deadline: 2 * time.Hour,
		MaxAttempts: 3, Backoff: task.Backoff{Base: time.Second, Max: time.Minute}, Retain: ptr(3 * time.Hour),
	}
	before := b.Now(b)
	r := b.enqueueAll(spec)[0]
	if r.ID != "a-1" || r.State != task.Waiting || r.Duplicate || r.Err != nil {
		b.Errorf("receipt %+v", r)
	}
	t := b.get("a-1")
	if d := cmp.Diff(spec, task.Spec{
		ID: t.ID, Kind: t.Kind, Queue: t.Queue, Payload: t.Payload, Priority: t.Priority, Group: t.Group, Unique: t.Unique,
		Headers: t.Headers, Timeout: t.Timeout, TTL: time.Hour, Deadline: 2 * time.Hour,
		MaxAttempts: t.MaxAttempts, Backoff: t.Backoff, Retain: t.Retain,
	}); d != "" {
		b.Error("the task differs (-asked +got):\n", d)
	}
	if t.Version != 1 || t.Attempt != 0 || t.CreatedAt.Before(before) {
		b.Errorf("version %d, attempt %d, created %v before %v", t.Version, t.Attempt, t.CreatedAt, before)
	}
	if got := t.ExpiresAt.Sub(t.CreatedAt); got != time.Hour {
		b.Errorf("expires %v after its creation", got)
	}
	if got := t.DeadlineAt.Sub(t.CreatedAt); got != 2*time.Hour {
		b.Errorf("deadline %v after its creation", got)
	}
	claimed := b.claim("q", 1)
	b.wantIDs(claimed, "a-1")
	if c := claimed[0]; !bytes.Equal(c.Payload, spec.Payload) || c.Priority != -7 || c.Group != "acme" ||
		c.State != task.Running || c.Attempt != 1 || c.Replica != "r" {
		b.Errorf("claimed %+v", c)
	}
}

func sameIDIsOneTask(b *bundle) {
	b.enqueue(task.Spec{ID: "one", Payload: []byte("first")})
	r := b.enqueueAll(task.Spec{ID: "one", Payload: []byte("second"), Queue: "other", Delay: time.Hour})[0]
	if r.ID != "one" || !r.Duplicate || r.State != task.Waiting {
		b.Errorf("receipt %+v", r)
	}
	if t := b.get("one"); string(t.Payload) != "first" || t.Queue != task.DefaultQueue {
		b.Errorf("the duplicate changed the task: %+v", t)
	}
	if n := len(b.events()); n != 1 {
		b.Errorf("%d events, want 1", n)
	}
}

func sameIDIsOneTaskForFiftyClients(b *bundle) {
	made := make([]task.Receipt, 50)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			store := b.Store
			if i%2 == 1 {
				store = b.Peer
			}
			r, err := store.Enqueue(b.ctx, []task.Spec{{ID: "one", Kind: "k", Payload: fmt.Append(nil, i)}})
			if err != nil {
				b.Error(err)
				return
			}
			made[i] = r[0]
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range made {
		if r.ID != "one" {
			b.Errorf("receipt %+v", r)
		}
		if !r.Duplicate {
			fresh++
		}
	}
	if fresh != 1 {
		b.Errorf("%d clients made it", fresh)
	}
	b.wantIDs(b.claim(task.DefaultQueue, 50), "one")
}

func sameIDInABatchIsOneTask(b *bundle) {
	rs := b.enqueueAll(task.Spec{ID: "x"}, task.Spec{ID: "y"}, task.Spec{ID: "x"})
	if rs[0].Duplicate || rs[1].Duplicate || !rs[2].Duplicate {
		b.Errorf("receipts %+v", rs)
	}
	b.wantIDs(b.claim(task.DefaultQueue, 5), "x", "y")
}

func madeIDsSortByTime(b *bundle) {
	var made []string
	for range 3 {
		for _, r := range b.enqueueAll(make([]task.Spec, 40)...) {
			made = append(made, r.ID)
		}
		b.passes(2 * time.Millisecond)
	}
	if !slices.IsSorted(made) {
		b.Errorf("the ids do not sort by time: %v", made)
	}
	for _, id := range made {
		if len(id) != 22 || task.CheckName(id) != nil {
			b.Errorf("id %q has %d characters, want 22 of a name", id, len(id))
		}
	}
}

func duplicateReturnsTheState(b *bundle) {
	again := func(want task.State) {
		b.Helper()
		if r := b.enqueueAll(task.Spec{ID: "x"})[0]; !r.Duplicate || r.State != want {
			b.Errorf("receipt %+v, want a duplicate that is %s", r, want)
		}
	}
	b.enqueue(task.Spec{ID: "x", Delay: time.Millisecond, Retain: ptr(time.Hour)})
	b.passes(time.Millisecond)
	again(task.Scheduled)
	got := b.claim(task.DefaultQueue, 1)
	b.wantIDs(got, "x")
	again(task.Running)
	b.accept(failIn(got[0], time.Hour))
	again(task.Scheduled)
	b.stop("x")
	again(task.Stopped)
	b.remove("x")
	if r := b.enqueueAll(task.Spec{ID: "x"})[0]; r.Duplicate {
		b.Errorf("the id of a deleted task is not free: %+v", r)
	}
}

func badSpecIsRefusedBeforeAnythingIsWritten(b *bundle) {
	for _, bad := range []task.Spec{
		{}, {Kind: "a b"}, {Kind: "k", Queue: "{q}"}, {Kind: "k", ID: "\x00"}, {Kind: "k", Group: "g\n"}, {Kind: "k", Delay: -1},
		{Kind: "k", Delay: time.Second, RunAt: time.Now()}, {Kind: "k", MaxAttempts: -1}, {Kind: "k", TTL: time.Microsecond},
	} {
		_, err := b.Store.Enqueue(b.ctx, []task.Spec{{Kind: "good"}, bad})
		var field *task.FieldError
		if !errors.As(err, &field) {
			b.Errorf("%+v: error %v, want a field error", bad, err)
		}
	}
	if s := b.stats(); s.Enqueued != 0 || s.Events != 0 {
		b.Errorf("%d tasks and %d events were written", s.Enqueued, s.Events)
	}
}

func payloadBytesSurvive(b *bundle) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	payloads := [][]byte{
		{}, []byte("0"), []byte(`{"big":12345678901234567890123,"neg":-0,"e":1e400}`), []byte("[]"), []byte("[[],{}]"),
		[]byte("3.14159265358979323846264338327950288"), []byte("\xff\xfe\x00bad utf-8\xc3"), {0}, all, []byte("\r\n$5\r\n"),
		[]byte(`{ "spaced" :  [ 1 ,2 ] }` + "\n"), bytes.Repeat([]byte("é"), 50_000), []byte(`"\u0000\ud800"`),
	}
	specs := make([]task.Spec, len(payloads))
	for i, p := range payloads {
		specs[i] = task.Spec{ID: fmt.Sprint("p", i), Payload: p}
	}
	b.enqueueAll(specs...)
	for i, t := range b.claim(task.DefaultQueue, len(payloads)) {
		if !bytes.Equal(t.Payload, payloads[i]) {
			b.Errorf("payload %d reached the replica as %.60q, was %.60q", i, t.Payload, payloads[i])
		}
		if got := b.get(t.ID).Payload; !bytes.Equal(got, payloads[i]) {
			b.Errorf("payload %d reads as %.60q", i, got)
		}
	}
}

func payloadHasACap(b *bundle) {
	most := bytes.Repeat([]byte{0xf5}, task.MaxPayload)
	t := b.start(task.Spec{Payload: most})
	if !bytes.Equal(t.Payload, most) {
		b.Error("a payload of the largest size changed")
	}
	_, err := b.Store.Enqueue(b.ctx, []task.Spec{{Kind: "k", Payload: append(most, 1)}})
	var field *task.FieldError
	if !errors.As(err, &field) || field.Field != "payload" {
		b.Errorf("one byte over: %v, want a field error on payload", err)
	}
}

func fullQueueRefusesTheRest(b *bundle) {
	b.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(2)})
	b.enqueue(task.Spec{ID: "a", Queue: "q"})
	rs := b.enqueueAll(task.Spec{ID: "a", Queue: "q"}, task.Spec{ID: "b", Queue: "q", Group: "g"},
		task.Spec{ID: "c", Queue: "q"}, task.Spec{ID: "d", Queue: "free"})
	if !rs[0].Duplicate || rs[1].Err != nil || !errors.Is(rs[2].Err, task.ErrQueueFull) || rs[3].Err != nil {
		b.Errorf("receipts %+v", rs)
	}
	if rs[2].ID != "c" {
		b.Errorf("the refused one is %q", rs[2].ID)
	}
	b.wantNoTrace("c")
}

func fullQueueAcceptsScheduled(b *bundle) {
	b.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(2)})
	later := func(id string) task.Spec { return task.Spec{ID: id, Queue: "q", Delay: time.Hour} }
	now := func(id string) task.Spec { return task.Spec{ID: id, Queue: "q"} }
	rs := b.enqueueAll(later("a"), later("b"), later("c"), now("d"), now("e"), now("f"), later("g"))
	for i, r := range rs {
		if full := errors.Is(r.Err, task.ErrQueueFull); full != (r.ID == "f") || r.Err != nil && !full {
			b.Errorf("receipt %d: %+v", i, r)
		}
	}
	b.Push(b, `{"kind":"k","queue":"q","id":"h","delay_ms":3600000}`, `{"kind":"k","queue":"q","id":"i"}`)
	b.admit()
	b.wantState("h", task.Scheduled)
	b.wantNoTrace("i")
}

func fullQueueAcceptsAgain(b *bundle) {
	b.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(1)})
	b.start(task.Spec{ID: "a", Queue: "q"})
	b.enqueue(task.Spec{ID: "b", Queue: "q"})
	if r := b.enqueueAll(task.Spec{ID: "c", Queue: "q"})[0]; r.Err == nil {
		b.Error("the cap did not hold")
	}
	b.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(0)})
	if r := b.enqueueAll(task.Spec{ID: "c", Queue: "q"})[0]; r.Err != nil {
		b.Error("refused without a cap: ", r.Err)
	}
}

func batchesOverAThousandKeepTheirOrder(b *bundle) {
	specs := make([]task.Spec, 2100)
	want := make([]string, len(specs))
	for i := range specs {
		want[i] = fmt.Sprint("t", i)
		specs[i] = task.Spec{ID: want[i]}
	}
	for i, r := range b.enqueueAll(specs...) {
		if r.ID != want[i] {
			b.Fatalf("receipt %d is of %s", i, r.ID)
		}
	}
	if d := cmp.Diff(want, ids(b.claim(task.DefaultQueue, len(want)))); d != "" {
		b.Error("started in another order (-want +got):\n", d)
	}
}

func largePayloadsInOneBatch(b *bundle) {
	specs := make([]task.Spec, 9)
	for i := range specs {
		specs[i] = task.Spec{Payload: bytes.Repeat([]byte{byte(i)}, task.MaxPayload)}
	}
	b.enqueueAll(specs...)
	for i, t := range b.claim(task.DefaultQueue, len(specs)) {
		if !bytes.Equal(t.Payload, specs[i].Payload) {
			b.Errorf("payload %d changed", i)
		}
	}
}
