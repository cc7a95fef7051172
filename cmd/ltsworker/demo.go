package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// What the demo is made of. The limit is below the slots, so that it is what
// holds the tasks back, and the lease is short, so that the tasks of the killed
// replica are back soon.
const (
	demoReplicas = 3
	demoWorkers  = 4 // in each replica
	demoLimit    = 6 // over all of them
	demoLease    = 2 * time.Second
	demoQueue    = "default"
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
		Short: "See it work: replicas checksum the files of DIR, and one is killed",
		Long: fmt.Sprintf(`Start a Redis inside this process and %d replicas as processes of their own,
enqueue one task for every regular file under DIR (default: the current
directory), most through the Go API and some with a plain RPUSH, and have each
file checksummed with SHA-256. Once the work is on its way, one replica is killed
with SIGKILL while it holds tasks; the others take those over and finish.

What is shown is observed, not computed from settings: the highest number running
at once, the recovered tasks and the times come from the callback stream, and
every checksum is compared with one made here.

A checksum is quick, so a task holds its file for a moment longer: up to 200ms,
less where there are many files. --hold changes that; 0s turns it off.

--redis URL uses a real server instead, in a pool of its own that is removed
afterwards. --keep leaves everything running at the end, with the address printed,
for a look with the other commands.`, demoReplicas),
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
			return demo(cmd, g, f, dir)
		},
	}
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave Redis and the replicas running until interrupted")
	cmd.Flags().Var(&f.hold, "hold", "how much longer a task holds its file (default up to 200ms)")
	addJSON(cmd, &f.json)
	return cmd
}

func demo(cmd *cobra.Command, g *globals, f demoFlags, dir string) (err error) {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	say := terminal.NewProgress(cmd.ErrOrStderr())
	files, notes, err := findFiles(dir)
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
		hold = holdFor(len(files))
	}

	place, err := openDemoPlace(ctx, g)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := place.close(); err == nil {
			err = cerr
		}
	}()

	say.Note("%s under %s; each task holds its file for %v", terminal.Count(len(files), "file"), terminal.Visible(dir), hold)
	team, err := startTeam(place, hold, cancel)
	// Whatever happens, no process is left behind.
	defer team.stop()
	if err != nil {
		return err
	}
	if err := team.awaitJoined(ctx, place.Client); err != nil {
		return interrupted(ctx, err)
	}
	say.Note("%d replicas joined pool %s at %s: %d slots each, at most %d tasks at once over all", demoReplicas, place.Name, place.Address, demoWorkers, demoLimit)

	w, err := work(ctx, place.Client, files, min(len(files), place.window), team, say)
	say.End()
	if err != nil {
		return interrupted(ctx, err)
	}
	stats, err := place.Stats(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	sum := w.summary(team, limitOf(stats, demoQueue))
	wrong, err := verify(ctx, place.Client, files, w)
	if err != nil {
		return interrupted(ctx, err)
	}
	if f.json {
		err = terminal.WriteJSON(cmd.OutOrStdout(), sum)
	} else {
		err = sum.print(cmd.OutOrStdout(), w, len(files)-len(wrong))
	}
	if err != nil {
		return err
	}
	for _, msg := range append(w.failures, wrong...) {
		say.Note("%s", terminal.Visible(msg))
	}
	if f.keep {
		invite(cmd.ErrOrStderr(), place)
		<-ctx.Done()
		if cmd.Context().Err() == nil {
			return context.Cause(ctx)
		}
	}
	if sum.Succeeded != sum.Tasks || len(wrong) > 0 {
		return errReported
	}
	return nil
}

// limitOf is the limit of a queue as Redis holds it.
func limitOf(s task.Stats, queue string) int {
	for _, q := range s.Queues {
		if q.Name == queue {
			return q.Limit
		}
	}
	return 0
}

// interrupted returns why ctx ended rather than what broke because of it.
func interrupted(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// holdFor is how much longer than its checksum a task takes in a demo with so
// many files: long enough to see something, and a few seconds in all.
func holdFor(files int) time.Duration {
	d := 4 * time.Second * demoLimit / time.Duration(max(files, 1))
	return min(max(d.Round(time.Millisecond), time.Millisecond), 200*time.Millisecond)
}
