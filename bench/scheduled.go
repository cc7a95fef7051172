package main

import "time"

const scheduledLabel = "lateness of tasks delayed by 500 ms"

// scheduled measures how long after its time a delayed task starts, on an idle pool. asynq,
// gocraft/work and River poll every few seconds. asynq is measured in the first round only; the
// other two are left out.
func scheduled(b *bench) error {
	systems := []string{"ours", bullmq}
	if b.round == 0 {
		systems = append(systems, "asynq")
	}
	for _, v := range b.compared(systems...) {
		if err := b.paced(scheduledLabel, v, 20, b.sizes.calm, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
