package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// ErrNotTried is set in the receipts of EnqueueAll for tasks that were not sent,
// because the store failed at an earlier one. They were not made.
var ErrNotTried = errors.New("not tried: the store failed at an earlier task")

// NewSpec returns the spec of the task that Enqueue would make of args and opts, for
// use with EnqueueAll. It fails if args do not encode to JSON. Everything else is
// checked by the enqueue.
func NewSpec(args Kinder, opts ...Option) (Spec, error) {
	if args == nil {
		return Spec{}, &FieldError{Field: "args", Msg: "must not be nil"}
	}
	s := Spec{Kind: args.Kind()}
	payload, err := json.Marshal(args)
	if err != nil {
		return Spec{}, &FieldError{Field: "args", Msg: "do not encode to JSON: " + err.Error()}
	}
	s.Payload = payload
	if len(opts) == 0 {
		return s, nil
	}
	return withOptions(s, opts), nil
}

// withOptions returns s with the options applied. It is a function of its own because
// the options take a pointer, which moves its s to the heap.
func withOptions(s Spec, opts []Option) Spec {
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	return s
}

// Enqueue makes a task of args, which become its payload as JSON.
//
// If the id or the unique key is taken, Enqueue returns no error: the receipt is marked
// Duplicate and names the task that has it. If the queue is full, Enqueue returns
// ErrQueueFull. With FailOnLimit it returns ErrLimitReached if the limits leave no place
// for the task to run now. Invalid arguments and options are FieldErrors. In these cases no task
// was made.
//
// After any other error, such as the end of ctx, at which Enqueue returns at once, the
// task may have been made nevertheless. Give it an ID if making it twice would matter.
//
// Concurrent calls share round trips. A single call is sent at once.
func (p *Pool) Enqueue(ctx context.Context, args Kinder, opts ...Option) (Receipt, error) {
	s, err := NewSpec(args, opts...)
	if err != nil {
		return Receipt{}, fmt.Errorf("enqueue: %w", err)
	}
	return p.enqueue(ctx, s)
}

// EnqueueSpec is Enqueue for a payload that is not made of a Go type. The payload is
// any UTF-8 text. It is passed to the handler byte for byte.
func (p *Pool) EnqueueSpec(ctx context.Context, s Spec) (Receipt, error) {
	// The call to the store may outlive this one, after which the caller may change
	// what s points to.
	s.Payload = bytes.Clone(s.Payload)
	s.Headers = maps.Clone(s.Headers)
	s.Labels = slices.Clone(s.Labels)
	if s.Retain != nil {
		retain := *s.Retain
		s.Retain = &retain
	}
	s.ShardParams = slices.Clone(s.ShardParams)
	if s.Then != nil {
		next := *s.Then
		next.Payload, next.Headers = bytes.Clone(next.Payload), maps.Clone(next.Headers)
		s.Then = &next
	}
	return p.enqueue(ctx, s)
}

func (p *Pool) enqueue(ctx context.Context, s Spec) (Receipt, error) {
	if s.Queue == "" {
		s.Queue = p.ownQueues[s.Kind]
	}
	s.Then = p.toOwnQueue(s.Then)
	if err := s.Check(); err != nil {
		return Receipt{}, fmt.Errorf("enqueue %s: %w", s.Kind, err)
	}
	if p.cfg.Tracer != nil {
		return p.enqueueTraced(ctx, s)
	}
	return p.enqueueChecked(ctx, s)
}

func (p *Pool) enqueueChecked(ctx context.Context, s Spec) (Receipt, error) {
	r, err := p.commit.one(ctx, s)
	switch {
	case err != nil:
		return r, err
	case r.Err != nil:
		return r, fmt.Errorf("enqueue %s: %w", s.Kind, r.Err)
	}
	return r, nil
}

// EnqueueAll makes many tasks in the order of specs and returns one receipt each, in
// that order. A duplicate is no error.
//
// All specs are checked before any task is made. Everything that is wrong with them is
// returned at once, as FieldErrors such as "specs[3].queue". The tasks are then made in
// atomic batches of up to 500 tasks, about 4 MiB, 25 broadcasts, and 100 changes of queue,
// kind or options from one task to the next.
//
// If the store refuses tasks or fails on the way, the error contains how many and the
// first few; there is still a receipt for every task. If the Err of a receipt is
// ErrQueueFull, ErrLimitReached or ErrNotTried (use errors.Is) or a FieldError (use errors.As), the task
// was not made. With any other Err the task may have been made, and has been if the
// receipt has a State. Give an ID to tasks that you would enqueue again, so that none is
// made twice.
func (p *Pool) EnqueueAll(ctx context.Context, specs []Spec) ([]Receipt, error) {
	var errs []error
	for i := range specs {
		if err := specs[i].Check(); err != nil {
			errs = append(errs, renameFields(err, func(field string) string { return fmt.Sprintf("specs[%d].%s", i, field) }))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}

	specs = p.toOwnQueues(specs)
	if p.cfg.Tracer != nil {
		return p.enqueueAllTraced(ctx, specs)
	}
	return p.enqueueAllChecked(ctx, specs)
}

func (p *Pool) enqueueAllChecked(ctx context.Context, specs []Spec) ([]Receipt, error) {
	receipts := make([]Receipt, 0, len(specs))
	for len(receipts) < len(specs) {
		rest := specs[len(receipts):]
		batch := rest[:batchLen(rest)]
		made, err := p.store.Enqueue(ctx, batch)
		if err == nil && len(made) != len(batch) {
			err = receiptCountError(len(made), len(batch))
		}
		if err != nil {
			for i, s := range rest {
				r := Receipt{ID: s.ID, Err: err}
				switch {
				case i < len(made):
					// Made, but not replicated as requested.
					if r = made[i]; r.Err == nil {
						r.Err = err
					}
				case i >= len(batch):
					r.Err = ErrNotTried
				}
				receipts = append(receipts, r)
			}
			break
		}
		receipts = append(receipts, made...)
	}
	return receipts, refusals(receipts)
}

// toOwnQueues returns specs with the own queues of their kinds where they name no queue. It
// does not change the slice of the caller.
func (p *Pool) toOwnQueues(specs []Spec) []Spec {
	if len(p.ownQueues) == 0 {
		return specs
	}
	specs = slices.Clone(specs)
	for i := range specs {
		if s := &specs[i]; s.Queue == "" {
			s.Queue = p.ownQueues[s.Kind]
		}
		specs[i].Then = p.toOwnQueue(specs[i].Then)
	}
	return specs
}

// toOwnQueue is toOwnQueues for a task that follows, nil for none.
func (p *Pool) toOwnQueue(next *Spec) *Spec {
	if next == nil || next.Queue != "" || p.ownQueues[next.Kind] == "" {
		return next
	}
	s := *next
	s.Queue = p.ownQueues[s.Kind]
	return &s
}

// batchLen returns how many of specs go into the next call.
func batchLen(specs []Spec) int {
	bytes := 0
	for i := range specs[:min(len(specs), maxBatch)] {
		if bytes += specBytes(&specs[i]); bytes > maxBatchBytes && i > 0 {
			return i
		}
	}
	return min(len(specs), maxBatch)
}

// maxNamed is how many tasks of each sort an error of EnqueueAll lists.
const maxNamed = 3

// refusals returns an error for the receipts with an Err: the number of tasks that were
// refused, that may have been made, and that were not tried, with the first few of
// each.
func refusals(receipts []Receipt) error {
	var sum batchError
	for _, sort := range []struct {
		text string
		is   func(error) bool
	}{
		{"were refused", wasRefused},
		{"may have been made or not", func(err error) bool { return !wasRefused(err) && !errors.Is(err, ErrNotTried) }},
		{"were not tried after that", func(err error) bool { return errors.Is(err, ErrNotTried) }},
	} {
		n := 0
		var named []string
		for i, r := range receipts {
			if r.Err == nil || !sort.is(r.Err) {
				continue
			}
			if n++; n > maxNamed {
				continue
			}
			sum.errs = append(sum.errs, r.Err)
			if r.Err != ErrNotTried {
				named = append(named, fmt.Sprintf("specs[%d]: %v", i, r.Err))
			}
		}
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("%d of %d tasks %s", n, len(receipts), sort.text)
		if len(named) > 0 {
			text += " (" + strings.Join(named, "; ")
			if n > maxNamed {
				text += fmt.Sprintf("; and %d more", n-maxNamed)
			}
			text += ")"
		}
		sum.texts = append(sum.texts, text)
	}
	if len(sum.texts) == 0 {
		return nil
	}
	return &sum
}

// wasRefused reports whether the error of a receipt says that the task was not made.
func wasRefused(err error) bool {
	var field *FieldError
	return errors.Is(err, ErrQueueFull) || errors.Is(err, ErrLimitReached) || errors.As(err, &field)
}

// batchError lists the tasks of an EnqueueAll that were not made for certain.
type batchError struct {
	texts []string
	errs  []error // the first few of each sort
}

func (e *batchError) Error() string   { return "enqueue: " + strings.Join(e.texts, ", ") }
func (e *batchError) Unwrap() []error { return e.errs }

func receiptCountError(receipts, specs int) error {
	return fmt.Errorf("store answered %d receipts to %d specs", receipts, specs)
}

// specBytes returns the approximate size of a spec.
func specBytes(s *task.Spec) int {
	n := len(s.Payload)
	for k, v := range s.Headers {
		n += len(k) + len(v)
	}
	for _, p := range s.ShardParams {
		n += len(p)
	}
	if s.Then != nil {
		n += specBytes(s.Then)
	}
	return n
}
