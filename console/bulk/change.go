package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// ahead is how many chunks of the list one call reads.
const ahead = 20

// chunks reads chunks of the list from an index on.
func (r *run) chunks(ctx context.Context, from int) (chunks []string, err error) {
	err = r.persist(ctx, "the list of counted tasks", func() (err error) {
		chunks, err = r.m.store.BulkChunks(ctx, r.ID, from, ahead)
		return err
	})
	if err == nil && len(chunks) == 0 {
		err = errors.New("the list of counted tasks is incomplete: Redis has lost a part")
	}
	return chunks, err
}

// Size is the number of tasks of one call: as many as a call changes within quick, but at least fewest.
const (
	fewest = 20
	quick  = 3 * time.Millisecond
)

// change changes the tasks of the list. The number of a call follows from Handled, and Size is in the
// record before the call is made. So a console that continues the job repeats the last call with the
// same number, and gets the first answer without a second effect.
func (r *run) change(ctx context.Context) error {
	var chunks []string
	for r.Next < r.Chunks {
		if r.CancelledBy != "" {
			return r.end(ctx, Cancelled, "")
		}
		if len(chunks) == 0 {
			var err error
			if chunks, err = r.chunks(ctx, r.Next); err != nil {
				return err
			}
		}
		tasks, err := unpack(chunks[0])
		if err != nil {
			return err
		}
		tasks = tasks[min(r.Skip, len(tasks)):]
		part := tasks[:min(len(tasks), r.Size)]
		began := time.Now()
		if err := r.changePart(ctx, part); err != nil {
			return err
		}
		took := time.Since(began)
		r.Handled, r.Skip, r.Size = r.Handled+len(part), r.Skip+len(part), nextSize(r.Size, took)
		if len(part) == len(tasks) {
			chunks, r.Next, r.Skip = chunks[1:], r.Next+1, 0
		}
		if err := r.save(ctx, nil); err != nil {
			return err
		}
		if err := rest(ctx, began); err != nil {
			return err
		}
	}
	return r.end(ctx, Done, "")
}

// nextSize returns the number of tasks of the call after one that has taken so long.
func nextSize(size int, took time.Duration) int {
	switch {
	case took > 2*quick:
		return max(size/2, fewest)
	case took < quick:
		return min(size+10, redisstore.BulkChunk)
	}
	return size
}

// changePart changes tasks and notes which were left.
func (r *run) changePart(ctx context.Context, tasks []redisstore.CountedTask) error {
	call := redisstore.CountedCall{Job: r.ID, Number: int64(r.Handled) + 1, Verb: r.Verb, Why: task.CutHead(r.Reason, task.MaxErrorLen), Priority: r.Priority, Tasks: tasks}
	var changes []task.Change
	err := r.persist(ctx, "a change", func() (err error) {
		changes, err = r.m.store.ChangeCounted(ctx, call)
		return err
	})
	switch {
	case errors.Is(err, redisstore.ErrStale):
		return fmt.Errorf("%w: %w", errLost, err)
	case err != nil && strings.Contains(err.Error(), "WRONGTYPE"):
		// A key that belongs to a task is damaged. The call has changed some of the tasks, and does not say which.
		for _, t := range tasks {
			r.skip(t.ID, LeftUnknown)
		}
		return nil
	case err != nil:
		return err
	}
	for _, c := range changes {
		if c.Done {
			r.Changed++
		} else {
			r.skip(c.ID, why(c))
		}
	}
	return nil
}

// why returns the reason for which a task was left as it was.
func why(c task.Change) string {
	switch {
	case errors.Is(c.Err, redisstore.ErrChanged):
		return LeftChanged
	case errors.Is(c.Err, task.ErrUniqueTaken):
		return LeftUnique
	case errors.Is(c.Err, task.ErrShardsLive):
		return LeftShards
	case errors.Is(c.Err, redisstore.ErrDamaged):
		return LeftDamaged
	case c.State == "" && c.Err == nil:
		return LeftGone
	}
	return LeftRefused
}
