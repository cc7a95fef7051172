package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/demo"
	"github.com/ltsworker/ltsworker/internal/latency"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// demoFlags are the flags of demo.
type demoFlags struct {
	keep, json bool
	hold       durationFlag
}

func newDemo(g *globals) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Show a pool at work: replicas checksum the files of DIR, and one is killed",
		Long: fmt.Sprintf(`Start a Redis inside this process and %d replicas as separate processes. Enqueue one
task for every regular file under DIR (default: the current directory), most through
the Go API and some with RPUSH. Each task computes the SHA-256 checksum of its file.
During the work, one replica is killed with SIGKILL while it runs tasks. The first task
waits until this has happened, so that there always is a task to recover. The other
replicas run the tasks of the killed replica again and finish.

All figures are measured: the highest number of tasks running at once, the recovered
tasks and the times come from the event stream. This process compares every checksum
with its own.

A checksum is quick, so each task waits up to 200ms longer, less if there are many
files. --hold changes this time; 0s turns it off.

--redis URL uses a real server instead, in a pool of its own that is removed
afterwards. --keep leaves everything running at the end and prints the address, so
that you can try the other commands.`, demo.Replicas),
		Example: `  ltsworker demo
  ltsworker demo /usr/share/doc --json
  ltsworker demo . --keep`,
		Args: between(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			if dir == "" {
				return usagef("DIR %v", errEmpty)
			}
			if g.pool != "" {
				return usagef("the demo uses a pool of its own and takes no --pool")
			}
			return runDemo(cmd, g, f, dir)
		},
	}
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave Redis and the replicas running until interrupted")
	cmd.Flags().Var(&f.hold, "hold", "how much longer each task takes (default up to 200ms)")
	addJSON(cmd, &f.json)
	return cmd
}

func runDemo(cmd *cobra.Command, g *globals, f demoFlags, dir string) (err error) {
	ctx := cmd.Context()
	say := terminal.NewProgress(cmd.ErrOrStderr())
	files, notes, err := demo.FindFiles(dir)
	var unusable *demo.DirError
	if errors.As(err, &unusable) {
		return &inputError{err}
	}
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, n := range notes {
		say.Note("%s", n)
	}
	hold := f.hold.value
	if !f.hold.set {
		hold = demo.DefaultHold(len(files))
	}
	place, err := openDemoPlace(ctx, g)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := place.Close(); err == nil {
			err = cerr
		}
	}()
	err = demo.Run(ctx, place, demo.Options{
		Dir: dir, Files: files, Hold: hold, Keep: f.keep, Progress: say, Invite: cmd.ErrOrStderr(),
		Report: func(r demo.Result) error {
			if f.json {
				return terminal.WriteJSON(cmd.OutOrStdout(), r.Summary)
			}
			return printDemo(cmd.OutOrStdout(), r)
		},
	})
	if errors.Is(err, demo.ErrIncomplete) {
		return errReported
	}
	return err
}

// openDemoPlace starts an embedded Redis, or connects to the one that --redis names.
// LTS_REDIS is ignored, so that a demo does not use a real pool by accident.
func openDemoPlace(ctx context.Context, g *globals) (*demo.Place, error) {
	if g.redis == "" {
		return demo.OpenEmbedded(ctx, clientLog())
	}
	// The URL is read once: a file that is a pipe cannot be read again for the replicas.
	url, err := redisurl.Read(g.redis)
	if err != nil {
		return nil, usagef("--redis %v", err)
	}
	at, err := redisurl.Parse(url, url == g.redis)
	if err != nil {
		return nil, usagef("--redis %v", err)
	}
	return demo.OpenServer(ctx, at, url, g.redis, clientLog())
}

// printDemo prints the result as text.
func printDemo(out io.Writer, r demo.Result) error {
	p, good := terminal.Colours(out), terminal.Green
	if r.Succeeded != r.Tasks || r.Verified != r.Tasks {
		good = terminal.Red
	}
	tab := terminal.NewTable(out)
	tab.Row("tasks", strconv.Itoa(r.Tasks))
	tab.Row("succeeded", p.Paint(good, fmt.Sprintf("%d, %d checksums verified", r.Succeeded, r.Verified)))
	tab.Row("failed", strconv.Itoa(r.Failed))
	tab.Row("replicas", fmt.Sprintf("%d started, ", r.Replicas)+p.Paint(terminal.Red, fmt.Sprintf("%d killed", r.Killed)))
	tab.Row("recovered", p.Paint(terminal.Yellow, fmt.Sprintf("%s of the killed replica finished by others", terminal.Count(r.Recovered, "task"))))
	tab.Row("running at once", p.Paint(terminal.Cyan, fmt.Sprintf("%d at most, with a limit of %d for %d slots", r.MaxRunning, r.Limit, r.Replicas*demo.Workers)))
	tab.Row("wait", percentiles(r.Waits))
	tab.Row("run", percentiles(r.Runs))
	tab.Row("elapsed", terminal.Duration(r.Elapsed))
	tab.Row("tasks per second", fmt.Sprintf("%.0f", float64(r.Tasks)/r.Elapsed.Seconds()))
	return tab.Flush()
}

func percentiles(took []time.Duration) string {
	return fmt.Sprintf("p50 %v, p99 %v", terminal.Duration(latency.Percentile(took, 50)), terminal.Duration(latency.Percentile(took, 99)))
}
