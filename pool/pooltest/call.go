package pooltest

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// CallOption says as what task a handler is called.
type CallOption func(*worker.Task)

// Attempt makes the call the task's n-th attempt, after n-1 that failed. The first
// is 1, which is the default.
func Attempt(n int) CallOption {
	return func(t *worker.Task) { t.Attempt, t.Failures = int64(n), n-1 }
}

// With gives the task what options of Enqueue give it: an id, headers, a group, a
// timeout, a deadline, which counts from the call. Those that say when a task starts
// have no effect.
func With(opts ...pool.Option) CallOption {
	return func(t *worker.Task) {
		for _, o := range opts {
			o(&t.Spec)
		}
	}
}

// Payload replaces the JSON of the args by b, byte for byte: for what another
// program may send.
func Payload(b []byte) CallOption {
	return func(t *worker.Task) { t.Payload = b }
}

// Call runs the handler of args' kind once, now, behind Config.Middleware, and
// returns what became of the attempt: panics are caught and timeouts kept as they
// are in production. There is no queue: limits and pauses have no effect, and the
// task is not enqueued, retried or stored; what its handler enqueues is. The task
// has a new id, unless With gives one, and its attempt for a fence.
//
// The handler's context has the values of t.Context(), not its end. A kind without
// a handler fails the test, and so do bad options.
func (p *Pool) Call(t testing.TB, args pool.Kinder, opts ...CallOption) Outcome {
	t.Helper()
	spec, err := pool.NewSpec(args)
	if err != nil {
		t.Fatalf("pooltest: call: %v", err)
	}
	now := p.Now()
	task := worker.Task{Spec: spec, State: pool.Running, Attempt: 1, CreatedAt: now, StartedAt: now, Replica: "pooltest"}
	for _, o := range opts {
		o(&task)
	}
	if err := task.Check(); err != nil {
		t.Fatalf("pooltest: call %s: %v", task.Kind, err)
	}
	if task.Attempt < 1 {
		t.Fatalf("pooltest: call %s: the first attempt is 1, there is no attempt %d", task.Kind, task.Attempt)
	}
	if task.ID == "" {
		task.ID = rand.Text()
	}
	task.Queue = cmp.Or(task.Queue, pool.DefaultQueue)
	task.Fence, task.Version = task.Attempt, 2*task.Attempt
	policy := p.cfg.Policies[task.Kind]
	task.TimeLeft = cmp.Or(task.Timeout, policy.Timeout, worker.DefaultTimeout)
	if task.Deadline > 0 {
		task.DeadlineAt = now.Add(task.Deadline)
		task.TimeLeft = min(task.TimeLeft, task.Deadline)
	}

	// The handler gets a task of its own: one that no replica runs keeps its
	// progress where it can be read afterwards.
	own := task
	stage := newStage(&task)
	var w witness
	once := p.double(t, stage, func(next pool.Handler) pool.Handler {
		return func(ctx context.Context, _ *worker.Task) ([]byte, error) {
			result, err := next(ctx, &own)
			w.saw(&task, err)
			return result, err
		}
	}, task.Queue)
	if handlers := p.Handlers(); handlers[task.Kind] == nil {
		t.Fatalf("pooltest: call: no handler for the kind %q; there are: %s",
			task.Kind, strings.Join(slices.Sorted(maps.Keys(handlers)), ", "))
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- once.Run(ctx) }()
	select {
	case <-stage.reported:
		end()
		err = <-ended
	case err = <-ended:
	}
	if err != nil {
		t.Fatalf("pooltest: call %s: %v", task.Kind, err)
	}
	o := w.outcome(&task, policy, *stage.report, p.Now())
	o.Progress = own.Progress
	return o
}

// double is a pool over another store with the handlers of p, behind outermost and
// Config.Middleware. It serves the queues named, or all of p's.
func (p *Pool) double(t testing.TB, s pool.Store, outermost pool.Middleware, queues ...string) *pool.Pool {
	t.Helper()
	cfg := p.cfg
	cfg.OnFinish = nil
	cfg.Middleware = append([]pool.Middleware{outermost}, cfg.Middleware...)
	if len(queues) > 0 {
		cfg.Queues = map[string]pool.Queue{}
		for _, q := range queues {
			cfg.Queues[q] = pool.Queue{Workers: 1}
		}
	}
	d, err := pool.New(s, cfg)
	if err != nil {
		t.Fatalf("pooltest: %v", err)
	}
	for kind, h := range p.Handlers() {
		d.HandleKind(kind, h)
	}
	return d
}
