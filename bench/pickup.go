package main

import "time"

const (
	idleLabel = "pick-up, 20 tasks/s"
	busyLabel = "pick-up, 1,000 tasks/s"
	slotsUsed = 50
)

// pickUp measures how long a task takes to reach a free handler: from before the call that enqueues
// it to the start of the handler in the other process.
//
// Systems that poll are measured in the first round only.
func pickUp(b *bench) error {
	systems := peers
	if b.round > 0 {
		systems = []string{"ours", bullmq}
	}
	for _, v := range b.compared(systems...) {
		if err := b.paced(idleLabel, v, 20, b.sizes.calm, 0); err != nil {
			return err
		}
		if err := b.paced(busyLabel, v, 1000, b.sizes.peak, 0); err != nil {
			return err
		}
	}
	return nil
}

// paced enqueues at a rate for a time while a worker process waits, and adds the latencies. A few
// earlier tasks open connections and load scripts.
func (b *bench) paced(label string, v variant, perSecond int, d, delay time.Duration) error {
	const warm = 100
	n := int(d.Seconds() * float64(perSecond))
	return b.measured(v.system, v.env, 1, func(r *rig) error {
		if err := r.start(slotsUsed, warm+n); err != nil {
			return err
		}
		if _, err := r.client.ask(request{Op: "enqueue", N: warm, Size: 16, Callers: 10}); err != nil {
			return err
		}
		if err := r.await(warm); err != nil {
			return err
		}
		_, err := r.client.ask(request{
			Op: "enqueue", Offset: warm, N: n, Size: 16, Rate: perSecond, DelayMS: delay.Milliseconds(),
		})
		if err != nil {
			return err
		}
		results, err := r.finish(warm + n)
		if err != nil {
			return err
		}
		return b.latencies(label, v.row, results)
	})
}
