package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/riverqueue/river"

	"github.com/ltsworker/ltsworker/pool"
)

const (
	triggerLabel = "lateness of a trigger that fires every second"
	firingLabel  = "triggers that are due at once"
)

// wholeSecond is the Sent value of the tasks of triggers, whose payloads do not have the planned
// time in every system: it was the last whole second of the machine's clock.
const wholeSecond = 1

// scheduler is a system with tasks that repeat.
type scheduler interface {
	// Schedule makes a task with the payload at every whole second.
	Schedule(ctx context.Context, a args) error
}

// triggers measures how long after its planned time the task of a trigger starts, on an idle pool,
// and how fast many triggers are fired. Each system fires in its worker process. asynq and River
// fetch new tasks after a pause that is their default; they are measured in the first round only.
func triggers(b *bench) error {
	systems := []string{"ours", bullmq}
	if b.round == 0 {
		systems = append(systems, "asynq", "river")
	}
	seconds := int(b.sizes.watch.Seconds())
	for _, v := range b.compared(systems...) {
		err := b.measured(v.system, v.env, 1, func(r *rig) error {
			if err := r.start(slotsUsed, 1); err != nil {
				return err
			}
			if _, err := r.workers[0].ask(request{Op: "schedule"}); err != nil {
				return err
			}
			if err := r.await(1 + seconds); err != nil {
				return err
			}
			p, err := r.workers[0].ask(request{Op: "result"})
			if err != nil {
				return err
			}
			p.Latencies = p.Latencies[min(1, len(p.Latencies)):] // the first one opens connections
			return b.latencies(triggerLabel, v.row, []reply{p})
		})
		if err != nil {
			return err
		}
	}
	for range b.chosen("ours") {
		if err := b.firings(min(b.sizes.tasks, 10_000)); err != nil {
			return err
		}
	}
	return nil
}

// firings measures how fast n triggers with the same planned time are fired and their tasks run.
func (b *bench) firings(n int) error {
	return b.measured("ours", env{}, 1, func(r *rig) error {
		p, err := r.client.ask(request{Op: "once", N: n, Callers: callers})
		if err != nil {
			return err
		}
		if p.Pending > 0 {
			return fmt.Errorf("setting %d triggers took until after their planned time", n)
		}
		if err := r.start(slotsUsed, n); err != nil {
			return err
		}
		results, err := r.finish(n)
		if err != nil {
			return err
		}
		b.results.add(firingLabel, names["ours"], "firings/s", rate(n, results))
		return nil
	})
}

func (o *ours) Schedule(ctx context.Context, a args) error {
	return o.client.Triggers().Set(ctx, pool.Trigger{Name: kind, Cron: "* * * * * *", Task: pool.Spec{Kind: kind, Payload: a.json()}})
}

// once sets n triggers with the same planned time. It reports whether that has passed meanwhile.
func (o *ours) once(ctx context.Context, n, callers int) (late bool, err error) {
	at := time.Now().Add(time.Second + time.Duration(n)*2*time.Millisecond).Truncate(time.Second)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	err = together(callers, func() error {
		for i := range next {
			spec := pool.Spec{Kind: kind, Payload: item{N: i}.args().json()}
			if err := o.client.Triggers().Set(ctx, pool.Trigger{Name: fmt.Sprint("t", i), At: at, Task: spec}); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Now().After(at), err
}

func (a *asynqSystem) Schedule(_ context.Context, p args) error {
	s := asynq.NewScheduler(a.opt, &asynq.SchedulerOpts{LogLevel: asynq.FatalLevel})
	if _, err := s.Register("@every 1s", asynq.NewTask(kind, p.json())); err != nil {
		return err
	}
	return s.Start()
}

// everySecond is a schedule of River.
type everySecond struct{}

func (everySecond) Next(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }

func (r *riverSystem) Schedule(_ context.Context, a args) error {
	if r.server == nil {
		return errors.New("not started")
	}
	r.server.PeriodicJobs().Add(river.NewPeriodicJob(everySecond{}, func() (river.JobArgs, *river.InsertOpts) { return a, nil }, nil))
	return nil
}
