// Package pooltest helps to test services that embed a pool. It keeps the tasks in
// memory: no Redis, no network, no sleeping. An emulated Redis runs the same scripts as
// in production, so limits, priorities, unique keys, retries and events behave as they
// do there.
//
// It is for tests only and adds nothing to programs that do not import it.
//
// # One pool per test
//
// New makes a pool with a Redis of its own. It embeds *pool.Pool, which the code under
// test takes:
//
//	func TestWelcome(t *testing.T) {
//		p := pooltest.New(t, pool.Config{})
//		shop := NewShop(p.Pool) // calls pool.Handle and Enqueue
//		…
//	}
//
// # Enqueued tasks
//
// Code that enqueues is tested without running tasks: Pool.RequireEnqueued fails the
// test if a task is missing, and lists the tasks that were enqueued.
//
//	shop.SignUp(ctx, "ann@example.com")
//	p.RequireEnqueued(t, Welcome{To: "ann@example.com"}, pool.Delay(time.Hour))
//
// # Handlers
//
// Pool.Call runs the handler of a kind once, with Middleware and without a queue, and
// returns the outcome of the attempt.
//
//	o := p.Call(t, Welcome{To: "nobody"}, pooltest.Attempt(3))
//	if o.Code != pool.CodePermanent {
//		t.Errorf("an unknown address: %v", o)
//	}
//
// # Whole runs
//
// Pool.Drain runs tasks until none can start now, including those that handlers enqueue
// and those that follow from Config.OnFinish, and returns the outcomes of the attempts.
// A failed attempt does not fail the test, since the test may expect it; use
// Outcomes.RequireOK for that. Failed attempts are also in the test's log.
//
//	p.Drain(t).RequireOK(t)
//
// Tests that need a running pool (waiting, stopping, progress) use Pool.Start.
//
// # Time
//
// Pool.Advance moves the clock: delayed tasks and retries can start, and TTLs,
// deadlines, leases and retention end.
//
//	p.Advance(t, time.Hour)
//	p.Drain(t).RequireOK(t)
//
// Outside testing/synctest the program's own clock runs as well: a delay or backoff of
// milliseconds may pass during a Drain. Use seconds there, or synctest.
//
// The backoff of a pool made by New has no jitter, so that the time of a retry is
// known: retry n waits min(Max, Base·2ⁿ⁻¹); with the defaults one second, two, four.
//
// The timeouts of handlers and the renewal of leases use the clock of the program, as
// in production. Test them inside testing/synctest, where that clock is a fake one,
// too. Advance is then a sleep that takes no real time:
//
//	synctest.Test(t, func(t *testing.T) {
//		p := pooltest.New(t, pool.Config{})
//		…
//	})
//
// Up to Go 1.26 the race detector can crash there ("ThreadSanitizer: CHECK failed", or
// SIGSEGV) when goroutines receive from timers at the same instant
// (https://go.dev/issue/78156). Set GOMAXPROCS=1 for those tests.
package pooltest
