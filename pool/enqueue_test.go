package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

type email struct {
	To string `json:"to,omitempty"`
}

func (email) Kind() string { return "email.send" }

type unencodable struct{ C chan int }

func (unencodable) Kind() string { return "endless" }

func TestOptionsSetTheFieldsOfTheSpec(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	hour := time.Hour
	got, err := NewSpec(email{To: "a@b.c"},
		ID("id"), InQueue("mail"), Priority(-7), Group("acme"), Unique("u"), Reply(),
		Headers(map[string]string{"a": "1", "b": "1"}), Headers(map[string]string{"b": "2"}),
		RunAt(at), Timeout(Forever), TTL(time.Minute), Deadline(2*time.Hour), MaxAttempts(3),
		RetryBackoff(Backoff{Fixed: true, Base: time.Second}), Retain(hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		ID: "id", Kind: "email.send", Queue: "mail", Payload: []byte(`{"to":"a@b.c"}`), Priority: -7,
		Group: "acme", Unique: "u", Reply: true, Headers: map[string]string{"a": "1", "b": "2"},
		RunAt: at, Timeout: Forever, TTL: time.Minute, Deadline: 2 * time.Hour, MaxAttempts: 3,
		Backoff: Backoff{Fixed: true, Base: time.Second}, Retain: &hour,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, _ := NewSpec(email{}, Delay(time.Second)); got.Delay != time.Second {
		t.Errorf("delay %v", got.Delay)
	}
}

func TestUniqueByArgsIsMadeOfKindAndPayload(t *testing.T) {
	key := func(args Kinder, opts ...Option) string {
		t.Helper()
		s, err := NewSpec(args, append(opts, UniqueByArgs())...)
		if err != nil {
			t.Fatal(err)
		}
		return s.Unique
	}
	// printf %s '{"to":"ann"}' | sha256sum | head -c 32
	if got, want := key(email{"ann"}), "email.send:cde2c6fc07f7380c47e27c6f91748603"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
	if key(email{"ann"}, InQueue("q"), Priority(3), Unique("other")) != key(email{"ann"}) {
		t.Error("other options change the key")
	}
	for _, other := range []Kinder{email{"bob"}, email{}, renamedEmail{"ann"}} {
		if key(other) == key(email{"ann"}) {
			t.Errorf("%#v has the same key", other)
		}
	}
}

// renamedEmail is an email of another kind.
type renamedEmail email

func (renamedEmail) Kind() string { return "email.send.v2" }

func TestOneOptionServesManyTasks(t *testing.T) {
	h := Headers(map[string]string{"a": "1"})
	one, _ := NewSpec(email{}, h)
	two, _ := NewSpec(email{}, h)
	one.Headers["a"] = "changed"
	if two.Headers["a"] != "1" {
		t.Error("two tasks share one map")
	}
}

func TestArgumentsThatDoNotEncodeAreRefused(t *testing.T) {
	p := newTestPool(t, newFakeStore(), Config{})
	for name, args := range map[string]Kinder{"nil": nil, "channel": unencodable{}} {
		_, err := p.Enqueue(t.Context(), args)
		var f *FieldError
		if !errors.As(err, &f) || f.Field != "args" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEnqueueReturnsAllErrorsBeforeAnythingIsWritten(t *testing.T) {
	s := newFakeStore()
	p := newTestPool(t, s, Config{})
	_, err := p.Enqueue(t.Context(), email{}, InQueue("a b"), Group("{"), MaxAttempts(-1))
	wantFields(t, err, "queue", "group", "max_attempts")

	_, err = p.Enqueue(t.Context(), email{}, Reply(), Unique("\xff"))
	wantFields(t, err, "unique", "reply")

	_, err = p.Enqueue(t.Context(), verbatim("\"\xff\""))
	wantFields(t, err, "payload")

	_, err = p.EnqueueSpec(t.Context(), Spec{TTL: -1})
	wantFields(t, err, "kind", "ttl")

	_, err = p.EnqueueAll(t.Context(), []Spec{{Kind: "fine"}, {Kind: "a b", Queue: " "}, {Kind: "fine"}, {Kind: "k", Delay: -1}})
	wantFields(t, err, "specs[1].kind", "specs[1].queue", "specs[3].delay")

	if n := s.calls("enqueue"); n != 0 {
		t.Errorf("the store was called %d times", n)
	}
}

// verbatim is an argument that encodes itself.
type verbatim string

func (verbatim) Kind() string { return "verbatim" }

func (v verbatim) MarshalJSON() ([]byte, error) { return []byte(v), nil }

// wantFields checks that err consists of FieldErrors for these fields.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *FieldError:
			got = append(got, e.Field)
		case interface{ Unwrap() []error }:
			for _, e := range e.Unwrap() {
				walk(e)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields of %v:\n%s", err, diff)
	}
}

func TestFullQueueIsAnErrorAndADuplicateIsNot(t *testing.T) {
	s := newFakeStore()
	s.enqueue = func(_ context.Context, specs []task.Spec) ([]task.Receipt, error) {
		r := receiptsFor(specs)
		for i, spec := range specs {
			r[i].Duplicate = spec.ID == "twice"
			if spec.Queue == "full" {
				r[i] = task.Receipt{Err: task.ErrQueueFull}
			}
		}
		return r, nil
	}
	p := newTestPool(t, s, Config{})
	if r, err := p.Enqueue(t.Context(), email{}, ID("twice")); err != nil || !r.Duplicate {
		t.Errorf("duplicate: got %+v, %v", r, err)
	}
	if _, err := p.Enqueue(t.Context(), email{}, InQueue("full")); !errors.Is(err, ErrQueueFull) {
		t.Errorf("full queue: got %v", err)
	}
	receipts, err := p.EnqueueAll(t.Context(), []Spec{{Kind: "k", ID: "a"}, {Kind: "k", Queue: "full"}, {Kind: "k", Queue: "full"}, {Kind: "k", ID: "twice"}})
	if !errors.Is(err, ErrQueueFull) || !strings.Contains(err.Error(), "2 of 4") || !strings.Contains(err.Error(), "specs[1]") {
		t.Errorf("got %v", err)
	}
	if len(receipts) != 4 || receipts[0].ID != "a" || receipts[2].Err == nil || !receipts[3].Duplicate {
		t.Errorf("receipts %+v", receipts)
	}
}

func TestEnqueueAllKeepsOrderOverBatches(t *testing.T) {
	s := newFakeStore()
	p := newTestPool(t, s, Config{})
	specs := make([]Spec, 2*maxBatch+1)
	for i := range specs {
		specs[i] = Spec{Kind: "k", ID: fmt.Sprint(i)}
	}
	receipts, err := p.EnqueueAll(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.ID != specs[i].ID {
			t.Fatalf("receipt %d is of task %s", i, r.ID)
		}
	}
	if n := s.calls("enqueue"); len(receipts) != len(specs) || n != 3 {
		t.Errorf("%d receipts in %d calls", len(receipts), n)
	}
	if got, err := p.EnqueueAll(t.Context(), nil); len(got) != 0 || err != nil || s.calls("enqueue") != 3 {
		t.Errorf("no specs: got %v, %v", got, err)
	}
}

func TestEnqueueAllReturnsReceiptsOfTasksMadeBeforeAnError(t *testing.T) {
	s := newFakeStore()
	boom := errors.New("boom")
	s.enqueue = func(_ context.Context, specs []task.Spec) ([]task.Receipt, error) {
		if s.calls("enqueue") == 2 {
			return nil, boom
		}
		return receiptsFor(specs), nil
	}
	p := newTestPool(t, s, Config{})
	specs := make([]Spec, 3*maxBatch)
	for i := range specs {
		specs[i] = Spec{Kind: "k", ID: fmt.Sprint(i)}
	}
	receipts, err := p.EnqueueAll(t.Context(), specs)
	want := "enqueue: 500 of 1500 tasks may have been made or not (specs[500]: boom; specs[501]: boom; specs[502]: boom; and 497 more), " +
		"500 of 1500 tasks were not tried after that"
	if !errors.Is(err, boom) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if errors.Is(receipts[2*maxBatch-1].Err, ErrNotTried) || !errors.Is(receipts[2*maxBatch].Err, ErrNotTried) || receipts[2*maxBatch].ID != "1000" {
		t.Errorf("receipts after the failure: %+v", receipts[2*maxBatch-1:2*maxBatch+1])
	}
	if len(receipts) != len(specs) || receipts[maxBatch-1].Err != nil || receipts[maxBatch].Err == nil || receipts[maxBatch].ID != "500" {
		t.Errorf("receipts around the failure: %+v", receipts[maxBatch-1:maxBatch+1])
	}
}

func TestErrorOfManyRefusalsIsShort(t *testing.T) {
	s := newFakeStore()
	s.enqueue = func(_ context.Context, specs []task.Spec) ([]task.Receipt, error) {
		r := make([]task.Receipt, len(specs))
		for i, spec := range specs {
			r[i] = task.Receipt{ID: spec.ID, Err: fmt.Errorf("%w: %s", task.ErrQueueFull, spec.Queue)}
		}
		return r, nil
	}
	specs := make([]Spec, 2*maxBatch)
	for i := range specs {
		specs[i] = Spec{Kind: "k", ID: fmt.Sprint(i), Queue: "full"}
	}
	receipts, err := newTestPool(t, s, Config{}).EnqueueAll(t.Context(), specs)
	want := "enqueue: 1000 of 1000 tasks were refused (specs[0]: queue is full: full; specs[1]: queue is full: full; specs[2]: queue is full: full; and 997 more)"
	if !errors.Is(err, ErrQueueFull) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if len(receipts) != len(specs) || !errors.Is(receipts[999].Err, ErrQueueFull) {
		t.Errorf("%d receipts", len(receipts))
	}
}

func TestTasksWithAnInvalidFieldAreRefused(t *testing.T) {
	s := newFakeStore()
	s.enqueue = func(_ context.Context, specs []task.Spec) ([]task.Receipt, error) {
		r := make([]task.Receipt, len(specs))
		for i := range specs {
			r[i] = task.Receipt{ID: specs[i].ID, Err: &FieldError{Field: "ttl", Msg: "is too short"}}
		}
		return r, nil
	}
	p := newTestPool(t, s, Config{})
	_, err := p.EnqueueSpec(t.Context(), Spec{Kind: "k"})
	wantFields(t, err, "ttl")
	_, err = p.EnqueueAll(t.Context(), []Spec{{Kind: "k"}})
	if want := "enqueue: 1 of 1 tasks were refused (specs[0]: ttl is too short)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEnqueueSpecCopiesTheSpec(t *testing.T) {
	s := newFakeStore()
	seen := make(chan []task.Spec, 1)
	s.enqueue = func(_ context.Context, specs []task.Spec) ([]task.Receipt, error) {
		seen <- slices.Clone(specs)
		return receiptsFor(specs), nil
	}
	p := newTestPool(t, s, Config{})
	retain := time.Hour
	spec := Spec{Kind: "k", Payload: []byte("abc"), Headers: map[string]string{"a": "1"}, Retain: &retain}
	if _, err := p.EnqueueSpec(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	spec.Payload[0], spec.Headers["a"], *spec.Retain = 'x', "2", 0
	if got := (<-seen)[0]; string(got.Payload) != "abc" || got.Headers["a"] != "1" || *got.Retain != time.Hour {
		t.Errorf("the store sees %q %v %v", got.Payload, got.Headers, *got.Retain)
	}
}

// unconfirmedStore makes tasks and returns an error, like a store that could not
// replicate them in time.
type unconfirmedStore struct{ *fakeStore }

var errUnconfirmed = errors.New("made, but not confirmed")

func (s unconfirmedStore) Enqueue(ctx context.Context, specs []Spec) ([]Receipt, error) {
	receipts, err := s.fakeStore.Enqueue(ctx, specs)
	return receipts, errors.Join(err, errUnconfirmed)
}

func TestReceiptOfAnUnconfirmedTaskIsNotLost(t *testing.T) {
	p, err := New(unconfirmedStore{newFakeStore()}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.EnqueueSpec(t.Context(), Spec{Kind: "k", ID: "a"})
	if !errors.Is(err, errUnconfirmed) || r.State != Waiting {
		t.Errorf("one: %+v, %v", r, err)
	}
	rs, err := p.EnqueueAll(t.Context(), []Spec{{Kind: "k", ID: "b"}, {Kind: "k", ID: "c"}})
	if !errors.Is(err, errUnconfirmed) || len(rs) != 2 || rs[0].State != Waiting || !errors.Is(rs[1].Err, errUnconfirmed) {
		t.Errorf("all: %+v, %v", rs, err)
	}
}
