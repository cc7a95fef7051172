// Package pool is a worker pool whose state is in Redis, embedded in a Go service. Any
// number of processes enqueue tasks and any number of replicas run them. Limits apply
// over all replicas at every instant.
//
// # The smallest program
//
// A type names a kind of task and holds its arguments. A function handles it. Run
// serves the queues until its context ends.
//
//	type Resize struct{ URL string }
//
//	func (Resize) Kind() string { return "image.resize" }
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//		defer stop()
//
//		rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//		p, err := pool.New(redisstore.New(rdb, "media"), pool.Config{
//			Queues: map[string]pool.Queue{
//				"default": {Workers: 8, Limit: 20}, // 8 at once here, 20 over all replicas
//			},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		pool.Handle(p, func(ctx context.Context, t *pool.Task[Resize]) error {
//			return resize(ctx, t.Args.URL)
//		})
//		if err := p.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Enqueueing
//
// Every process with a pool can enqueue, also one without queues: such a pool needs no
// Run and starts no goroutine by itself.
//
//	r, err := p.Enqueue(ctx, Resize{URL: u},
//		pool.Priority(10), pool.Delay(time.Minute), pool.Group("acme"))
//
// The [Receipt] names the task. [ID], [Unique] and [UniqueByArgs] prevent duplicates. A
// duplicate is no error: its receipt is marked. EnqueueAll makes thousands of tasks in
// few round trips. It takes specs, which NewSpec makes of the same arguments and
// options.
//
// # Handlers
//
// An attempt whose handler returns nil has succeeded. Any error fails the attempt, and
// the task is retried with backoff until its attempts are used up; [Permanent],
// [RetryAfter] and [Snooze] change that. A panic is an error. A handler should be
// idempotent: it runs more than once for a task when a process dies or its lease is
// lost. When a task has to end, its context is cancelled, and context.Cause is
// [ErrStopped], [ErrTimeout], [ErrLeaseLost], [ErrShutdown] or [ErrReported].
//
// Middleware, func(next Handler) Handler, wraps every handler.
//
// # Results
//
// HandleResult stores what a handler returns. [Result] reads it, and [Wait] waits for
// it. Both return a [*TaskError] if the task ended without success.
//
//	size, err := pool.Wait[Size](ctx, p, r.ID)
//
// # Events
//
// Every change of state is an [Event]. With Pool.Events every reader gets all of them.
// With Config.OnFinish and Pool.Subscribe the processes of a group share them, each
// event being delivered at least once.
//
// # Operating
//
// A [Filter] selects tasks to list, stop, retry, run now or delete. Pause, Resume and SetLimit
// change all running replicas at once.
//
// # Testing
//
// Package pooltest runs a pool in memory for tests. It runs one handler, or all tasks
// that can start, lists what was enqueued, and advances the clock.
//
// # Errors
//
// Arguments are checked before anything is written. All that is wrong with them is
// returned at once, as joined *[FieldError] values: errors.As finds the first. Their
// Field is the field or argument in snake case, with the keys of maps in between:
// "max_attempts", "queues.default.max_len" for Config.Queues["default"].MaxLen. Use
// errors.Is for the other errors, such as [ErrQueueFull]. A pool is safe for concurrent
// use.
package pool
