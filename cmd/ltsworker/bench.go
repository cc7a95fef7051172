package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/selftest"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

func newBench(g *globals) *cobra.Command {
	size := selftest.Options{Single: 500, Log: clientLog()}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this server: round trip, enqueue, drain, pick-up",
		Long: `Measure this machine with this Redis. The measurement uses a new pool, which is deleted
afterwards. Other pools are not changed, but have to share Redis with it.

  round trip    PING
  enqueue one   one task per call, one call after the other
  enqueue many  in batches, as enqueue --batch and EnqueueAll do
  drain         one replica in this process runs all tasks; the handler does nothing
  pick-up       from the call that enqueues a task to the start of its handler, on
                a replica that has nothing else to do`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case g.pool != "":
				return usagef("bench takes no --pool: it makes a pool of its own and deletes it")
			case size.Tasks < 1 || size.Tasks > 1_000_000:
				return usagef("--tasks must be from 1 to 1000000")
			case size.Workers < 1 || size.Workers > 10_000:
				return usagef("--workers must be from 1 to 10000")
			}
			return bench(cmd, g, size, asJSON)
		},
	}
	cmd.Flags().IntVar(&size.Tasks, "tasks", 20_000, "how many tasks to enqueue and drain")
	cmd.Flags().IntVar(&size.Workers, "workers", 50, "slots of the replica that drains them")
	addJSON(cmd, &asJSON)
	return cmd
}

func bench(cmd *cobra.Command, g *globals, size selftest.Options, asJSON bool) error {
	ctx := cmd.Context()
	at, err := g.target("")
	if err != nil {
		return err
	}
	c, err := client.Open(ctx, at, client.ThrowAwayName("bench"), clientLog())
	if err != nil {
		return err
	}
	defer c.Close()
	err = errors.Join(measureAll(cmd, c, size, asJSON), removeLate(ctx, c))
	if err != nil || asJSON {
		return err
	}
	return printBenchPlace(cmd.OutOrStdout(), c, size)
}

// removeTimeout bounds the removal of the pool.
const removeTimeout = 30 * time.Second

// removeLate removes the pool, also after an interrupt.
func removeLate(ctx context.Context, c *client.Client) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	return c.Remove(late)
}

// measureAll makes and prints every measurement.
func measureAll(cmd *cobra.Command, c *client.Client, size selftest.Options, asJSON bool) error {
	out := cmd.OutOrStdout()
	bar := terminal.NewBar(cmd.ErrOrStderr(), "steps")
	defer bar.Clear()
	size.Progress = bar.Set
	tab := terminal.NewTable(out, "WHAT", "N", "PER SECOND", "P50", "P99", "MAX")
	for m, err := range selftest.Measure(cmd.Context(), c, size) {
		bar.Clear()
		if err != nil {
			return redisurl.Unreachable(c.Address, err)
		}
		if asJSON {
			err = terminal.WriteJSON(out, m)
		} else {
			addMeasurement(tab, m)
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}

// addMeasurement adds a row to the table for terminals.
func addMeasurement(tab *terminal.Table, m selftest.Measurement) {
	rate, latency := "", []string{"", "", ""}
	if m.PerSecond > 0 {
		rate = fmt.Sprintf("%.0f", m.PerSecond)
	}
	for i, ms := range []float64{m.P50MS, m.P99MS, m.MaxMS} {
		if ms > 0 {
			latency[i] = terminal.Duration(time.Duration(ms * float64(time.Millisecond)))
		}
	}
	tab.Row(m.What, fmt.Sprint(m.N), rate, latency[0], latency[1], latency[2])
}

func printBenchPlace(out io.Writer, c *client.Client, size selftest.Options) error {
	_, err := fmt.Fprintf(out, "\nRedis at %s; one replica with %d slots in this process. The pool %s is deleted.\n", terminal.Printable(c.Address), size.Workers, c.Name)
	return err
}
