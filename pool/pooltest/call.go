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
	"github.com/ltsworker/ltsworker/task"
)

// CallOption sets a property of the task that Call passes to the handler.
type CallOption func(*task.Task)

// Attempt makes the call the task's n-th attempt, after n-1 failed ones. The first
// attempt is 1, the default.
func Attempt(n int) CallOption {
	return func(t *task.Task) { t.Attempt, t.Failures = int64(n), n-1 }
}

// With applies options of Enqueue to the task: an id, headers, a group, a timeout, or a
// deadline, which counts from the call. Options that delay the start have no effect.
func With(opts ...pool.Option) CallOption {
	return func(t *task.Task) {
		for _, o := range opts {
			o(&t.Spec)
		}
	}
}

// Payload replaces the JSON of the args by b, byte for byte, to test payloads that
// another program may send.
func Payload(b []byte) CallOption {
	return func(t *task.Task) { t.Payload = b }
}

// Checkpoint makes an earlier attempt leave this checkpoint to the call: v as JSON, or
// unchanged if it is a []byte or a json.RawMessage.
func Checkpoint(v any) CallOption {
	return func(t *task.Task) {
		// A task that no replica runs keeps its checkpoint itself.
		if err := t.Checkpoint(context.Background(), v); err != nil {
			panic("pooltest: " + err.Error())
		}
	}
}

// Job makes an earlier attempt leave this job to the call: see task.Task.SaveJob. A
// handler that saves a checkpoint with its job also gets the option Checkpoint.
func Job(job string) CallOption {
	return func(t *task.Task) { t.Job = job }
}

// CleanUp makes the call a clean-up: the end of the task was decided with this code, such
// as pool.CodeStopped, and the handler only has to end the job of the option Job.
func CleanUp(code pool.Code) CallOption {
	return func(t *task.Task) { t.CleanUp = code }
}

// Call runs the handler of args' kind once, inside Config.Middleware, and returns the
// outcome of the attempt. Panics are caught and timeouts apply, as in production. There
// is no queue: limits, pauses and Config.Admit have no effect. The task is not enqueued,
// retried or stored; tasks that the handler enqueues are. The task has a new id, unless
// With sets one. Its fence is the number of the attempt.
//
// The handler's context has the values of t.Context(), not its cancellation. A kind
// without a handler fails the test, and so do invalid options.
func (p *Pool) Call(t testing.TB, args pool.Kinder, opts ...CallOption) Outcome {
	t.Helper()
	spec, err := pool.NewSpec(args)
	if err != nil {
		t.Fatalf("pooltest: call: %v", err)
	}
	now := p.Now()
	tk := task.Task{Spec: spec, State: pool.Running, Attempt: 1, CreatedAt: now, StartedAt: now, Replica: "pooltest"}
	for _, o := range opts {
		o(&tk)
	}
	if err := tk.Check(); err != nil {
		t.Fatalf("pooltest: call %s: %v", tk.Kind, err)
	}
	if tk.Attempt < 1 {
		t.Fatalf("pooltest: call %s: the attempt must be at least 1, not %d", tk.Kind, tk.Attempt)
	}
	if tk.ID == "" {
		tk.ID = rand.Text()
	}
	tk.Queue = cmp.Or(tk.Queue, pool.DefaultQueue)
	tk.Fence, tk.Version = tk.Attempt, 2*tk.Attempt
	policy := p.cfg.Policies[tk.Kind]
	tk.LargeResult = policy.LargeResult
	tk.TimeLeft = cmp.Or(tk.Timeout, policy.Timeout, task.DefaultTimeout)
	if tk.Deadline > 0 {
		tk.DeadlineAt = now.Add(tk.Deadline)
		tk.TimeLeft = min(tk.TimeLeft, tk.Deadline)
	}

	// The handler gets a copy of the task that no replica runs, so that its progress
	// can be read afterwards.
	own := tk
	if p.cfg.MaxLog != 0 {
		own.LimitLog(p.cfg.MaxLog)
	}
	single := newSingleStore(&tk)
	var w errorRecorder
	clone := p.clonePool(t, single, func(next pool.Handler) pool.Handler {
		return func(ctx context.Context, _ *task.Task) ([]byte, error) {
			result, err := next(ctx, &own)
			w.record(&tk, err)
			return result, err
		}
	}, tk.Queue)
	if handlers := p.Handlers(); handlers[tk.Kind] == nil {
		t.Fatalf("pooltest: call: no handler for the kind %q; there are: %s",
			tk.Kind, strings.Join(slices.Sorted(maps.Keys(handlers)), ", "))
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- clone.Run(ctx) }()
	select {
	case <-single.reported:
		end()
		err = <-ended
	case err = <-ended:
	}
	if err != nil {
		t.Fatalf("pooltest: call %s: %v", tk.Kind, err)
	}
	o := w.outcome(&tk, policy, *single.report, p.Now())
	o.Progress, o.Log, o.Meta, o.Checkpoint = own.Progress, own.Log, own.Meta(), own.LastCheckpoint
	o.Job = own.Job
	return o
}

// clonePool returns a pool on another store with the handlers of p, inside outermost
// and Config.Middleware. It serves the named queues, or all of p's if none is named.
func (p *Pool) clonePool(t testing.TB, s pool.Store, outermost pool.Middleware, queues ...string) *pool.Pool {
	t.Helper()
	cfg := p.cfg
	cfg.OnFinish = nil
	cfg.Admit = nil // a replica that takes no tasks would not end
	cfg.Middleware = append([]pool.Middleware{outermost}, cfg.Middleware...)
	if len(queues) > 0 {
		cfg.Queues, cfg.Slots = map[string]pool.Queue{}, nil
		cfg.Handlers = maps.Clone(cfg.Handlers)
		for kind, h := range cfg.Handlers {
			h.Concurrency = 0 // its own queue is served only if it is among queues
			cfg.Handlers[kind] = h
		}
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
