package alert

import (
	"sync"
	"time"
)

// Endpointer is a Channel that names its endpoint, such as its URL. Within a process, receivers with
// the same kind and endpoint share its pace. Other channels share a pace if they are the same value.
type Endpointer interface {
	Channel
	Endpoint() string
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
	if e, ok := c.(Endpointer); ok {
		key = e.Kind() + " " + e.Endpoint()
	}
	limitersMu.Lock()
	defer limitersMu.Unlock()
	if limiters[key] == nil {
		limiters[key] = &limiter{}
	}
	return limiters[key]
}

// take counts a message and returns when the next one is due in theory, or how long to wait until
// the pace allows a message.
func (l *limiter) take(p Pace) (next time.Time, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Now()
	if wait := l.next.Add(-time.Duration(p.Burst-1) * p.Every).Sub(at); wait > 0 {
		return l.next, wait
	}
	l.next = later(l.next, at).Add(p.Every)
	return l.next, 0
}

// raise counts the messages that another process has sent. next is when its next message is due in
// theory.
func (l *limiter) raise(next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = later(l.next, next)
}
