// Instructions counts what a task costs Redis in instructions, phase by phase: it
// runs redis-server under valgrind's callgrind and drives the scripts through the
// store. Unlike a time, a count is the same on a busy machine, so two versions of
// a script can be told apart by a percent.
//
//	go run ./instructions                  # a table
//	go run ./instructions -functions 25    # and where the instructions go
//
// It needs redis-server 7 or newer, valgrind, and a minute.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/worker"
)

func main() {
	functions := flag.Int("functions", 0, "list so many functions per phase")
	tasks := flag.Int("tasks", 2000, "tasks per phase")
	flag.Parse()
	if err := run(context.Background(), *tasks, *functions); err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tasks, functions int) error {
	dir, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer s.stop()

	d := &driver{ctx: ctx, store: redisstore.New(s.rdb, "count")}
	if err := d.join(); err != nil {
		return err
	}
	phases := []struct {
		name string
		run  func(tasks int) error
	}{
		{"enqueue, one per call", func(n int) error { return d.enqueue(n, 1) }},
		{"enqueue, 20 per call", func(n int) error { return d.enqueue(n, 20) }},
		{"enqueue, 1,000 per call", func(n int) error { return d.enqueue(n, 1000) }},
		{"claim and report, 1 per call", func(n int) error { return d.drain(n, 1) }},
		{"claim and report, 10 per call", func(n int) error { return d.drain(n, 10) }},
		{"claim and report, 50 per call", func(n int) error { return d.drain(n, 50) }},
		{"claim alone, 50 per call", func(n int) error { return d.claim(n, 50) }},
		{"report alone, 50 per call", func(n int) error { return d.report(50) }},
	}
	if err := d.enqueue(2*tasks, 1000); err != nil { // for four rounds of claims there are three of enqueues
		return err
	}
	for _, p := range phases { // the scripts get loaded, the tables grow
		if err := p.run(1000); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "phase\tinstructions per task\t")
	for i, p := range phases {
		if err := s.count(true); err != nil {
			return err
		}
		if err := p.run(tasks); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		file, err := s.dump(i)
		if err != nil {
			return err
		}
		n, err := total(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\t\n", p.name, n/int64(tasks))
		if functions > 0 {
			if err := list(w, file, functions); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// total reads the sum that callgrind writes at the end of its file.
func total(file string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "totals:"); ok {
			return strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no totals", filepath.Base(file))
}

func list(w *tabwriter.Writer, file string, n int) error {
	out, err := exec.Command("callgrind_annotate", file).Output()
	if err != nil {
		return fmt.Errorf("callgrind_annotate: %w", err)
	}
	for l := range strings.Lines(string(out)) {
		share, rest, ok := strings.Cut(strings.TrimSpace(l), "%) ")
		if _, share, found := strings.Cut(share, "("); ok && found && n > 0 && !strings.Contains(rest, "PROGRAM TOTALS") {
			fmt.Fprintf(w, "%s\t%s %%\t\n", strings.TrimSpace(rest[:min(len(rest), 60)]), strings.TrimSpace(share))
			n--
		}
	}
	return nil
}

// driver is a worker reduced to its calls.
type driver struct {
	ctx   context.Context
	store *redisstore.Store
	call  int64
	held  []worker.Report
}

const replica = "counter"

func (d *driver) join() error {
	_, err := d.store.Join(d.ctx, worker.Registration{
		Replica: replica, Lease: worker.DefaultLease, Kinds: map[string]worker.Policy{"noop": {}},
	})
	return err
}

func (d *driver) enqueue(tasks, batch int) error {
	specs := make([]worker.Spec, batch)
	for i := range specs {
		specs[i] = worker.Spec{Kind: "noop", Payload: []byte(`{"n":"00000001"}`)}
	}
	for range tasks / batch {
		if _, err := d.store.Enqueue(d.ctx, specs); err != nil {
			return err
		}
	}
	return nil
}

// drain reports what it claimed with the next claim, as a worker does.
func (d *driver) drain(tasks, batch int) error {
	for range tasks / batch {
		reports := d.held
		d.held = nil
		if err := d.exchange(reports, batch); err != nil {
			return err
		}
	}
	return d.report(batch)
}

func (d *driver) claim(tasks, batch int) error {
	for range tasks / batch {
		if err := d.exchange(nil, batch); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) report(batch int) error {
	for part := range slices.Chunk(d.held, batch) {
		if _, _, err := d.store.Exchange(d.ctx, part, nil); err != nil {
			return err
		}
	}
	d.held = nil
	return nil
}

func (d *driver) exchange(reports []worker.Report, batch int) error {
	d.call++
	_, got, err := d.store.Exchange(d.ctx, reports, []worker.Claim{{
		Replica: replica, Queue: worker.DefaultQueue, N: batch, Lease: worker.DefaultLease, Grace: worker.DefaultStopGrace,
		Call: d.call,
	}})
	if err != nil {
		return err
	}
	if len(got[0].Tasks) != batch {
		return fmt.Errorf("%d tasks were claimed, not %d", len(got[0].Tasks), batch)
	}
	for _, t := range got[0].Tasks {
		d.held = append(d.held, worker.Report{ID: t.ID, Fence: t.Fence, Op: worker.Succeed, Code: worker.CodeOK})
	}
	return nil
}
