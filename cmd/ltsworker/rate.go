package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

func newRate(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rate COMMAND",
		Short: "Show or change how many tasks start per time over all replicas",
		Long: `Show rates, or change one. A rate such as "100/s burst 10" lets tasks of a queue or of a
group start: a burst of 10 at once, and 100 per second in the long run. The unit is s, m
or h. The default burst is the starts of a tenth of a second, at least 1.

A changed rate holds from the next start on. A rate that this command sets stays, also
over restarts, until a replica joins with a configured rate that differs from the one
configured before.`,
		Example: `  ltsworker rate ls
  ltsworker rate set mail 100/s burst 10
  ltsworker rate set --groups 5/m
  ltsworker rate rm mail`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRateList(g), newRateSet(g), newRateRemove(g))
	return cmd
}

// rateTarget are the flags that name what has a rate.
type rateTarget struct {
	group  string
	groups bool
}

func (t *rateTarget) add(cmd *cobra.Command) {
	cmd.Flags().Var((*textFlag)(&t.group), "group", "the rate of the group `NAME`")
	cmd.Flags().BoolVar(&t.groups, "groups", false, "the rate of each group without one of its own")
}

func (t *rateTarget) read(cmd *cobra.Command, args []string) (task.Scope, string, []string, error) {
	return limitTarget(args, false, t.groups, cmd.Flags().Changed("group"), t.group)
}

func newRateList(g *globals) *cobra.Command {
	var (
		target rateTarget
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "ls [QUEUE | --group NAME | --groups]",
		Short: "List rates, and until when tasks wait for them",
		Long: `List rates. Without a name it lists every queue with a rate, the rate of each group, and
the groups with a rate of their own. NEXT is when the next task may start if tasks wait
for the rate. HELD is how many tasks of a group its limit or its rate blocks.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			scope, name, rest, err := target.read(cmd, args)
			if err == nil && len(rest) > 0 {
				err = usagef("give one queue, --group NAME or --groups; set changes a rate")
			}
			if err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				rates, err := record.Rates(ctx, c.Pool, scope, name)
				if err != nil {
					return err
				}
				if len(rates) == 0 {
					return reportNone(cmd, "pool "+c.Name+" has no rates")
				}
				return printRates(cmd, rates, asJSON)
			})
		},
	}
	target.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func newRateSet(g *globals) *cobra.Command {
	var (
		target rateTarget
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "set (QUEUE | --group NAME | --groups) RATE",
		Short: "Set a rate",
		Long: `Set a rate. It holds over all replicas from the next start on. "none" removes the rate;
with --group it exempts the group from the rate of --groups.`,
		Example: `  ltsworker rate set mail 100/s burst 10
  ltsworker rate set --groups 5/m            each group without a rate of its own
  ltsworker rate set --group acme 20/s
  ltsworker rate set --group big none        exempt the group from the rate of --groups`,
		RunE: func(cmd *cobra.Command, args []string) error {
			scope, name, rest, err := target.read(cmd, args)
			switch {
			case err != nil:
				return err
			case scope == "":
				return usagef("name a queue, --group NAME or --groups")
			case len(rest) == 0:
				return usagef("RATE is missing, such as 100/s or 5/m burst 10")
			}
			rate, err := pool.ParseRate(strings.Join(rest, " "))
			if err != nil {
				return usagef("the rate %v", err)
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return setRate(ctx, cmd, c, scope, name, rate, asJSON)
			})
		},
	}
	target.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func newRateRemove(g *globals) *cobra.Command {
	var (
		target rateTarget
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "rm (QUEUE | --group NAME | --groups)",
		Short: "Remove a rate",
		Long: `Remove a rate: waiting tasks start as limits and slots allow. With --group it removes the
group's own rate or exemption, so that the rate of --groups applies again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			scope, name, rest, err := target.read(cmd, args)
			switch {
			case err != nil:
				return err
			case scope == "" || len(rest) > 0:
				return usagef("name one queue, --group NAME or --groups")
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return setRate(ctx, cmd, c, scope, name, pool.Rate{}, asJSON)
			})
		},
	}
	target.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func setRate(ctx context.Context, cmd *cobra.Command, c *client.Client, scope task.Scope, name string, rate pool.Rate, asJSON bool) error {
	if scope == task.QueueScope {
		if err := warnNewQueue(ctx, cmd, c, name); err != nil {
			return err
		}
	}
	if err := c.SetRate(ctx, scope, name, rate); err != nil {
		return err
	}
	if asJSON {
		rates, err := record.Rates(ctx, c.Pool, scope, name)
		if err != nil {
			return err
		}
		return printRates(cmd, rates, true)
	}
	text := terminal.RateLimitText(rate)
	if rate == (pool.Rate{}) && scope == task.GroupScope {
		text = "default"
	}
	what := map[task.Scope]string{
		task.QueueScope: "queue " + name, task.GroupScope: "group " + name, task.GroupsScope: "each group without its own",
	}[scope]
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "rate of %s: %s\n", what, text)
	return err
}

func printRates(cmd *cobra.Command, rates []record.Rate, asJSON bool) error {
	tab := terminal.NewTable(cmd.OutOrStdout(), "WHAT", "NAME", "RATE", "NEXT", "HELD")
	for _, r := range rates {
		if asJSON {
			if err := terminal.WriteJSON(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			continue
		}
		name, rate, held := terminal.Printable(r.Name), r.Rate, ""
		switch r.Scope {
		case task.GroupsScope:
			name = "(each without its own)"
		case task.GroupScope:
			held = strconv.Itoa(r.Held)
			if !r.Own {
				rate += " (default)"
			}
		}
		tab.Row(string(r.Scope), name, rate, r.RateUntil, held)
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}
