// Bench compares ltsworker with other task queues on one machine. It starts one
// redis-server and measures the systems in turn, in several interleaved rounds. For
// each figure it checks that each task has run exactly once.
//
//	npm install --no-save --ignore-scripts --prefix bullmq    # once, for BullMQ
//	go run .                      # everything; writes results.md, results.json, results.svg, the figures in docs/performance.md
//	go run . -figures drain,cpu -systems ours,asynq -rounds 5 -out DIR
//	go run . -consoles DIR        # the consoles of the programs in DIR side by side; prints figures
//	go run . -quick               # tiny counts: checks that everything works, writes nothing
//
// It needs redis-server 7 or newer, valgrind for the figure instructions, Node.js
// for BullMQ and PostgreSQL for River. The requirements of figures and systems that
// -figures and -systems leave out are not needed. Run it on an otherwise idle machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	var o options
	asChild := flag.String("child", "", "be a process of this system (used by bench itself)")
	flag.StringVar(&o.figures, "figures", strings.Join(figureNames(), ","), "the figures to measure")
	flag.StringVar(&o.systems, "systems", strings.Join(peers, ","), "the systems to measure")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of the figures that vary (default 3)")
	flag.IntVar(&o.tasks, "tasks", 0, "tasks of a drain or an enqueue; ours gets six times as many (default 10000)")
	flag.IntVar(&o.waiting, "waiting", 0, "tasks that wait in the scale figure (default 1000000)")
	flag.BoolVar(&o.quick, "quick", false, "a smoke run with tiny counts")
	flag.StringVar(&o.out, "out", "", "where the results go (default: this folder, or nowhere with -quick)")
	consoles := flag.String("consoles", "", "compare the consoles of the programs ltsworker, asynqmon and riverui in this folder, and nothing else")
	flag.Parse()
	if *asChild != "" {
		runChild(*asChild)
		return
	}
	// The servers end with the thread that started them.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *consoles != "" {
		if err := compareConsoles(ctx, *consoles, o.sizes().scale.waiting); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			stop()
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	figures, systems       string
	rounds, tasks, waiting int
	quick                  bool
	out                    string
}

// sizes returns the sizes that the options select.
func (o options) sizes() sizes {
	s := full
	if o.quick {
		s = quick
	}
	if o.rounds > 0 {
		s.rounds = o.rounds
	}
	if o.tasks > 0 {
		s.tasks = o.tasks
	}
	if o.waiting > 0 {
		s.scale.waiting = o.waiting
	}
	return s
}

// complete reports whether no figure and no system is left out.
func (o options) complete() bool {
	return o.figures == strings.Join(figureNames(), ",") && o.systems == strings.Join(peers, ",")
}

func run(ctx context.Context, o options) (err error) {
	b := &bench{ctx: ctx, sizes: o.sizes(), systems: map[string]bool{}, results: newResults()}
	for _, s := range strings.Split(o.systems, ",") {
		if !slices.Contains(peers, s) {
			return fmt.Errorf("no system %q; there are %s", s, strings.Join(peers, ", "))
		}
		b.systems[s] = true
	}
	chosen := strings.Split(o.figures, ",")
	for _, f := range chosen {
		if !slices.Contains(figureNames(), f) {
			return fmt.Errorf("no figure %q; there are %s", f, strings.Join(figureNames(), ", "))
		}
	}
	if b.systems["ours"] && slices.Contains(chosen, instructionsFigure) {
		if _, err := exec.LookPath("valgrind"); err != nil {
			return fmt.Errorf("%w: install valgrind, or leave %s out with -figures", err, instructionsFigure)
		}
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil { // if this program runs as root, PostgreSQL runs as another user
		return err
	}
	if b.redis, err = startRedis(ctx, b.dir); err != nil {
		return err
	}
	defer b.redis.stop()
	if b.systems["river"] {
		if b.postgres, err = startPostgres(ctx, b.dir); err != nil {
			return err
		}
		defer b.postgres.stop()
	}
	if err := b.measure(chosen); err != nil {
		return err
	}
	return b.write(ctx, o)
}

// measure measures the rounds. Each round has every figure and system once, so that other activity
// of the machine affects all alike.
func (b *bench) measure(chosen []string) error {
	for round := range b.sizes.rounds {
		b.round = round
		for _, f := range figures {
			if !slices.Contains(chosen, f.name) || f.once && round > 0 {
				continue
			}
			start := time.Now()
			if err := f.run(b); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %-10s %6.1f s\n", round+1, b.sizes.rounds, f.name, time.Since(start).Seconds())
		}
	}
	return nil
}

func (b *bench) write(ctx context.Context, o options) error {
	dir := o.out
	switch {
	case dir != "":
	case o.quick:
		dir = b.dir // a temporary folder, so that the writing is tested too
	default:
		dir = "."
	}
	md, err := os.Create(filepath.Join(dir, "results.md"))
	if err != nil {
		return err
	}
	machine := b.machine(ctx)
	report(md, machine, b.sizes, b.results)
	report(os.Stdout, machine, b.sizes, b.results)
	page := error(nil)
	if dir == "." && o.complete() {
		page = writePage("../docs/performance.md", b.results)
	}
	return errors.Join(
		page,
		md.Close(),
		writeJSON(filepath.Join(dir, "results.json"), b.results.records()),
		draw(filepath.Join(dir, "results.svg"), b.results),
	)
}
