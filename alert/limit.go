package alert

import (
	"sync"
	"time"
)

// Placed is a Channel that names its endpoint. Receivers with the same endpoint share its pace
// within a process. Other channels share it if they are the same value.
type Placed interface {
	Channel
	Place() string
}

// limiter keeps the pace of an endpoint for all Runners of this process.
type limiter struct {
	mu   sync.Mutex
	next time.Time // when the next message is due in theory: see health.Next
}

var (
	limitersMu sync.Mutex
	limiters   = map[any]*limiter{}
)

// limiterOf returns the limiter of the endpoint of a channel.
func limiterOf(c Channel) *limiter {
	var key any = c
	if p, ok := c.(Placed); ok {
		key = p.Kind() + " " + p.Place()
	}
	limitersMu.Lock()
	defer limitersMu.Unlock()
	if limiters[key] == nil {
		limiters[key] = &limiter{}
	}
	return limiters[key]
}

// take takes a place in the pace. It returns how long to wait if there is none.
func (l *limiter) take(p Pace) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Now()
	if wait := l.next.Add(-time.Duration(p.Burst-1) * p.Every).Sub(at); wait > 0 {
		return wait
	}
	if l.next.Before(at) {
		l.next = at
	}
	l.next = l.next.Add(p.Every)
	return 0
}
