package redisstore

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// blocker is a client for one blocking call at a time. It is made like the
// store's own but has its own connection, so that blocked calls use up nobody's
// pool, and it can be cut: the library cannot interrupt a call that waits for
// its reply.
type blocker struct {
	redis.UniversalClient

	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

// block makes a call that blocks for up to wait, in all, and ends it when ctx
// ends.
func (s *Store) block(ctx context.Context, wait time.Duration, call func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) error) error {
	if err := s.checkName(); err != nil {
		return err
	}
	b := s.takeBlocker()
	if b == nil {
		return call(ctx, s.rdb, wait)
	}
	uncut := context.AfterFunc(ctx, b.interrupt)
	began := time.Now()
	err := s.settle(ctx, b.UniversalClient, func() error {
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

// takeBlocker returns an idle blocker or a new one; nil where the store's client
// is of a kind that cannot be made again.
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
		b.alone(&o)
		o.MaxRetries = -1 // who blocks has a loop of its own
		b.UniversalClient = redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *c.Options()
		o.NewClient = func(node *redis.Options) *redis.Client {
			n := *node
			b.alone(&n)
			return redis.NewClient(&n)
		}
		b.UniversalClient = redis.NewClusterClient(&o)
	default:
		return nil
	}
	return b
}

// alone gives the options one connection, which b can cut.
func (b *blocker) alone(o *redis.Options) {
	o.PoolSize, o.MinIdleConns, o.MaxActiveConns = 1, 0, 0
	// These belong to the client they were made for, which may still change them.
	o.PushNotificationProcessor = nil
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	dial := o.Dialer
	if dial == nil {
		dial = redis.NewDialer(o)
	}
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.cut {
			// The call fails on a closed connection; an error here would make the
			// library dial again, and log that.
			conn.Close()
			return conn, nil
		}
		b.conns = append(b.conns, conn)
		return conn, nil
	}
}

// interrupt cuts the connections, which ends the call on them.
func (b *blocker) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = true
	for _, conn := range b.conns {
		conn.Close()
	}
}

// Close ends the connections that the store made for blocking calls. The client
// it was given stays open.
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
