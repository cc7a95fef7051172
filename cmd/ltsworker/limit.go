package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/worker"
)

// limitsRecord is every limit in JSON output; 0 is none.
type limitsRecord struct {
	Pool    int            `json:"pool"`
	Queues  map[string]int `json:"queues"`
	Default int            `json:"default_group"`
	Groups  map[string]int `json:"groups"`
}

func newLimit(g *globals) *cobra.Command {
	var (
		group                 string
		total, groups, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "limit [(QUEUE | --total | --group NAME | --groups) N|none]",
		Short: "Show or change how many tasks run at once over all replicas",
		Long: `Show the limits, or change one: it holds over all replicas from the moment the
command returns. Tasks beyond a lowered limit run to their end.

A limit set here stays, over restarts too, until a replica starts with a config
file whose limit differs from that of the config file before it.`,
		Example: `  ltsworker limit                    show all
  ltsworker limit default 10         the queue named default
  ltsworker limit --total none       the pool, all queues together
  ltsworker limit --group acme 3     one group
  ltsworker limit --groups 2         every group without a limit of its own`,
		RunE: func(cmd *cobra.Command, args []string) error {
			scope, name, n, err := limitTarget(args, total, groups, cmd.Flags().Changed("group"), group)
			if err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client) error {
				if scope == "" {
					return showLimits(ctx, cmd, c, asJSON)
				}
				if scope == worker.QueueScope {
					if err := tellOfNewQueue(ctx, cmd, c, name); err != nil {
						return err
					}
				}
				if err := c.SetLimit(ctx, scope, name, n); err != nil {
					return err
				}
				what := map[worker.Scope]string{
					worker.PoolScope: "pool", worker.QueueScope: "queue " + name,
					worker.GroupScope: "group " + name, worker.GroupsScope: "each group without its own",
				}[scope]
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "limit of %s: %s\n", what, limitText(n))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&total, "total", false, "limit the pool, all queues together")
	cmd.Flags().StringVar(&group, "group", "", "limit the group `NAME`")
	cmd.Flags().BoolVar(&groups, "groups", false, "limit every group without a limit of its own")
	addJSON(cmd, &asJSON)
	return cmd
}

// limitTarget reads what is to be limited; an empty scope asks to show all.
func limitTarget(args []string, total, groups, hasGroup bool, group string) (scope worker.Scope, name string, n int, err error) {
	switch {
	case total && groups, total && hasGroup, groups && hasGroup:
		return "", "", 0, usagef("give only one of --total, --group and --groups")
	case total:
		scope = worker.PoolScope
	case groups:
		scope = worker.GroupsScope
	case hasGroup:
		scope, name = worker.GroupScope, group
	case len(args) == 0:
		return "", "", 0, nil
	default:
		scope, name, args = worker.QueueScope, args[0], args[1:]
	}
	if scope == worker.QueueScope || scope == worker.GroupScope {
		if err := worker.CheckName(name); err != nil {
			return "", "", 0, usagef("the %s %s %v", scope, quoted(name), err)
		}
	}
	if len(args) != 1 {
		return "", "", 0, usagef("give one limit: a number, or none")
	}
	if args[0] == "none" {
		return scope, name, 0, nil
	}
	n, err = strconv.Atoi(args[0])
	if err != nil || n < 1 || n > math.MaxInt32 {
		return "", "", 0, usagef("the limit must be a whole number from 1 to %d, or none, not %s", math.MaxInt32, quoted(args[0]))
	}
	return scope, name, n, nil
}

func showLimits(ctx context.Context, cmd *cobra.Command, c *client, asJSON bool) error {
	s, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	byDefault, groups, err := c.GroupLimits(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		r := limitsRecord{Pool: s.Limit, Queues: map[string]int{}, Default: byDefault, Groups: map[string]int{}}
		for _, q := range s.Queues {
			r.Queues[q.Name] = q.Limit
		}
		maps.Copy(r.Groups, groups)
		return writeJSON(cmd.OutOrStdout(), r)
	}
	tab := newTable(cmd.OutOrStdout(), "WHAT", "NAME", "LIMIT", "RUNNING")
	tab.row("pool", printable(c.name), limitText(s.Limit), strconv.Itoa(s.Running))
	for _, q := range s.Queues {
		tab.row("queue", printable(q.Name), limitText(q.Limit), strconv.Itoa(q.Running))
	}
	tab.row("groups", "(default)", limitText(byDefault), "")
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		tab.row("group", printable(name), limitText(groups[name]), "")
	}
	return tab.flush()
}
