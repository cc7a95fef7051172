// Package faketime runs tests in the fake time of testing/synctest.
package faketime

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test]. With a race detector that cannot handle the timers of a
// bubble, it runs the goroutines on one processor.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if oneProcessor {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	synctest.Test(t, f)
}
