package pooltest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
)

// The arguments of the tasks of these tests.
type (
	Mail struct {
		To string `json:"to"`
	}
	Sum struct{ A, B int }
)

func (Mail) Kind() string { return "mail" }
func (Sum) Kind() string  { return "sum" }

// handleSum sets a handler for Sum.
func handleSum(p *pool.Pool) {
	pool.HandleResult(p, func(_ context.Context, t *pool.Task[Sum]) (int, error) {
		return t.Args.A + t.Args.B, nil
	})
}

var errPost = errors.New("the post office is closed")

// handleMail sets a handler for Mail that returns the results in turn, then nil. It
// returns the list of recipients.
func handleMail(p *pool.Pool, results ...error) *[]string {
	var mu sync.Mutex
	var to []string
	pool.Handle(p, func(_ context.Context, t *pool.Task[Mail]) error {
		mu.Lock()
		defer mu.Unlock()
		to = append(to, t.Args.To)
		if len(results) == 0 {
			return nil
		}
		err := results[0]
		results = results[1:]
		return err
	})
	return &to
}

// mustEnqueue enqueues a task or fails the test.
func mustEnqueue(t testing.TB, p interface {
	Enqueue(context.Context, pool.Kinder, ...pool.Option) (pool.Receipt, error)
}, args pool.Kinder, opts ...pool.Option) pool.Receipt {
	t.Helper()
	r, err := p.Enqueue(t.Context(), args, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recordingTB is a testing.TB that records failure messages instead of failing.
type recordingTB struct {
	testing.TB
	text string
}

func (v *recordingTB) Helper()           {}
func (v *recordingTB) Output() io.Writer { return io.Discard }
func (v *recordingTB) Fatalf(format string, args ...any) {
	v.text += fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (v *recordingTB) Fatal(args ...any) {
	v.text += fmt.Sprint(args...)
	runtime.Goexit()
}
func (v *recordingTB) Errorf(format string, args ...any) { v.text += fmt.Sprintf(format, args...) }

// failureOf returns the message with which f fails its test; "" if it does not fail.
func failureOf(t *testing.T, f func(t testing.TB)) string {
	v := &recordingTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(v)
	}()
	<-done
	return v.text
}
