package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/worker"
)

func newDrain(g *globals) *cobra.Command {
	var (
		all, wait bool
		timeout   durationFlag
	)
	cmd := &cobra.Command{
		Use:   "drain (REPLICA... | --all)",
		Short: "Ask replicas to finish what they run and to end",
		Long: `Ask replicas, by the ids that the command replicas shows, to do what SIGTERM makes
them do: take no more tasks, let the running ones end within the drain_timeout of
the replica, give the rest back, and end with exit code 0. Nothing is lost and no
attempt is used up. A replica learns of it at once; one that cannot be reached at
this moment within a third of its lease.

--all asks those that are on the list now. A service manager that restarts what
ends starts a new replica, which takes tasks again: to keep a pool from working,
pause it.

--wait returns when they have ended, or with exit code 1 after --timeout.`,
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
			return g.withClient(cmd, func(ctx context.Context, c *client) error {
				ctx, cancel := timeout.bound(ctx)
				defer cancel()
				return drain(ctx, cmd, c, ids, wait)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "ask all replicas of the pool")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until they have ended")
	cmd.Flags().Var(&timeout, "timeout", "with --wait: give up waiting after this (default never)")
	return cmd
}

// drain asks the replicas with these ids; without any, all of them.
func drain(ctx context.Context, cmd *cobra.Command, c *client, ids []string, wait bool) error {
	if len(ids) == 0 {
		replicas, err := c.Replicas(ctx)
		if err != nil {
			return err
		}
		for _, r := range replicas {
			ids = append(ids, r.ID)
		}
	}
	asked, err := c.Drain(ctx, ids...)
	if err != nil && !errors.Is(err, worker.ErrNoReplica) {
		return err
	}
	if _, werr := fmt.Fprintf(cmd.OutOrStdout(), "asked %s to drain\n", count(asked, "replica")); werr != nil {
		return errors.Join(err, werr)
	}
	if wait {
		if werr := awaitEnd(ctx, c, ids); werr != nil {
			return errors.Join(err, werr)
		}
		if asked > 0 {
			_, werr := fmt.Fprintf(cmd.OutOrStdout(), "%s ended\n", count(asked, "replica"))
			err = errors.Join(err, werr)
		}
	}
	return err
}

// leftEvery is how often somebody who waits for replicas to end looks.
const leftEvery = 100 * time.Millisecond

// awaitEnd returns when none of the replicas is on the list any more.
func awaitEnd(ctx context.Context, c *client, ids []string) error {
	tick := time.NewTicker(leftEvery)
	defer tick.Stop()
	for {
		replicas, err := c.Replicas(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		left := 0
		for _, r := range replicas {
			if slices.Contains(ids, r.ID) {
				left++
			}
		}
		if err == nil && left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errWaitedLongEnough) {
				return fmt.Errorf("not all replicas have ended: %w", errWaitedLongEnough)
			}
			return context.Cause(ctx)
		}
	}
}
