package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/drain"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newDrain(g *globals) *cobra.Command {
	var (
		all, wait bool
		timeout   durationFlag
	)
	cmd := &cobra.Command{
		Use:   "drain (REPLICA... | --all)",
		Short: "Ask replicas to finish their running tasks and to end",
		Long: `Drain replicas as SIGTERM does: they take no more tasks, let running tasks end within
their drain_timeout, release the others, and end with exit code 0. No task is lost and
no attempt is used. The command replicas shows the ids. A replica gets the request at
once, or with its next heartbeat, at most a third of its lease later.

--all drains the replicas that are on the list now. A service manager may restart them,
and the new replicas take tasks again. To keep a pool from starting tasks, pause it.

--wait waits until the replicas have ended. After --timeout it fails with exit code 1
and names those that have not. It fails also if a replica stops sending heartbeats
because it was killed, is frozen or cannot reach Redis.`,
		Example: `  ltsworker drain 2h8a0c1k9x3f7
  ltsworker drain --all --wait --timeout 5m`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			switch {
			case all && len(ids) > 0:
				return usagef("give either ids or --all, not both")
			case !all && len(ids) == 0:
				return usagef("say which replicas to drain: by id, or --all")
			case timeout.set && !wait:
				return usagef("--timeout goes with --wait")
			}
			if err := checkIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				ends, err := askToDrain(ctx, cmd, c, ids)
				if !wait || err != nil && !errors.Is(err, task.ErrNoReplica) {
					return err
				}
				ctx, cancel := timeout.bound(ctx)
				defer cancel()
				return errors.Join(err, awaitEnd(ctx, cmd, c, ends))
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "drain all replicas of the pool")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until they have ended")
	cmd.Flags().Var(&timeout, "timeout", "with --wait: give up after this time (default never)")
	return cmd
}

// askToDrain requests the replicas with these ids to drain; without ids, all replicas. It returns
// the replicas that got the request, and ErrNoReplica for ids without a replica.
func askToDrain(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string) (drain.Endings, error) {
	at := time.Now()
	replicas, err := c.Replicas(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		for _, r := range replicas {
			ids = append(ids, r.ID)
		}
	}
	ends := drain.NewEndings(ids...)
	ends.Add(at, replicas)
	var listed, others []string
	for _, id := range slices.Sorted(maps.Keys(ends)) {
		if ends[id].Listed {
			listed = append(listed, id)
		} else {
			others = append(others, id)
		}
	}
	asked, err := c.Drain(ctx, listed...)
	for _, id := range others {
		if err != nil && !errors.Is(err, task.ErrNoReplica) {
			break
		}
		// A replica that is not on the list but still known is silent.
		n, oerr := c.Drain(ctx, id)
		asked, err = asked+n, errors.Join(err, oerr)
		if ends[id].Silent = n > 0; n == 0 {
			delete(ends, id)
		}
	}
	if err != nil && !errors.Is(err, task.ErrNoReplica) {
		return nil, err
	}
	if asked == 0 && err != nil {
		return ends, err
	}
	_, werr := fmt.Fprintf(cmd.OutOrStdout(), "asked %s to drain\n", terminal.Count(asked, "replica"))
	if werr != nil {
		return nil, werr
	}
	return ends, err
}

// awaitEnd waits until none of the replicas is on the list. It fails if a replica became silent
// instead of ending.
func awaitEnd(ctx context.Context, cmd *cobra.Command, c *client.Client, ends drain.Endings) error {
	if left, tasks := ends.Work(); left > 0 {
		with := ""
		if tasks > 0 {
			with = ", with " + terminal.Count(tasks, "task") + " to finish"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: waiting for %s to end%s\n", terminal.Count(left, "replica"), with)
	}
	err := ends.Await(ctx, c)
	switch {
	case errors.Is(err, errWaitedLongEnough):
		err = fmt.Errorf("not all replicas have ended: %w", errWaitedLongEnough)
	case err != nil:
		return err
	}
	errs := []error{err}
	ended := 0
	for _, id := range slices.Sorted(maps.Keys(ends)) {
		switch s := ends[id]; {
		case s.Listed:
			errs = append(errs, fmt.Errorf("replica %s has not ended: it runs %s", terminal.Printable(id), terminal.Count(s.Running, "task")))
		case s.Silent:
			errs = append(errs, fmt.Errorf("replica %s went silent: it did not drain", id))
		default:
			ended++
		}
	}
	if ended > 0 {
		_, werr := fmt.Fprintf(cmd.OutOrStdout(), "%s ended\n", terminal.Count(ended, "replica"))
		errs = append(errs, werr)
	}
	return errors.Join(errs...)
}
