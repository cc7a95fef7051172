package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/worker"
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

	// The embedded Redis is slow where a sorted set or a stream is large. So in it
	// at most so many tasks are enqueued ahead of the work, and far more events
	// than those tasks have are kept.
	demoWindow = 1000
	demoEvents = 20_000
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
	say := newProgress(cmd.ErrOrStderr())
	files, notes, err := findFiles(dir)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, n := range notes {
		say.note("%s", n)
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
		if cerr := place.close(f.keep); err == nil {
			err = cerr
		}
	}()

	say.note("%s under %s; each task holds its file for %v", count(len(files), "file"), visible(dir), hold)
	team, err := startTeam(place, hold, cancel)
	// Whatever happens, no process is left behind.
	defer team.stop()
	if err != nil {
		return err
	}
	if err := team.awaitJoined(ctx, place.client); err != nil {
		return interrupted(ctx, err)
	}
	say.note("%d replicas joined pool %s at %s: %d slots each, at most %d tasks at once over all", demoReplicas, place.name, place.addr, demoWorkers, demoLimit)

	w, err := work(ctx, place.client, files, min(len(files), place.window), team, say)
	say.end()
	if err != nil {
		return interrupted(ctx, err)
	}
	stats, err := place.Stats(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	sum := w.summary(team, limitOf(stats, demoQueue))
	wrong, err := verify(ctx, place.client, files, w)
	if err != nil {
		return interrupted(ctx, err)
	}
	if f.json {
		err = writeJSON(cmd.OutOrStdout(), sum)
	} else {
		err = sum.print(cmd.OutOrStdout(), w, len(files)-len(wrong))
	}
	if err != nil {
		return err
	}
	for _, msg := range append(w.failures, wrong...) {
		say.note("%s", visible(msg))
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
func limitOf(s worker.Stats, queue string) int {
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

// demoPlace is where a demo keeps its tasks.
type demoPlace struct {
	*client
	url       string // for the replicas; may hold a password
	window    int    // tasks enqueued ahead of the work
	maxEvents int    // events kept; 0 for the pool's default
	embedded  *miniredis.Miniredis
	closing   chan struct{} // closed with the embedded one
}

// openDemoPlace starts an embedded Redis, or connects to the one that --redis
// names. LTS_REDIS is not enough: a demo shall not end up in somebody's real
// pool by accident.
func openDemoPlace(ctx context.Context, g *globals) (*demoPlace, error) {
	if g.redis == "" {
		m := miniredis.NewMiniRedis()
		if err := m.StartAddr("127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("start the embedded Redis: %w", err)
		}
		c, err := openPool(ctx, &redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true}, "demo")
		if err != nil {
			m.Close()
			return nil, err
		}
		d := &demoPlace{
			client: c, url: "redis://" + m.Addr() + "/0", window: demoWindow, maxEvents: demoEvents,
			embedded: m, closing: make(chan struct{}),
		}
		go d.expire()
		return d, nil
	}
	url, err := readURL(g.redis)
	if err != nil {
		return nil, usagef("--redis %v", err)
	}
	opts, err := redisOptions(url, !strings.HasPrefix(g.redis, "@"))
	if err != nil {
		return nil, usagef("--redis %v", err)
	}
	c, err := openPool(ctx, opts, "demo-"+strconv.FormatUint(rand.Uint64(), 36))
	if err != nil {
		return nil, err
	}
	return &demoPlace{client: c, url: url, window: math.MaxInt}, nil
}

// expire removes the keys whose time has come from the embedded Redis, which does
// not do so by itself: its ClockTTL looks at every key in every command.
func (d *demoPlace) expire() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case now := <-tick.C:
			d.embedded.FastForward(now.Sub(last))
			last = now
		case <-d.closing:
			return
		}
	}
}

// close removes the pool, unless it is to be kept, and what was started for it.
func (d *demoPlace) close(keep bool) error {
	defer d.client.close()
	if d.embedded != nil {
		close(d.closing)
		d.embedded.Close()
		return nil
	}
	if keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	keys := d.rdb.Scan(ctx, 0, "lts:{"+d.name+"}:*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := d.rdb.Unlink(ctx, keys.Val()).Err(); err != nil {
			return fmt.Errorf("remove the demo's keys: %w", err)
		}
	}
	if err := keys.Err(); err != nil {
		return fmt.Errorf("remove the demo's keys: %w", err)
	}
	return nil
}

// invite tells what can be tried from a second terminal.
func invite(w io.Writer, d *demoPlace) {
	self, err := os.Executable()
	if err != nil {
		self = "ltsworker"
	}
	address := "redis://" + d.addr + "/0"
	if d.embedded == nil {
		address = "… (as given here)"
	}
	fmt.Fprintf(w, `
Still running: Redis at %s, pool %s. From a second terminal:

  export LTS_REDIS=%s LTS_POOL=%s
  alias ltsworker=%s
  ltsworker stats
  ltsworker ls --limit 5
  ltsworker enqueue checksum '{"path":"/etc/hosts"}' --wait
  ltsworker tail

Ctrl-C ends it.
`, address, d.name, address, d.name, self)
}

var errReplicasGone = errors.New("all replicas have ended")
