package redisstore

import (
	"sync"
	"sync/atomic"
	"time"
)

// calls are the functions that observe script calls.
type calls struct {
	mu  sync.Mutex // of writes
	all atomic.Pointer[[]func(script string, took time.Duration, err error)]
}

// Observe adds a function that is called after each script call, with the script's name, the time
// until the reply with all tries, and the error of the call. The function is called concurrently
// and must return at once. Calls that block, and commands that are no scripts, are not observed.
func (s *Store) Observe(fn func(script string, took time.Duration, err error)) {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	var all []func(string, time.Duration, error)
	if p := s.calls.all.Load(); p != nil {
		all = append(all, *p...)
	}
	all = append(all, fn)
	s.calls.all.Store(&all)
}

func (c *calls) observed() bool { return c.all.Load() != nil }

// called calls the functions.
func (c *calls) called(sc *script, began time.Time, err error) {
	took := time.Since(began)
	for _, fn := range *c.all.Load() {
		fn(sc.name, took, err)
	}
}
