package terminal

import "context"

// Interruptibly calls read, which may block, and returns its error. If ctx ends first
// it returns the cause and leaves read running: do not use what read sets after an
// error.
func Interruptibly(ctx context.Context, read func() error) error {
	done := make(chan error, 1)
	go func() { done <- read() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
