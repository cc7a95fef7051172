// Package pooltest helps to test services that embed a pool. It keeps the tasks in
// memory: no Redis, no network, no sleeping. The tasks are moved by the same
// scripts as in production, which an emulated Redis runs, so limits, priorities,
// unique keys, retries and events behave as they do there.
//
// It is for tests only: nothing of it gets into a program that does not import it.
//
// # One pool per test
//
// New makes a pool with a Redis of its own. It embeds *pool.Pool, which is what
// the code under test takes:
//
//	func TestWelcome(t *testing.T) {
//		p := pooltest.New(t, pool.Config{})
//		shop := NewShop(p.Pool) // calls pool.Handle and Enqueue
//		…
//	}
//
// # What is enqueued
//
// Code that enqueues is tested without running anything: Pool.RequireEnqueued
// fails the test, and lists what was enqueued, where a task is missing.
//
//	shop.SignUp(ctx, "ann@example.com")
//	p.RequireEnqueued(t, Welcome{To: "ann@example.com"}, pool.Delay(time.Hour))
//
// # What a handler does
//
// Pool.Call runs the handler of a kind once, with Middleware and without a queue,
// and returns what became of the attempt.
//
//	o := p.Call(t, Welcome{To: "nobody"}, pooltest.Attempt(3))
//	if o.Code != pool.CodePermanent {
//		t.Errorf("an unknown address: %v", o)
//	}
//
// # All of it together
//
// Pool.Drain runs tasks until none can start now, those that handlers enqueue and
// Config.OnFinish included, and returns what became of the attempts. It does not
// fail the test where a handler failed, since that may be what is tested:
// Outcomes.RequireOK does. Failed attempts are also in the test's log.
//
//	p.Drain(t).RequireOK(t)
//
// Tests of what needs a running pool (waiting, stopping, progress) use Pool.Start.
//
// # Time
//
// Pool.Advance lets time pass: delayed tasks and retries become due, and TTLs,
// deadlines, leases and retention end.
//
//	p.Advance(t, time.Hour)
//	p.Drain(t).RequireOK(t)
//
// Outside testing/synctest the program's own clock goes on as well: a delay or a
// backoff of milliseconds may become due during a Drain. Use seconds there, or
// synctest.
//
// So that it is known when a retry is due, the backoff of a pool made by New has
// no jitter: retry n waits all of min(Max, Base·2ⁿ⁻¹), with the defaults one
// second, two, four.
//
// The timeouts of handlers and the renewal of leases go by the clock of the
// program, as they do in production. A test of those runs inside testing/synctest,
// where that clock is a fake one, too. Advance is then a sleep that takes no time:
//
//	synctest.Test(t, func(t *testing.T) {
//		p := pooltest.New(t, pool.Config{})
//		…
//	})
//
// Up to Go 1.26 the race detector can crash there ("ThreadSanitizer: CHECK failed",
// or SIGSEGV) when goroutines receive from timers at the same instant
// (https://go.dev/issue/78156): set GOMAXPROCS=1 for those tests.
package pooltest
