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
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
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

--wait returns when they have ended, or with exit code 1 after --timeout, or where
one went silent: it was killed, is frozen or cannot reach Redis.`,
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
				ends, err := drain(ctx, cmd, c, ids)
				if !wait || err != nil && !errors.Is(err, task.ErrNoReplica) {
					return err
				}
				ctx, cancel := timeout.bound(ctx)
				defer cancel()
				return errors.Join(err, awaitEnd(ctx, cmd, c, ends))
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "ask all replicas of the pool")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until they have ended")
	cmd.Flags().Var(&timeout, "timeout", "with --wait: give up waiting after this (default never)")
	return cmd
}

// drain asks the replicas with these ids; without any, all of them. It returns
// those that were asked, and ErrNoReplica for those that are not there.
func drain(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string) (endings, error) {
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
	ends := endings{}
	for _, id := range ids {
		ends[id] = &lastSeen{}
	}
	ends.look(at, replicas)
	var listed, others []string
	for _, id := range slices.Sorted(maps.Keys(ends)) {
		if ends[id].listed {
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
		// One that the pool still knows although it is off the list is silent.
		n, oerr := c.Drain(ctx, id)
		asked, err = asked+n, errors.Join(err, oerr)
		if ends[id].silent = n > 0; n == 0 {
			delete(ends, id)
		}
	}
	if err != nil && !errors.Is(err, task.ErrNoReplica) {
		return nil, err
	}
	_, werr := fmt.Fprintf(cmd.OutOrStdout(), "asked %s to drain\n", terminal.Count(asked, "replica"))
	if werr != nil {
		return nil, werr
	}
	return ends, err
}

// endings is what is known of replicas that were asked to drain, by id.
type endings map[string]*lastSeen

// lastSeen is what the list of replicas said last of one.
type lastSeen struct {
	listed bool
	silent bool      // it is off the list because its heartbeat was missed
	runs   int       // tasks
	seen   time.Time // its last heartbeat, by the clock of Redis
	beat   time.Time // about when that was, by ours
	lease  time.Duration
}

// look takes in the list as it was at that time and returns how many are on it.
// Whoever drains goes from the list with a heartbeat of the last third of a lease,
// and who went silent without any for a whole one.
func (e endings) look(at time.Time, replicas []pool.ReplicaInfo) (left int) {
	there := map[string]bool{}
	for _, r := range replicas {
		s := e[r.ID]
		if s == nil {
			continue
		}
		there[r.ID] = true
		switch {
		case s.seen.IsZero():
			s.beat = at.Add(-max(r.Silent, 0))
		case !r.SeenAt.Equal(s.seen):
			s.beat = at
		}
		s.listed, s.silent, s.runs, s.seen, s.lease = true, false, r.Running, r.SeenAt, r.Lease
	}
	for id, s := range e {
		if s.listed && !there[id] {
			s.listed, s.silent = false, at.Sub(s.beat) > s.lease*3/4
		}
	}
	return len(there)
}

// work returns how many are on the list, and how many tasks they run.
func (e endings) work() (left, tasks int) {
	for _, s := range e {
		if s.listed {
			left, tasks = left+1, tasks+s.runs
		}
	}
	return left, tasks
}

// leftEvery is how often somebody who waits for replicas to end looks.
const leftEvery = 100 * time.Millisecond

// every is how often one has to look to see the heartbeats.
func (e endings) every() time.Duration {
	d := leftEvery
	for _, s := range e {
		if s.lease > 0 {
			d = min(d, s.lease/10)
		}
	}
	return d
}

// awaitEnd returns when none of the replicas is on the list any more. It fails
// where one did not end, but went silent.
func awaitEnd(ctx context.Context, cmd *cobra.Command, c *client.Client, ends endings) error {
	if left, tasks := ends.work(); left > 0 {
		with := ""
		if tasks > 0 {
			with = ", with " + terminal.Count(tasks, "task") + " to finish"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: waiting for %s to end%s\n", terminal.Count(left, "replica"), with)
	}
	err := ends.await(ctx, c)
	if err != nil && !errors.Is(err, errWaitedLongEnough) {
		return err
	}
	errs := []error{err}
	ended := 0
	for _, id := range slices.Sorted(maps.Keys(ends)) {
		switch s := ends[id]; {
		case s.silent:
			errs = append(errs, fmt.Errorf("replica %s went silent: it did not drain", id))
		case !s.listed:
			ended++
		}
	}
	if ended > 0 {
		_, werr := fmt.Fprintf(cmd.OutOrStdout(), "%s ended\n", terminal.Count(ended, "replica"))
		errs = append(errs, werr)
	}
	return errors.Join(errs...)
}

// await looks until none is on the list.
func (e endings) await(ctx context.Context, c *client.Client) error {
	tick := time.NewTicker(e.every())
	defer tick.Stop()
	for {
		at := time.Now()
		replicas, err := c.Replicas(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && e.look(at, replicas) == 0 {
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
