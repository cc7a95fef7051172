package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

type ctxKey struct{}

func newLazyContext() *lazyContext {
	return &lazyContext{base: context.WithValue(context.Background(), ctxKey{}, "here")}
}

// ways read a context before and after it is cancelled, in every order.
func TestLazyContextBehavesAsAContext(t *testing.T) {
	reads := map[string]func(ctx context.Context){
		"nothing": func(context.Context) {},
		"Done":    func(ctx context.Context) { ctx.Done() },
		"Err":     func(ctx context.Context) { _ = ctx.Err() },
		"Value":   func(ctx context.Context) { ctx.Value(ctxKey{}) },
		"Cause":   func(ctx context.Context) { _ = context.Cause(ctx) },
	}
	for first, before := range reads {
		for second, after := range reads {
			t.Run(first+" before, "+second+" after", func(t *testing.T) {
				c := newLazyContext()
				before(c)
				if c.Err() != nil || context.Cause(c) != nil || c.Value(ctxKey{}) != "here" || c.Value("none") != nil {
					t.Errorf("before: %v, %v, %v", c.Err(), context.Cause(c), c.Value(ctxKey{}))
				}
				if _, ok := c.Deadline(); ok {
					t.Error("it has a deadline")
				}
				c.cancel(task.ErrStopped)
				c.cancel(task.ErrTimeout)
				after(c)
				if c.Err() != context.Canceled || context.Cause(c) != task.ErrStopped || c.Value(ctxKey{}) != "here" {
					t.Errorf("after: %v, %v, %v", c.Err(), context.Cause(c), c.Value(ctxKey{}))
				}
				if !isClosed(c.Done()) {
					t.Error("its channel is not closed")
				}
			})
		}
	}
}

func TestLazyContextIsNotCreatedUnlessNeeded(t *testing.T) {
	c := newLazyContext()
	_, _ = c.Err(), c.Value(ctxKey{})
	if context.Cause(c); c.inner != nil {
		t.Error("it was made")
	}
	c.Done()
	if c.inner == nil {
		t.Error("it was not made")
	}
}

func TestContextsDerivedFromALazyContextEndWithIt(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		c := newLazyContext()
		child, cancel := context.WithCancel(c)
		defer cancel()
		timed, cancelTimed := context.WithTimeout(context.WithValue(c, struct{ ctxKey }{}, "v"), time.Hour)
		defer cancelTimed()
		other, cancelOther := context.WithCancelCause(c)
		errOwn := errors.New("its own")
		cancelOther(errOwn)
		called := 0
		context.AfterFunc(c, func() { called++ })
		stop := context.AfterFunc(child, func() { called++ })
		if !stop() {
			t.Error("a function that has not run cannot be stopped")
		}
		if child.Err() != nil || timed.Err() != nil || c.Err() != nil {
			t.Error("the end of a child has ended others")
		}
		c.cancel(task.ErrLeaseLost)
		for _, ctx := range []context.Context{child, timed} {
			<-ctx.Done()
			if ctx.Err() != context.Canceled || context.Cause(ctx) != task.ErrLeaseLost || ctx.Value(ctxKey{}) != "here" {
				t.Errorf("a child has ended with %v, %v", ctx.Err(), context.Cause(ctx))
			}
		}
		if context.Cause(other) != errOwn {
			t.Errorf("a child that had ended before has the cause %v", context.Cause(other))
		}
		late, cancelLate := context.WithCancel(c)
		defer cancelLate()
		if late.Err() == nil || context.Cause(late) != task.ErrLeaseLost {
			t.Errorf("a child of an ended context: %v, %v", late.Err(), context.Cause(late))
		}
		if free := context.WithoutCancel(c); free.Err() != nil || context.Cause(free) != nil || free.Value(ctxKey{}) != "here" {
			t.Errorf("without cancel: %v, %v", free.Err(), context.Cause(free))
		}
		synctest.Wait()
		if called != 1 {
			t.Errorf("%d functions were called, want the one that was not stopped", called)
		}
	})
}

func TestLazyContextIsSafeForConcurrentUse(t *testing.T) {
	for range 200 {
		c := newLazyContext()
		done := make(chan struct{})
		go func() {
			defer close(done)
			child, cancel := context.WithCancel(c)
			defer cancel()
			<-child.Done()
			if context.Cause(child) != task.ErrStopped || context.Cause(c) != task.ErrStopped {
				t.Errorf("causes %v, %v", context.Cause(child), context.Cause(c))
			}
		}()
		go c.cancel(task.ErrStopped)
		for c.Err() == nil {
			c.Value(ctxKey{})
		}
		if err := context.Cause(c); err != task.ErrStopped {
			t.Errorf("cause %v", err)
		}
		<-done
	}
}

func TestHandlerContextEndsWhenTheHandlerReturns(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		var kept, child context.Context
		var cancel context.CancelFunc
		tr.r.Handle("job", func(ctx context.Context, _ *task.Task) ([]byte, error) {
			kept = ctx
			child, cancel = context.WithCancel(ctx)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		if kept.Err() != context.Canceled || context.Cause(kept) != context.Canceled || child.Err() != context.Canceled {
			t.Errorf("afterwards: %v, %v, its child %v", kept.Err(), context.Cause(kept), child.Err())
		}
		cancel()
		tr.shutDown()
	})
}
