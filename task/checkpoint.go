package task

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// MaxCheckpoint is the largest size of a checkpoint, in bytes.
const MaxCheckpoint = 64 << 10

// Checkpoint stores how far the attempt is, so that the next attempt can continue from
// there: v as JSON, or unchanged if it is a []byte or a json.RawMessage. Empty bytes and
// nil remove the checkpoint. Checkpoint returns after the store has written the value. It
// repeats a call that fails, for at most the length of a lease. A repeated call has the
// effect of one.
//
// The next attempt gets the last checkpoint in LastCheckpoint, or decoded by
// ReadCheckpoint, if this attempt loses its lease, is released (Snooze, a drain) or dies
// with its process. A failed attempt removes the checkpoint, whatever the cause, and so
// does the end of the task.
//
// It returns an error that wraps ErrLeaseLost, and changes nothing, if another replica
// may run the task: the handler must then return. It returns an error if v cannot be
// encoded or is longer than MaxCheckpoint, and if ctx ends; then the value may have been
// written. The context of a handler ends when its replica drains: to write a last
// checkpoint then, use context.WithoutCancel. The handler has the replica's StopGrace for
// that. Checkpoint is safe for concurrent use; the calls of an attempt are made one after
// the other.
//
// On a task that no replica runs, such as one made for a test of a handler, it sets
// LastCheckpoint. Read that field only after the calls have returned.
func (t *Task) Checkpoint(ctx context.Context, v any) error {
	b, err := encodeCheckpoint(v)
	if err != nil {
		return err
	}
	if t.running != nil {
		return t.running.Checkpoint(ctx, b)
	}
	return t.saveUnheld(ctx, b, t.Job)
}

// saveUnheld stores a checkpoint and a job in a task that no replica runs.
func (t *Task) saveUnheld(ctx context.Context, data []byte, job string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("checkpoint: %w", context.Cause(ctx))
	}
	unheld.Lock()
	defer unheld.Unlock()
	if t.LastCheckpoint, t.Job = data, job; len(data) == 0 {
		t.LastCheckpoint = nil
	}
	return nil
}

// encodeCheckpoint returns v as Checkpoint stores it.
func encodeCheckpoint(v any) (b []byte, err error) {
	if v != nil {
		if b, err = encodeValue(v); err != nil {
			return nil, fmt.Errorf("encode checkpoint: %w", err)
		}
	}
	if len(b) > MaxCheckpoint {
		return nil, fmt.Errorf("checkpoint is %d bytes; the limit is %d: store it elsewhere and keep a reference", len(b), MaxCheckpoint)
	}
	return b, nil
}

// ReadCheckpoint decodes LastCheckpoint, which is JSON, into the value that v points to.
// It returns false, and leaves the value as it is, if there is no checkpoint.
func (t *Task) ReadCheckpoint(v any) (bool, error) {
	if t.LastCheckpoint == nil {
		return false, nil
	}
	if err := json.Unmarshal(t.LastCheckpoint, v); err != nil {
		return false, fmt.Errorf("decode checkpoint: %w", err)
	}
	return true, nil
}

// encodeValue returns v as JSON, or a copy of it if it is a []byte or a json.RawMessage.
func encodeValue(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return slices.Clone(v), nil
	case json.RawMessage:
		return slices.Clone([]byte(v)), nil
	}
	return json.Marshal(v)
}
