package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/latency"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// benchRecord is one line of the self-test in JSON output. What has no meaning
// for a measurement is left out.
type benchRecord struct {
	What      string  `json:"what"`
	N         int     `json:"n"`
	PerSecond float64 `json:"per_s,omitempty"`
	P50MS     float64 `json:"p50_ms,omitempty"`
	P99MS     float64 `json:"p99_ms,omitempty"`
	MaxMS     float64 `json:"max_ms,omitempty"`
}

// benchSize is how much a self-test does.
type benchSize struct {
	tasks   int // of the enqueue and the drain
	single  int // round trips, lone enqueues, pick-ups
	workers int // slots of the replica
}

func newBench(g *globals) *cobra.Command {
	size := benchSize{single: 500}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the server at hand: round trip, enqueue, drain, pick-up",
		Long: `Measure what this machine and this Redis do together, in a pool with a name of its
own that is deleted afterwards. Other pools are left alone, but feel the load.

  round trip    PING
  enqueue one   a task at a time, each waiting for the one before it
  enqueue many  in batches, as enqueue --batch and EnqueueAll do
  drain         one replica in this process runs them all; the handler does nothing
  pick-up       from the call that enqueues a task to the start of its handler, on
                a replica that has nothing else to do`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case g.pool != "":
				return usagef("bench takes no --pool: it makes a pool of its own and deletes it")
			case size.tasks < 1 || size.tasks > 1_000_000:
				return usagef("--tasks must be from 1 to 1000000")
			case size.workers < 1 || size.workers > 10_000:
				return usagef("--workers must be from 1 to 10000")
			}
			return bench(cmd, g, size, asJSON)
		},
	}
	cmd.Flags().IntVar(&size.tasks, "tasks", 20_000, "how many tasks to enqueue and drain")
	cmd.Flags().IntVar(&size.workers, "workers", 50, "slots of the replica that drains them")
	addJSON(cmd, &asJSON)
	return cmd
}

func bench(cmd *cobra.Command, g *globals, size benchSize, asJSON bool) error {
	ctx := cmd.Context()
	at, err := g.place("")
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
func measureAll(cmd *cobra.Command, c *client.Client, size benchSize, asJSON bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	b := &benchRun{Client: c, size: size, bar: terminal.NewBar(cmd.ErrOrStderr(), "steps")}
	defer b.bar.Clear()
	tab := terminal.NewTable(out, "WHAT", "N", "PER SECOND", "P50", "P99", "MAX")
	for _, measure := range []func(context.Context) (benchRecord, error){b.roundTrip, b.enqueueOne, b.enqueueMany, b.drain, b.pickUp} {
		r, err := measure(ctx)
		b.bar.Clear()
		if err != nil {
			return redisurl.Unreachable(c.Address, err)
		}
		if asJSON {
			err = terminal.WriteJSON(out, r)
		} else {
			r.print(tab)
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

// print adds the measurement to a table for a person.
func (r benchRecord) print(tab *terminal.Table) {
	rate, latency := "", []string{"", "", ""}
	if r.PerSecond > 0 {
		rate = fmt.Sprintf("%.0f", r.PerSecond)
	}
	for i, ms := range []float64{r.P50MS, r.P99MS, r.MaxMS} {
		if ms > 0 {
			latency[i] = terminal.Duration(time.Duration(ms * float64(time.Millisecond)))
		}
	}
	tab.Row(r.What, fmt.Sprint(r.N), rate, latency[0], latency[1], latency[2])
}

func printBenchPlace(out io.Writer, c *client.Client, size benchSize) error {
	_, err := fmt.Fprintf(out, "\nRedis at %s; one replica with %d slots in this process. The pool %s is deleted.\n", terminal.Printable(c.Address), size.workers, c.Name)
	return err
}

// latencies makes a record of how long each of many things took.
func latencies(what string, took []time.Duration) benchRecord {
	return benchRecord{What: what, N: len(took), P50MS: latency.Milliseconds(latency.Percentile(took, 50)), P99MS: latency.Milliseconds(latency.Percentile(took, 99)), MaxMS: latency.Milliseconds(slices.Max(took))}
}

// rate makes a record of how long many things took together.
func rate(what string, n int, took time.Duration) benchRecord {
	return benchRecord{What: what, N: n, PerSecond: float64(int(float64(n)/took.Seconds()*10)) / 10}
}
