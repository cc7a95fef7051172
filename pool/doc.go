// Package pool is a worker pool whose state lives in Redis, embedded in a Go
// service: any number of processes enqueue tasks, any number of replicas run
// them, and limits hold over all of them at every instant.
//
// # The smallest program
//
// A type names a kind of task and carries its arguments; a function handles it;
// Run serves until its context ends.
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
// Every process with a pool can enqueue, those without queues too: such a pool
// needs no Run and starts nothing by itself.
//
//	r, err := p.Enqueue(ctx, Resize{URL: u},
//		pool.Priority(10), pool.Delay(time.Minute), pool.Group("acme"))
//
// The [Receipt] names the task. [ID], [Unique] and [UniqueByArgs] keep a task from being
// made twice; a duplicate is no error, the receipt says so. EnqueueAll makes thousands of
// tasks in few round trips, from specs that NewSpec makes of the same arguments
// and options.
//
// # Handlers
//
// An attempt that returns nil has succeeded. Any error fails it, and it is
// retried with backoff until its attempts are used up; [Permanent], [RetryAfter]
// and [Snooze] say otherwise. A panic is an error. A handler may run more than
// once for one task, when a process dies or its lease is lost, and should be
// idempotent. When a task has to end, its context does, and context.Cause says
// why: [ErrStopped], [ErrTimeout], [ErrLeaseLost] or [ErrShutdown].
//
// Middleware, func(next Handler) Handler, wraps every handler; there is no other
// way to extend them.
//
// # Results
//
// HandleResult stores what a handler returns. [Result] reads it, [Wait] waits for
// it, and both return a [*TaskError] where the task ended otherwise.
//
//	size, err := pool.Wait[Size](ctx, p, r.ID)
//
// # Events
//
// Every change of state is an [Event]. Pool.Events shows all of them to every
// reader. Config.OnFinish and Pool.Subscribe share them among the processes of a
// group, at least once.
//
// # Operating
//
// A [Filter] selects tasks to list, stop, retry or delete. Pause, Resume and
// SetLimit act on all replicas at once, while they run.
//
// # Testing
//
// Package pooltest keeps a pool in memory for tests: it runs one handler now, or all
// tasks that can start, says what was enqueued, and moves the time.
//
// # Errors
//
// What a caller hands in is checked before anything is written, and everything
// wrong with it comes back at once, as *[FieldError] values joined: errors.As finds
// the first. Their Field is the field or argument in snake case, with the keys of
// maps in between: "max_attempts", "queues.default.max_len" for
// Config.Queues["default"].MaxLen. The other errors to branch on are for errors.Is,
// such as [ErrQueueFull]. A pool is safe for use by several goroutines.
package pool
