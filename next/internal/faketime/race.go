//go:build race && !go1.27

package faketime

// oneProcessor is true up to Go 1.26: all timers of a bubble run in one context
// of the race detector, and two goroutines that receive from timers that are due
// corrupt it when they do so at once, which ends the process in "ThreadSanitizer:
// CHECK failed" or SIGSEGV (https://go.dev/issue/78156). Go 1.27 runs them in the
// context of the processor.
const oneProcessor = true
