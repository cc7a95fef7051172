package task

import (
	"context"
	"fmt"
)

// MaxJob is the longest text that names a job, in bytes.
const MaxJob = 512

// SaveJob writes a checkpoint as Checkpoint does and, in the same step, names the job of
// the task: work at a remote that goes on when the replica ends. Call it before the job
// starts, so that no job is forgotten. An empty job means that there is none any more. The
// text is shown to operators, so it must have no secret.
//
// While a task has a job it counts for all limits, also between two owners, and no end
// takes effect before the job has ended. If an attempt ends otherwise than by a success or
// a report from outside, and the task still has a job:
//
//   - After a release or a lost lease the next owner continues. It gets the checkpoint and
//     the job, and tokens that earlier attempts have got from ReportToken stay valid.
//   - After a failure, a timeout or a stop request, and if the deadline passes or too many
//     leases are lost, the end is decided but the task goes on. The next attempt has CleanUp
//     set: the handler must end the job. If it returns nil or has called SaveJob without a
//     job, the task ends as it was decided, or is retried by its policy. If it returns an
//     error, another clean-up follows later. After 20 of them the task ends, and Orphan has
//     the job.
//
// A clean-up gets the last checkpoint. It has ten minutes, whatever the timeout of the kind.
func (t *Task) SaveJob(ctx context.Context, job string, v any) error {
	if len(job) > MaxJob {
		return fmt.Errorf("the text that names a job is %d bytes; the limit is %d", len(job), MaxJob)
	}
	b, err := encodeCheckpoint(v)
	if err != nil {
		return err
	}
	if t.running != nil {
		return t.running.SaveJob(ctx, job, b)
	}
	return t.saveUnheld(ctx, b, job)
}
