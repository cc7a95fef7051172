// Package faketime runs tests in the fake time of testing/synctest.
package faketime

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test]; where the race detector does not stand the timers of
// a bubble, its goroutines take turns on one processor.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if oneProcessor {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	synctest.Test(t, f)
}
