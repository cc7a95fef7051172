package redisstore

import (
	"context"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// Checkpoint writes the checkpoint of a running attempt. n counts the checkpoints of the
// attempt. It returns ErrLeaseLost if the attempt is not the task's current one.
func (s *Store) Checkpoint(ctx context.Context, queue string, a task.Attempt, n int64, data []byte) error {
	return s.checkpoint(ctx, queue, a, n, data, "")
}

// SaveJob is Checkpoint that also stores the text that names the job of the task; "" for
// no job. A task with a job reaches no end before an attempt reports that it has none, or
// succeeds.
func (s *Store) SaveJob(ctx context.Context, queue string, a task.Attempt, n int64, data []byte, job string) error {
	return s.checkpoint(ctx, queue, a, n, data, "="+job)
}

// checkpoint makes the call of the script. job is empty for no change.
func (s *Store) checkpoint(ctx context.Context, queue string, a task.Attempt, n int64, data []byte, job string) error {
	if len(data) > task.MaxCheckpoint {
		return fmt.Errorf("checkpoint: %d bytes are over the limit of %d", len(data), task.MaxCheckpoint)
	}
	if data == nil {
		data = []byte{}
	}
	reply, err := s.run(ctx, checkpointScript, queue, a.ID, fenceOf(a.Fence, a.Number), n, data, job)
	if err != nil {
		return s.fail(ctx, "checkpoint", err)
	}
	r := readSingle("checkpoint", reply)
	if current := r.int(); r.err == nil && current == 0 {
		return s.fail(ctx, "checkpoint", task.ErrLeaseLost)
	}
	return r.err
}
