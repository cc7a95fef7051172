package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// maxBatch bounds what one script call makes, so that none holds Redis up for
// more than a few milliseconds.
const (
	maxBatch      = 1000
	maxBatchBytes = 4 << 20
)

// lane numbers enqueue calls that are made one after the other, so that Redis
// can tell a repeated call from a new one.
type lane struct {
	name string
	call int64
}

func (s *Store) takeLane() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.lanes); n > 0 {
		l := s.lanes[n-1]
		s.lanes = s.lanes[:n-1]
		return l
	}
	s.nLanes++
	return &lane{name: fmt.Sprintf("%s:%d", s.client, s.nLanes)}
}

func (s *Store) putLane(l *lane) {
	s.mu.Lock()
	s.lanes = append(s.lanes, l)
	s.mu.Unlock()
}

// Enqueue makes one task of each spec and answers in their order. Up to a
// thousand specs with up to 4 MiB of payload are one atomic step; more are several.
// Every spec is checked before the first is written.
//
// With an error the receipts cover the steps that succeeded. The tasks of the step
// that failed may or may not exist: enqueue them again under given ids to be sure of
// one task each. Later steps were not tried. With ErrNotReplicated there are receipts
// for the step that failed, too: its tasks exist.
func (s *Store) Enqueue(ctx context.Context, specs []worker.Spec) ([]worker.Receipt, error) {
	if s.waitReplicas > 0 && s.waitTimeout < time.Millisecond {
		return nil, &worker.FieldError{Field: "timeout of WithWait", Msg: fmt.Sprintf("must be at least 1ms, not %v", s.waitTimeout)}
	}
	for i := range specs {
		if err := specs[i].Check(); err != nil {
			return nil, fmt.Errorf("task %d of %d: %w", i+1, len(specs), err)
		}
	}
	if err := s.mayWrite(ctx); err != nil {
		return nil, err
	}
	if err := s.marksSchema(ctx); err != nil {
		return nil, s.fail(ctx, "enqueue", err)
	}
	receipts := make([]worker.Receipt, 0, len(specs))
	for len(specs) > 0 {
		n, bytes := 0, 0
		for n < len(specs) && n < maxBatch && (n == 0 || bytes+len(specs[n].Payload) <= maxBatchBytes) {
			bytes += len(specs[n].Payload)
			n++
		}
		got, err := s.enqueue(ctx, specs[:n])
		receipts = append(receipts, got...)
		if err != nil {
			return receipts, s.fail(ctx, "enqueue", err)
		}
		specs = specs[n:]
	}
	return receipts, nil
}

func (s *Store) enqueue(ctx context.Context, specs []worker.Spec) ([]worker.Receipt, error) {
	l := s.takeLane()
	defer s.putLane(l)
	l.call++
	args := make([]any, 0, 3+6*len(specs))
	args = append(args, l.name, l.call, len(specs))
	receipts := make([]worker.Receipt, len(specs))
	for i := range specs {
		spec := &specs[i]
		receipts[i].ID = spec.ID
		if spec.ID == "" {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, err
			}
			receipts[i].ID = id.String()
		}
		var err error
		args, err = appendSpec(append(args, spec.Payload), markMade(receipts[i].ID, spec.ID == ""), spec)
		if err != nil {
			return nil, err
		}
	}

	st := &step{script: enqueueScript, args: args}
	unconfirmed := s.enqueueStep(ctx, st)
	if unconfirmed != nil && !errors.Is(unconfirmed, ErrNotReplicated) {
		return nil, unconfirmed
	}
	r := readReply("enqueue", st.reply)
	now := time.UnixMilli(r.int())
	for i := range specs {
		receipts[i].State = worker.Waiting
		if specs[i].Delay > 0 || specs[i].RunAt.After(now) {
			receipts[i].State = worker.Scheduled
		}
	}
	for r.more() {
		i, why, id, state := r.int()-1, r.string(), r.string(), r.string()
		switch {
		case i < 0 || i >= int64(len(specs)):
			r.fail("the index of a task", i)
		case why == "dup":
			receipts[i] = worker.Receipt{ID: id, State: worker.State(state), Duplicate: true}
		case why == "full":
			receipts[i] = worker.Receipt{ID: receipts[i].ID, Err: fmt.Errorf("%w: %s", worker.ErrQueueFull, queueOf(&specs[i]))}
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return receipts, unconfirmed
}

// markMade tells the scripts of an id that was made for its task and that
// therefore no other can have: a + cannot begin a name.
func markMade(id string, made bool) string {
	if made {
		return "+" + id
	}
	return id
}

func queueOf(s *worker.Spec) string {
	if s.Queue == "" {
		return worker.DefaultQueue
	}
	return s.Queue
}

// appendSpec adds what the scripts' admit reads of a spec.
func appendSpec(args []any, id string, s *worker.Spec) ([]any, error) {
	fields, err := specFields(s)
	if err != nil {
		return nil, err
	}
	args = append(args, id, s.Kind, queueOf(s), int(s.Priority))
	if len(fields) == 0 {
		return append(args, 0), nil
	}
	ms := func(d time.Duration) any {
		if d == 0 {
			return ""
		}
		return (d + time.Millisecond - 1).Milliseconds() // rounded up, so that nothing starts early
	}
	var runAt any = ""
	if !s.RunAt.IsZero() {
		runAt = s.RunAt.Add(time.Millisecond - 1).UnixMilli()
	}
	args = append(args, 6+len(fields), s.Group, s.Unique, ms(s.Delay), runAt, ms(s.TTL), ms(s.Deadline))
	return append(args, fields...), nil
}

// enqueueStep makes the call, and waits for replication where that was asked
// for: WAIT speaks of the writes of its own connection, so both go to the same.
// With ErrNotReplicated the step has its reply.
func (s *Store) enqueueStep(ctx context.Context, st *step) error {
	if s.waitReplicas == 0 {
		return s.pipe(ctx, s.rdb, st)
	}
	return s.settle(ctx, s.rdb, func() error { return s.enqueueAndWait(ctx, st) })
}

func (s *Store) enqueueAndWait(ctx context.Context, st *step) error {
	node, err := s.home(ctx)
	if err != nil {
		return err
	}
	for range 2 {
		p := node.Pipeline()
		call := p.EvalSha(ctx, st.script.Hash(), s.keys, st.args...)
		wait := p.Do(ctx, "WAIT", s.waitReplicas, s.waitTimeout.Milliseconds())
		p.Exec(ctx)
		if err := call.Err(); err != nil {
			if !redis.HasErrorPrefix(err, "NOSCRIPT") {
				return err
			}
			if err := st.script.Load(ctx, node).Err(); err != nil {
				return err
			}
			continue
		}
		st.reply = call.Val()
		acked, err := wait.Int()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotReplicated, err)
		}
		if acked < s.waitReplicas {
			return fmt.Errorf("%w: %d of %d within %v", ErrNotReplicated, acked, s.waitReplicas, s.waitTimeout)
		}
		return nil
	}
	return fmt.Errorf("the server does not keep the enqueue script")
}
