package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
)

func newPools(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pools",
		Short: "Show the pools on this server",
		Long: `Show the pools on the server, or on all masters of the cluster, with their counts. The
command checks the names of all keys of the database, 500 in a call, so that other
clients are served in between. NOTE says why the counts of a pool could not be read:
this user may have no access to it, or another version has written it. The output of
--json then has "error" and no counts.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withServer(cmd, func(ctx context.Context, c *client.Client) error {
				bar := terminal.NewBar(cmd.ErrOrStderr(), "keys checked")
				defer bar.Clear()
				names, err := client.Pools(ctx, c.Redis, bar.Set)
				if err != nil {
					return err
				}
				bar.Clear()
				if len(names) == 0 {
					return reportNone(cmd, "no pool is on this server")
				}
				return printPools(ctx, cmd, c, names, asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func printPools(ctx context.Context, cmd *cobra.Command, c *client.Client, names []string, asJSON bool) error {
	tab := terminal.NewTable(cmd.OutOrStdout(), "POOL", "SCHEDULED", "WAITING", "RUNNING", "INBOX", "REPLICAS", "STATE", "NOTE")
	tab.Paint("STATE", terminal.NotEmpty(terminal.Yellow))
	for _, name := range names {
		s, err := redisstore.New(c.Redis, name).Stats(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r := record.OfPool(name, s, err)
		if asJSON {
			if err := terminal.WriteJSON(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			continue
		}
		if r.Counts == nil {
			tab.Row(terminal.Printable(name), "-", "-", "-", "-", "-", "", terminal.Printable(r.Error))
			continue
		}
		tab.Row(terminal.Printable(name), strconv.Itoa(r.Scheduled), strconv.Itoa(r.Waiting), strconv.Itoa(r.Running), strconv.Itoa(r.Inbox),
			strconv.Itoa(r.Replicas), terminal.FlagText(r.Paused, "paused"), "")
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}
