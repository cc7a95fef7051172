package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// sequence numbers enqueue calls that are made one after the other, so that the script
// distinguishes a repeated call from a new one.
type sequence struct {
	name string
	call int64
}

func (s *Store) takeSequence() *sequence {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.sequences); n > 0 {
		seq := s.sequences[n-1]
		s.sequences = s.sequences[:n-1]
		return seq
	}
	s.nSequences++
	return &sequence{name: fmt.Sprintf("%s:%d", s.client, s.nSequences)}
}

func (s *Store) putSequence(seq *sequence) {
	s.mu.Lock()
	s.sequences = append(s.sequences, seq)
	s.mu.Unlock()
}

// Enqueue makes one task for each spec and returns receipts in the order of the specs. It
// checks all specs before it writes the first. One atomic step makes at most 1,000 tasks
// with 4 MiB of payloads and headers, and at most 100 groups of consecutive specs that
// have the same queue, kind and options. Enqueue makes more tasks in several steps.
//
// With an error it returns the receipts of the steps that succeeded. The tasks of the
// step that failed may exist. Tasks that have ids of your own can be enqueued again
// without duplicates. Later steps were not tried. With ErrNotReplicated the receipts
// include the step that failed, because its tasks exist.
func (s *Store) Enqueue(ctx context.Context, specs []task.Spec) ([]task.Receipt, error) {
	if s.waitReplicas > 0 && s.waitTimeout < time.Millisecond {
		return nil, &task.FieldError{Field: "timeout of WithWait", Msg: fmt.Sprintf("must be at least 1ms, not %v", s.waitTimeout)}
	}
	for i := range specs {
		if err := specs[i].Check(); err != nil {
			return nil, fmt.Errorf("task %d of %d: %w", i+1, len(specs), err)
		}
	}
	if err := s.ready(ctx, creates); err != nil {
		return nil, err
	}
	receipts := make([]task.Receipt, len(specs))
	nameTasks(receipts, specs)
	for done := 0; done < len(specs); {
		n, err := s.enqueue(ctx, receipts[done:], specs[done:])
		if done += n; err != nil {
			return receipts[:done], s.fail(ctx, "enqueue", err)
		}
	}
	return receipts, nil
}

// enqueue makes the tasks of one step and returns the number of receipts that it set.
func (s *Store) enqueue(ctx context.Context, receipts []task.Receipt, specs []task.Spec) (n int, err error) {
	seq := s.takeSequence()
	defer s.putSequence(seq)
	seq.call++
	args, n := enqueueArgs(seq, receipts, specs)
	reply, unconfirmed := s.enqueueCall(ctx, args)
	if unconfirmed != nil && !errors.Is(unconfirmed, ErrNotReplicated) {
		return 0, unconfirmed
	}
	if err := decodeReceipts(reply, receipts[:n], specs[:n]); err != nil {
		return 0, err
	}
	return n, unconfirmed
}

// nameTasks sets the ids of the receipts: the given ones, and new ones for the others.
func nameTasks(receipts []task.Receipt, specs []task.Spec) {
	missing := 0
	for i := range specs {
		if receipts[i].ID = specs[i].ID; receipts[i].ID == "" {
			missing++
		}
	}
	if missing == 0 {
		return
	}
	made := newIDs(missing)
	for i := range receipts {
		if receipts[i].ID == "" {
			receipts[i].ID, made = made[0], made[1:]
		}
	}
}

// enqueueArgs returns the arguments of the enqueue script for one step and the number of
// its tasks. Consecutive specs of one shape are one group.
func enqueueArgs(seq *sequence, receipts []task.Receipt, specs []task.Spec) (args []any, n int) {
	args = make([]any, 3, 24+2*min(len(specs), maxBatch))
	groups, bytes, broadcasts := 0, 0, 0
	count, first := 0, 0 // of the last group: the index in args of its number of tasks, and its first task
	var last shape
	for ; n < min(len(specs), maxBatch); n++ {
		sh := shapeOf(&specs[n])
		bytes += len(specs[n].Payload) + len(sh.words) + sh.size()
		if specs[n].Broadcast {
			broadcasts++
		}
		other := n == 0 || sh != last
		if n > 0 && (bytes > maxBatchBytes || broadcasts > maxBroadcasts || other && groups == maxShapes) {
			break
		}
		if other {
			args[count] = n - first
			groups, last, first = groups+1, sh, n
			args = sh.appendTo(args)
			count = len(args)
			args = append(args, 0)
		}
		args = append(args, &receipts[n].ID, specs[n].Payload)
	}
	args[count] = n - first
	args[0], args[1], args[2] = seq.name, seq.call, groups
	return args, n
}

// decodeReceipts completes the receipts with the reply of the enqueue script, which lists
// the tasks that were not made.
func decodeReceipts(reply any, receipts []task.Receipt, specs []task.Spec) error {
	r := readReply("enqueue", reply)
	now := r.int()
	for i := range specs {
		receipts[i].State = task.Waiting
		if specs[i].IsParent() {
			receipts[i].State = task.Running
		}
		if specs[i].Delay > 0 || runAtMS(&specs[i]) > now {
			receipts[i].State = task.Scheduled
		}
	}
	for r.more() {
		i, why, id, state := r.int()-1, r.string(), r.string(), r.string()
		switch {
		case i < 0 || i >= int64(len(specs)):
			r.fail("the index of a task", i)
		case why == "dup":
			receipts[i] = task.Receipt{ID: id, State: task.State(state), Duplicate: true}
		case why == "full":
			receipts[i] = task.Receipt{ID: receipts[i].ID, Err: fmt.Errorf("%w: %s", task.ErrQueueFull, queueOf(&specs[i]))}
		case why == "limit":
			receipts[i] = task.Receipt{ID: receipts[i].ID, Err: fmt.Errorf("%w: %s", task.ErrLimitReached, id)}
		case why == "invalid":
			receipts[i] = task.Receipt{ID: receipts[i].ID, Err: fieldErrors(id, state)}
		}
	}
	return r.err
}

// fieldErrors returns an error per field. The names are separated by spaces.
func fieldErrors(names, msg string) error {
	var errs []error
	for name := range strings.FieldsSeq(names) {
		errs = append(errs, &task.FieldError{Field: name, Msg: msg})
	}
	return errors.Join(errs...)
}

// enqueueCall makes the call, and with WithWait waits for the replication. With
// ErrNotReplicated it also returns the reply.
func (s *Store) enqueueCall(ctx context.Context, args []any) (reply any, err error) {
	if s.waitReplicas == 0 {
		return s.run(ctx, enqueueScript, args...)
	}
	if s.calls.observed() {
		began := time.Now()
		defer func() { s.calls.called(enqueueScript, began, err) }()
	}
	err = s.retryUnstable(ctx, s.rdb, func() error {
		reply, err = s.enqueueAndWait(ctx, args)
		return err
	})
	return reply, err
}

// enqueueAndWait sends both calls over one connection, because WAIT waits for the writes
// of its own connection.
func (s *Store) enqueueAndWait(ctx context.Context, args []any) (any, error) {
	primary, err := s.primary(ctx)
	if err != nil {
		return nil, err
	}
	for _, send := range []func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd{enqueueScript.text().EvalSha, enqueueScript.text().Eval} {
		p := primary.Pipeline()
		call := send(ctx, p, s.keys, args...)
		wait := p.Do(ctx, "WAIT", s.waitReplicas, s.waitTimeout.Milliseconds())
		p.Exec(ctx)
		var reply any
		if reply, err = call.Result(); redis.HasErrorPrefix(err, "NOSCRIPT") {
			continue
		}
		if err != nil {
			return nil, err
		}
		acked, err := wait.Int()
		if err == nil && acked < s.waitReplicas {
			err = fmt.Errorf("%d of %d within %v", acked, s.waitReplicas, s.waitTimeout)
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrNotReplicated, err)
		}
		return reply, err
	}
	return nil, err
}
