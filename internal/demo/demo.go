// Package demo shows the pool at work: replicas as processes of their own checksum files,
// one of them is killed, and the others take over its tasks. It finds the files, starts
// Redis and the replicas, and observes the event stream.
//
// The flags and what is printed of the result are in cmd/ltsworker.
package demo

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// Options say what a demo does.
type Options struct {
	Dir      string             // of the files, as the user named it
	Files    []File             // to checksum: those of FindFiles
	Hold     time.Duration      // added to the time of each task
	Keep     bool               // after the report, wait until ctx ends
	Progress *terminal.Progress // gets notes and the number of ended tasks
	Invite   io.Writer          // with Keep: gets commands to try from a second terminal
	Report   func(Result) error // called once with the result; its error ends the demo
}

// Result is what a demo observed.
type Result struct {
	Summary
	Verified int             // files whose checksum is right
	Waits    []time.Duration // from the time a task was ready to its claim, first attempts
	Runs     []time.Duration // of the attempts that succeeded
	Elapsed  time.Duration
}

// ErrIncomplete is returned when a task did not succeed or a checksum is wrong. The
// notes say which.
var ErrIncomplete = errors.New("the demo did not succeed")

// Run starts the replicas and enqueues a task per file in the pool of p. It kills a
// replica before all tasks have ended. Then it reports the result and ends the replicas.
// If ctx ends early it returns the cause. It does not close p.
func Run(ctx context.Context, p *Place, o Options) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	say := o.Progress
	say.Note("%s under %s; each task holds its file for %v", terminal.Count(len(o.Files), "file"), terminal.Visible(o.Dir), o.Hold)
	team, err := startTeam(p, o.Hold, cancel)
	// Leave no process running, even after an error.
	defer team.stop()
	if err != nil {
		return err
	}
	if err := team.awaitJoined(ctx, p.Client); err != nil {
		return interrupted(ctx, err)
	}
	say.Note("%d replicas joined pool %s at %s: %d slots each, at most %d tasks at once over all", Replicas, p.Name, p.Address, Workers, Limit)

	w, err := work(ctx, p.Client, o.Files, min(len(o.Files), p.window), team, say)
	say.End()
	if err != nil {
		return interrupted(ctx, err)
	}
	stats, err := p.Stats(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	sum := w.summary(team, limitOf(stats, queue))
	wrong, err := verify(ctx, p.Client, o.Files, w)
	if err != nil {
		return interrupted(ctx, err)
	}
	err = o.Report(Result{Summary: sum, Verified: len(o.Files) - len(wrong), Waits: w.waits, Runs: w.runs, Elapsed: w.elapsed})
	if err != nil {
		return err
	}
	for _, msg := range append(w.failures, wrong...) {
		say.Note("%s", terminal.Visible(msg))
	}
	if o.Keep {
		p.invite(o.Invite)
		<-ctx.Done()
		if outer.Err() == nil { // all replicas have ended
			return context.Cause(ctx)
		}
	}
	if sum.Succeeded != sum.Tasks || len(wrong) > 0 {
		return ErrIncomplete
	}
	return nil
}

// limitOf returns the limit of a queue as Redis holds it.
func limitOf(s task.Stats, queue string) int {
	for _, q := range s.Queues {
		if q.Name == queue {
			return q.Limit
		}
	}
	return 0
}

// interrupted returns the cause of the end of ctx, or err if ctx has not ended.
func interrupted(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// DefaultHold returns the default of Options.Hold for this number of files: from 1ms to
// 200ms, so that a demo takes a few seconds.
func DefaultHold(files int) time.Duration {
	d := 4 * time.Second * Limit / time.Duration(max(files, 1))
	return min(max(d.Round(time.Millisecond), time.Millisecond), 200*time.Millisecond)
}
