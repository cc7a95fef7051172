package count

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/bench/drive"
	"github.com/ltsworker/ltsworker/task"
)

// Phase is one kind of call with Batch tasks per call. The functions before and after are not
// counted.
type Phase struct {
	Name               string
	Batch              int
	before, run, after func(d *driver, tasks, batch int) error
}

// EnqueueName and DrainName return the names of the phases with this number of tasks per call.
func EnqueueName(batch int) string { return "enqueue, " + perCall(batch) }

func DrainName(batch int) string { return "drain, " + perCall(batch) }

// Phases lists all phases.
var Phases = func() []Phase {
	var all []Phase
	for _, n := range []int{1, 50, 1000} {
		all = append(all, Phase{EnqueueName(n), n, nothing, (*driver).enqueue, nothing})
	}
	for _, n := range []int{1, 10, 50, 200} {
		all = append(all, Phase{DrainName(n), n, (*driver).refill, (*driver).drain, (*driver).report})
	}
	return append(all,
		Phase{"claim alone, " + perCall(50), 50, (*driver).fill, (*driver).claim, (*driver).report},
		Phase{"report alone, " + perCall(50), 50, (*driver).claimed, (*driver).report, nothing},
		Phase{DrainName(50) + ", stream full", 50, (*driver).full, (*driver).drain, (*driver).roomy},
		Phase{DrainName(1) + ", a rate", 1, (*driver).rated, (*driver).drain, (*driver).unrated},
		Phase{DrainName(50) + ", a rate", 50, (*driver).rated, (*driver).drain, (*driver).unrated},
		Phase{DrainName(1) + ", a label", 1, (*driver).labelled, (*driver).drain, (*driver).unlabelled},
		Phase{DrainName(50) + ", a label", 50, (*driver).labelled, (*driver).drain, (*driver).unlabelled},
	)
}()

func perCall(n int) string {
	if n == 1000 {
		return "1,000 per call"
	}
	return fmt.Sprint(n, " per call")
}

func nothing(*driver, int, int) error { return nil }

// turn runs the phase once. It calls begin before and end after the counted part.
func (p Phase) turn(d *driver, tasks int, begin, end func() error) error {
	if err := p.before(d, tasks, p.Batch); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := begin(); err != nil {
		return err
	}
	if err := p.run(d, tasks, p.Batch); err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	if err := p.after(d, tasks, p.Batch); err != nil {
		return fmt.Errorf("after: %w", err)
	}
	return nil
}

// driver makes the calls of a client and of a replica.
type driver struct {
	ctx      context.Context
	server   *server
	pool     *drive.Pool
	sequence *drive.Sequence
	payloads [][]byte
}

const lease = time.Hour

func newDriver(ctx context.Context, s *server) (*driver, error) {
	pool, err := drive.Open(ctx, s.rdb, s.addr, "count", "noop")
	if err != nil {
		return nil, err
	}
	if err := pool.Join(ctx, s.rdb, lease); err != nil {
		return nil, err
	}
	sequence, err := pool.Sequence(1, "count", lease)
	if err != nil {
		return nil, err
	}
	d := &driver{ctx: ctx, server: s, pool: pool, sequence: sequence}
	for range drive.MaxEnqueue {
		d.payloads = append(d.payloads, []byte(`{"n":"00000001"}`))
	}
	return d, nil
}

func (d *driver) enqueue(tasks, batch int) error {
	for range tasks / batch {
		if err := d.sequence.Enqueue(d.payloads[:batch]); err != nil {
			return err
		}
	}
	return nil
}

// fill makes as many tasks as a phase claims, and further tasks that remain waiting.
func (d *driver) fill(tasks, _ int) error { return d.enqueue(tasks+drive.MaxEnqueue, drive.MaxEnqueue) }

// refill fills, and claims the tasks that the first exchange of a drain reports.
func (d *driver) refill(tasks, batch int) error {
	if err := d.fill(tasks, batch); err != nil {
		return err
	}
	return d.exchange(batch)
}

// drain reports the claimed tasks with the next claim, as a replica does.
func (d *driver) drain(tasks, batch int) error {
	for range tasks / batch {
		if err := d.exchange(batch); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) claim(tasks, batch int) error {
	for range tasks / batch {
		d.sequence.Keep()
		if err := d.exchange(batch); err != nil {
			return err
		}
	}
	return nil
}

// claimed fills, and claims the tasks that a phase of reports needs.
func (d *driver) claimed(tasks, batch int) error {
	if err := d.fill(tasks, batch); err != nil {
		return err
	}
	return d.claim(tasks, batch)
}

// report reports the held tasks, claim by claim.
func (d *driver) report(int, int) error { return d.sequence.Report() }

// full refills, and bounds the stream of events to its length, so that each new event trims an old
// one.
func (d *driver) full(tasks, batch int) error {
	if err := d.refill(tasks, batch); err != nil {
		return err
	}
	fields, err := d.server.rdb.HMGet(d.ctx, d.pool.Meta(), "events:added", "events:gone").Result()
	if err != nil {
		return err
	}
	var added, gone int
	if _, err := fmt.Sscan(fmt.Sprint(fields[0]), &added); err != nil {
		return fmt.Errorf("events:added: %w", err)
	}
	if fields[1] != nil {
		if _, err := fmt.Sscan(fmt.Sprint(fields[1]), &gone); err != nil {
			return fmt.Errorf("events:gone: %w", err)
		}
	}
	const slack = 1000 // a stream may exceed its bound by this number of events
	return d.server.rdb.HSet(d.ctx, d.pool.Meta(), "events:max", added-gone-slack).Err()
}

// roomy reports the held tasks and removes the bound.
func (d *driver) roomy(tasks, batch int) error {
	if err := d.report(tasks, batch); err != nil {
		return err
	}
	return d.server.rdb.HDel(d.ctx, d.pool.Meta(), "events:max").Err()
}

// rated refills, and sets a rate of the queue that never blocks.
func (d *driver) rated(tasks, batch int) error {
	err := d.pool.Configure(d.ctx, d.server.rdb, "rate:queue:default", task.PerSecond(task.MaxRate).String())
	return errors.Join(err, d.refill(tasks, batch))
}

// unrated reports the held tasks and removes the rate.
func (d *driver) unrated(tasks, batch int) error {
	return errors.Join(d.report(tasks, batch), d.pool.Configure(d.ctx, d.server.rdb, "rate:queue:default", ""))
}

// labelled replaces all tasks by tasks with a label, as refill makes them.
func (d *driver) labelled(tasks, batch int) error {
	d.sequence.Labelled = true
	return errors.Join(d.empty(), d.refill(tasks, batch))
}

// unlabelled reports the held tasks, and removes those with a label.
func (d *driver) unlabelled(tasks, batch int) error {
	d.sequence.Labelled = false
	return errors.Join(d.report(tasks, batch), d.empty())
}

// empty drains the queue.
func (d *driver) empty() error {
	for {
		if n, err := d.sequence.Exchange(drive.MaxClaim, func([]byte) {}); n == 0 || err != nil {
			return err
		}
	}
}

func (d *driver) exchange(batch int) error {
	n, err := d.sequence.Exchange(batch, func([]byte) {})
	if err == nil && n != batch {
		err = fmt.Errorf("%d tasks were claimed, not %d", n, batch)
	}
	return err
}
