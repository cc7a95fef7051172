package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

func newReplicas(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replicas",
		Short: "Show the processes that run the pool's tasks",
		Long: `Show the replicas as their last heartbeat described them. A dead replica stays on the
list until its lease ends; then its tasks run elsewhere.

IP is the address from which the replica opens connections to Redis, as its own host or
container sees it.

LABELS are those that the replica configures, and (exclusive) if it takes only tasks that
have a label. Each replica also has the labels id=REPLICA and host=HOST.

STATE is draining, or refuses with the reason why the admission of the replica lets no
task start there, or cannot use with a server that its tasks need and that does not
answer (doctor shows its error), or disabled with the kinds that do not run there. RUNNING is the number of used slots. STUCK is the number of these slots whose handlers
ignore their cancelled context. HEARTBEAT is the age of the last heartbeat; a replica
sends one every third of a lease.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				replicas, err := c.Replicas(ctx)
				if err != nil {
					return err
				}
				if len(replicas) == 0 {
					return reportNone(cmd, "no replica is alive in pool "+c.Name)
				}
				if asJSON {
					for _, r := range replicas {
						if err := terminal.WriteJSON(cmd.OutOrStdout(), record.OfReplica(r)); err != nil {
							return err
						}
					}
					return nil
				}
				return printReplicas(cmd, replicas)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func printReplicas(cmd *cobra.Command, replicas []pool.ReplicaInfo) error {
	tab := terminal.NewTable(cmd.OutOrStdout(), "REPLICA", "HOST", "IP", "PID", "VERSION", "QUEUES", "LABELS", "RUNNING", "STUCK", "HEARTBEAT", "UP", "STATE")
	tab.Spare("IP", "VERSION", "UP", "PID")
	tab.Paint("STUCK", terminal.NotEmpty(terminal.Red))
	tab.Paint("STATE", terminal.NotEmpty(terminal.Yellow))
	for _, r := range replicas {
		tab.Row(terminal.Printable(r.ID), terminal.Printable(r.Host), terminal.Printable(r.IP), strconv.Itoa(r.PID), terminal.Printable(r.Version), terminal.QueueSlots(r), labelsText(r),
			terminal.RunningText(r.Running, terminal.Slots(r)), strconv.Itoa(r.Stuck), terminal.Ago(r.Silent),
			terminal.ShortDuration(max(r.SeenAt.Add(r.Silent).Sub(r.StartedAt), 0)), terminal.ReplicaState(r))
	}
	return tab.Flush()
}

// labelsText lists the labels that the replica configures: "gpu,zone=eu (exclusive)".
func labelsText(r pool.ReplicaInfo) string {
	text := terminal.Printable(strings.Join(r.Labels, ","))
	if r.Exclusive {
		text = strings.TrimSpace(text + " (exclusive)")
	}
	return text
}
