package pool_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// Welcome greets a new customer.
type Welcome struct{ To string }

func (Welcome) Kind() string { return "mail.welcome" }

// signUp is code under test that enqueues.
func signUp(ctx context.Context, p *pool.Pool, address string) error {
	_, err := p.Enqueue(ctx, Welcome{To: address}, pool.Delay(time.Hour))
	return err
}

// handleMail is code under test that handles.
func handleMail(p *pool.Pool, send func(to string) error) {
	pool.Handle(p, func(ctx context.Context, t *pool.Task[Welcome]) error {
		return send(t.Args.To)
	})
}

// testSignUp is a test of both; in a service it is TestSignUp(t *testing.T).
func testSignUp(t testing.TB) {
	var sent []string
	p := pooltest.New(t, pool.Config{})
	handleMail(p.Pool, func(to string) error {
		sent = append(sent, to)
		return nil
	})

	if err := signUp(t.Context(), p.Pool, "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	p.RequireEnqueued(t, Welcome{To: "ann@example.com"}, pool.Delay(time.Hour))

	fmt.Println("at once:", len(p.Drain(t)), "attempts")
	p.Advance(t, time.Hour)
	fmt.Println("after an hour:", len(p.Drain(t).RequireOK(t)), "attempt")
	fmt.Println("sent to", sent)
}

// Package pooltest runs a pool in memory, for tests.
func Example_testing() {
	t := &exampleT{}
	defer t.end()
	testSignUp(t)
	// Output:
	// at once: 0 attempts
	// after an hour: 1 attempt
	// sent to [ann@example.com]
}

// exampleT replaces the *testing.T that an example does not have.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                  {}
func (t *exampleT) Context() context.Context { return context.Background() }
func (t *exampleT) Output() io.Writer        { return io.Discard }
func (t *exampleT) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatal(args ...any)        { log.Fatal(args...) }
func (t *exampleT) Fatalf(format string, args ...any) {
	log.Fatalf(format, args...)
}

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}
