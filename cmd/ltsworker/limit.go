package main

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newLimit(g *globals) *cobra.Command {
	var (
		group                 string
		total, groups, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "limit [QUEUE | --total | --group NAME | --groups] [N|none|default]",
		Short: "Show or change how many tasks run at once over all replicas",
		Long: `Show limits, or change one. A changed limit holds over all replicas as soon as the
command returns. A lowered limit stops no task: running tasks run to their end.

The output shows the running tasks and, for a group, the number of waiting tasks that
its limit blocks. Without a name it has the pool, every queue, and each group with a
limit of its own. To show another group, name it with --group.

"none" removes a limit. With --group it exempts the group: the limit of --groups does
not apply to it. "default" is for --group only. It removes the group's own limit or
exemption, so that the limit of --groups applies again.

A limit that this command sets stays, also over restarts, until a replica joins with a
configured limit that differs from the one configured before.`,
		Example: `  ltsworker limit                       show all
  ltsworker limit --group acme          show one
  ltsworker limit default 10            the queue named default
  ltsworker limit --total none          the pool, all queues together
  ltsworker limit --groups 2            every group without a limit of its own
  ltsworker limit --group acme 3        one group
  ltsworker limit --group acme none     exempt the group from the limit of --groups
  ltsworker limit --group acme default  the limit of --groups applies to it again`,
		RunE: func(cmd *cobra.Command, args []string) error {
			scope, name, args, err := limitTarget(args, total, groups, cmd.Flags().Changed("group"), group)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
					limits, err := record.Limits(ctx, c.Pool, scope, name)
					if err != nil {
						return err
					}
					return printLimits(cmd, limits, asJSON)
				})
			}
			n, err := parseLimit(args, scope)
			if err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return setLimit(ctx, cmd, c, scope, name, n, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&total, "total", false, "limit the pool, all queues together")
	cmd.Flags().Var((*textFlag)(&group), "group", "limit the group `NAME`")
	cmd.Flags().BoolVar(&groups, "groups", false, "limit every group without a limit of its own")
	addJSON(cmd, &asJSON)
	return cmd
}

// limitTarget reads the target of the limit, "" for all, and returns the other arguments.
func limitTarget(args []string, total, groups, hasGroup bool, group string) (scope task.Scope, name string, rest []string, err error) {
	switch {
	case total && groups, total && hasGroup, groups && hasGroup:
		return "", "", nil, usagef("give only one of --total, --group and --groups")
	case total:
		return task.PoolScope, "", args, nil
	case groups:
		return task.GroupsScope, "", args, nil
	case hasGroup:
		scope, name, rest = task.GroupScope, group, args
	case len(args) == 0:
		return "", "", nil, nil
	default:
		scope, name, rest = task.QueueScope, args[0], args[1:]
	}
	if err := task.CheckName(name); err != nil {
		return "", "", nil, usagef("the %s %s %v", scope, terminal.Quoted(name), err)
	}
	return scope, name, rest, nil
}

// parseLimit returns the limit that the arguments set, task.NoLimit for none, and 0 to remove a
// group's own limit.
func parseLimit(args []string, scope task.Scope) (int, error) {
	words := "or none"
	if scope == task.GroupScope {
		words = "none or default"
	}
	switch {
	case len(args) > 1:
		return 0, usagef("give one limit: a number, %s", words)
	case args[0] == "none":
		return task.NoLimit, nil
	case args[0] == "default" && scope == task.GroupScope:
		return 0, nil
	case args[0] == "default":
		return 0, usagef("only a group has a default limit: --group NAME default; none removes a limit")
	}
	n, err := strconv.Atoi(args[0])
	switch {
	case err == nil && n == 0:
		return 0, usagef("a limit is at least 1; none is no limit, and pause keeps tasks from starting")
	case err != nil || n < 1 || n > math.MaxInt32:
		return 0, usagef("the limit must be a whole number from 1 to %d, %s, not %s", math.MaxInt32, words, terminal.Quoted(args[0]))
	}
	return n, nil
}

func setLimit(ctx context.Context, cmd *cobra.Command, c *client.Client, scope task.Scope, name string, n int, asJSON bool) error {
	if scope == task.QueueScope {
		if err := warnNewQueue(ctx, cmd, c, name); err != nil {
			return err
		}
	}
	if err := c.SetLimit(ctx, scope, name, n); err != nil {
		return err
	}
	if asJSON {
		limits, err := record.Limits(ctx, c.Pool, scope, name)
		if err != nil {
			return err
		}
		return printLimits(cmd, limits, true)
	}
	what := map[task.Scope]string{
		task.PoolScope: "pool", task.QueueScope: "queue " + name,
		task.GroupScope: "group " + name, task.GroupsScope: "each group without its own",
	}[scope]
	text := terminal.LimitText(max(n, 0))
	if n == 0 {
		text = "default"
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "limit of %s: %s\n", what, text)
	return err
}

func printLimits(cmd *cobra.Command, limits []record.Limit, asJSON bool) error {
	tab := terminal.NewTable(cmd.OutOrStdout(), "WHAT", "NAME", "LIMIT", "RUNNING", "HELD")
	for _, l := range limits {
		if asJSON {
			if err := terminal.WriteJSON(cmd.OutOrStdout(), l); err != nil {
				return err
			}
			continue
		}
		name, limit, running, held := terminal.Printable(l.Name), terminal.LimitText(l.Limit), strconv.Itoa(l.Running), ""
		switch l.Scope {
		case task.GroupsScope:
			name, running = "(each without its own)", ""
		case task.GroupScope:
			limit, held = terminal.GroupLimitText(l.Limit, l.Own), strconv.Itoa(l.Held)
		}
		tab.Row(string(l.Scope), name, limit, running, held)
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}
