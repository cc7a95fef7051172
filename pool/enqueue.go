package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/ltsworker/ltsworker/worker"
)

// NewSpec describes the task that Enqueue would make of args and opts, for
// EnqueueAll. It fails where args do not encode to JSON; everything else is
// checked when the spec is enqueued.
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
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	return s, nil
}

// Enqueue makes a task of args, which become its payload as JSON.
//
// A task whose id or unique key is taken is no error: the receipt is marked
// Duplicate and names the task that has it. A queue that is full is
// ErrQueueFull, and bad options are FieldErrors; no task was made then. After any
// other error the task may have been made all the same, so give it an ID where
// making it twice would matter. That holds for the end of ctx too, at which
// Enqueue returns at once.
//
// Concurrent calls share round trips; a lone one goes out at once.
func (p *Pool) Enqueue(ctx context.Context, args Kinder, opts ...Option) (Receipt, error) {
	s, err := NewSpec(args, opts...)
	if err != nil {
		return Receipt{}, fmt.Errorf("enqueue: %w", err)
	}
	return p.enqueue(ctx, s)
}

// EnqueueSpec is Enqueue for a task whose payload is not made of a Go type. The
// payload reaches the handler byte for byte.
func (p *Pool) EnqueueSpec(ctx context.Context, s Spec) (Receipt, error) {
	// The call may outlive this one, and what s points to is the caller's.
	s.Payload = bytes.Clone(s.Payload)
	s.Headers = maps.Clone(s.Headers)
	if s.Retain != nil {
		retain := *s.Retain
		s.Retain = &retain
	}
	return p.enqueue(ctx, s)
}

func (p *Pool) enqueue(ctx context.Context, s Spec) (Receipt, error) {
	if err := s.Check(); err != nil {
		return Receipt{}, fmt.Errorf("enqueue %s: %w", s.Kind, err)
	}
	r, err := p.commit.one(ctx, s)
	if err == nil {
		err = r.Err
	}
	if err != nil {
		return r, fmt.Errorf("enqueue %s: %w", s.Kind, err)
	}
	return r, nil
}

// EnqueueAll makes many tasks, in order, and answers with one receipt each, in
// that order.
//
// All specs are checked before any task is made, and everything that is wrong
// with any comes back at once, as FieldErrors such as "specs[3].queue". Tasks are
// then made in atomic batches of up to 500 tasks and about 4 MiB. Duplicates are no
// errors. Where the store refuses some (ErrQueueFull) or fails on the way, there is
// an error that says how many were not made, and every receipt is still there:
// those with an Err were refused, or their fate is not known.
func (p *Pool) EnqueueAll(ctx context.Context, specs []Spec) ([]Receipt, error) {
	var errs []error
	for i := range specs {
		if err := specs[i].Check(); err != nil {
			errs = append(errs, renamed(err, func(field string) string { return fmt.Sprintf("specs[%d].%s", i, field) }))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}

	receipts := make([]Receipt, 0, len(specs))
	for len(receipts) < len(specs) {
		rest := specs[len(receipts):]
		batch := rest[:batchLen(rest)]
		made, err := p.store.Enqueue(ctx, batch)
		if err == nil && len(made) != len(batch) {
			err = miscounted(len(made), len(batch))
		}
		if err != nil {
			for i, s := range rest {
				r := Receipt{ID: s.ID}
				if i < len(made) {
					r = made[i] // it exists, but not as safely as was asked for
				}
				if r.Err == nil {
					r.Err = err
				}
				receipts = append(receipts, r)
			}
			break
		}
		receipts = append(receipts, made...)
	}
	return receipts, refusals(receipts)
}

// batchLen is how many of specs go into the next call.
func batchLen(specs []Spec) int {
	bytes := 0
	for i, s := range specs[:min(len(specs), maxBatch)] {
		if bytes += specBytes(s); bytes > maxBatchBytes && i > 0 {
			return i
		}
	}
	return min(len(specs), maxBatch)
}

// refusals sums up the receipts with an error, with the first of each kind.
func refusals(receipts []Receipt) error {
	n := 0
	var firsts []error
	for i, r := range receipts {
		if r.Err == nil {
			continue
		}
		n++
		known := false
		for _, f := range firsts {
			known = known || errors.Is(f, r.Err)
		}
		if !known {
			firsts = append(firsts, fmt.Errorf("specs[%d]: %w", i, r.Err))
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("enqueue: %d of %d tasks not known to be made: %w", n, len(receipts), errors.Join(firsts...))
}

func miscounted(receipts, specs int) error {
	return fmt.Errorf("store answered %d receipts to %d specs", receipts, specs)
}

// specBytes is the size of what a spec carries, near enough for a cap.
func specBytes(s worker.Spec) int {
	n := len(s.Payload)
	for k, v := range s.Headers {
		n += len(k) + len(v)
	}
	return n
}
