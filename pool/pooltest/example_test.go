package pooltest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// Convert turns an amount of one currency into another.
type Convert struct {
	Cents int
	To    string
}

func (Convert) Kind() string { return "money.convert" }

// handleConvert is the code under test.
func handleConvert(p *pool.Pool, rate func(currency string) (float64, error)) {
	pool.HandleResult(p, func(ctx context.Context, t *pool.Task[Convert]) (int, error) {
		r, err := rate(t.Args.To)
		switch {
		case err != nil && t.Attempt >= 3:
			return 0, pool.Permanent(err)
		case err != nil:
			return 0, pool.RetryAfter(err, time.Minute)
		}
		return int(float64(t.Args.Cents) * r), nil
	})
}

// testConvert is a test of handleConvert; in a service it is TestConvert(t *testing.T).
func testConvert(t testing.TB) {
	errClosed := errors.New("the exchange is closed")
	open := true
	p := pooltest.New(t, pool.Config{})
	handleConvert(p.Pool, func(string) (float64, error) {
		if !open {
			return 0, errClosed
		}
		return 1.5, nil
	})

	// Call one handler.
	fmt.Println(pooltest.Result[int](t, p.Call(t, Convert{Cents: 200, To: "CHF"})))
	open = false
	o := p.Call(t, Convert{Cents: 200, To: "CHF"})
	fmt.Println(o.Code, o.Delay, errors.Is(o.Err, errClosed))
	o = p.Call(t, Convert{Cents: 200, To: "CHF"}, pooltest.Attempt(3))
	fmt.Println(o.Code)

	// Run the pool, with a retry.
	r, err := p.Enqueue(t.Context(), Convert{Cents: 500, To: "CHF"})
	if err != nil {
		t.Fatal(err)
	}
	p.Drain(t)
	open = true
	p.Advance(t, time.Minute)
	p.Drain(t).RequireOK(t)
	cents, err := pool.Result[int](t.Context(), p.Pool, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(cents)
}

func Example() {
	t := &exampleT{}
	defer t.end()
	testConvert(t)
	// Output:
	// 300
	// error 1m0s true
	// permanent
	// 750
}

// exampleT replaces the *testing.T that an example does not have.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Output() io.Writer                 { return io.Discard }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatal(args ...any)                 { log.Fatal(args...) }
func (t *exampleT) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}
