//go:build race && !go1.27

package faketime

// oneProcessor is true up to Go 1.26, where all timers of a bubble run in one context
// of the race detector. If two goroutines receive from timers at the same time they
// corrupt that context, and the process ends with "ThreadSanitizer: CHECK failed" or
// SIGSEGV (https://go.dev/issue/78156). Go 1.27 uses the context of the processor.
const oneProcessor = true
