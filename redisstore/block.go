package redisstore

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// blocker is a client for one blocking call at a time. It has the options of the
// store's client and one connection of its own, so that blocked calls do not use up the
// connections of the store's client. interrupt closes that connection, because the
// library cannot interrupt a call that waits for its reply.
type blocker struct {
	redis.UniversalClient

	mu    sync.Mutex
	conns map[*conn]struct{} // open connections
	cut   bool
}

// conn is a connection of a blocker. Close removes it from the blocker's list.
type conn struct {
	net.Conn
	of *blocker
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// socket is a conn that the library can check before it uses it again. It replaces a
// connection that the server has closed, so that no call fails.
type socket struct {
	*conn
	syscall.Conn
}

// block makes a call that blocks for at most wait, repetitions included. It ends the
// call when ctx ends.
func (s *Store) block(ctx context.Context, wait time.Duration, call func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) error) error {
	if err := s.ready(ctx, reads); err != nil {
		return err
	}
	b := s.takeBlocker()
	if b == nil {
		return call(ctx, s.rdb, wait)
	}
	uncut := context.AfterFunc(ctx, b.interrupt)
	began := time.Now()
	err := s.retryUnstable(ctx, b.UniversalClient, func() error {
		left := wait
		if wait > 0 {
			left = max(wait-time.Since(began), time.Millisecond)
		}
		return call(ctx, b, left)
	})
	if !uncut() {
		b.Close()
		return context.Cause(ctx)
	}
	s.mu.Lock()
	s.idle = append(s.idle, b)
	s.mu.Unlock()
	return err
}

// takeBlocker returns an idle blocker or a new one. It returns nil if the store's
// client is of a type that has no options to copy.
func (s *Store) takeBlocker() *blocker {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		b := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return b
	}
	b := &blocker{}
	switch c := s.rdb.(type) {
	case *redis.Client:
		o := *c.Options()
		b.dedicate(&o)
		o.MaxRetries = -1 // the callers of blocking calls repeat them
		b.UniversalClient = redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *c.Options()
		o.NewClient = func(node *redis.Options) *redis.Client {
			n := *node
			b.dedicate(&n)
			return redis.NewClient(&n)
		}
		b.UniversalClient = redis.NewClusterClient(&o)
	default:
		return nil
	}
	return b
}

// dedicate changes the options to one connection, which b can close.
func (b *blocker) dedicate(o *redis.Options) {
	o.PoolSize, o.MinIdleConns, o.MaxActiveConns = 1, 0, 0
	// These belong to the store's client, which may still change them.
	o.PushNotificationProcessor = nil
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled, EndpointType: maintnotifications.EndpointTypeNone}
	dial := o.Dialer
	if dial == nil {
		dial = redis.NewDialer(o)
	}
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.cut {
			// The call fails on the closed connection. An error here would make the
			// library dial again and log that.
			dialled.Close()
			return dialled, nil
		}
		return b.track(dialled), nil
	}
}

// track adds a connection to b's list until it is closed. The caller holds the mutex.
func (b *blocker) track(dialled net.Conn) net.Conn {
	c := &conn{Conn: dialled, of: b}
	if b.conns == nil {
		b.conns = map[*conn]struct{}{}
	}
	b.conns[c] = struct{}{}
	if sys, ok := dialled.(syscall.Conn); ok {
		return socket{c, sys}
	}
	return c
}

// interrupt closes the connections, which ends the call on them.
func (b *blocker) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = true
	for c := range b.conns {
		c.Conn.Close() // not c.Close, which takes the mutex
	}
}

// Close closes the connections that the store made for blocking calls. The client that
// was passed to New stays open.
func (s *Store) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, b := range idle {
		b.Close()
	}
	return nil
}
