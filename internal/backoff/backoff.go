// Package backoff spaces the tries of a call to the store that fails.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// The longest wait before a try doubles from first to longest.
const (
	first   = 50 * time.Millisecond
	longest = 2 * time.Second
)

// Delay returns the wait before retry n, from 1: 50 ms doubling to 2 s, minus a random part
// of up to a half, so that many clients do not retry at the same time.
func Delay(n int) time.Duration {
	d := min(first<<min(n-1, 10), longest)
	return d/2 + rand.N(d/2)
}

// Sleep waits for d. If ctx ends first it returns the error of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
