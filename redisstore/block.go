package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// block makes a blocking call on a connection of its own, which is cut when ctx
// ends: the client cannot interrupt a call that waits for its reply, and blocked
// connections must not use up the caller's pool.
func (s *Store) block(ctx context.Context, call func(ctx context.Context, rdb redis.UniversalClient) error) error {
	if err := s.checkName(); err != nil {
		return err
	}
	rdb, own := s.takeBlocking()
	if !own {
		return call(ctx, rdb)
	}
	uncut := context.AfterFunc(ctx, func() { rdb.Close() })
	err := call(ctx, rdb)
	if !uncut() {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	s.idle = append(s.idle, rdb)
	s.mu.Unlock()
	return err
}

// takeBlocking returns a client with one connection, made like the store's own.
// own is false for kinds of clients that cannot be made again.
func (s *Store) takeBlocking() (rdb redis.UniversalClient, own bool) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		rdb, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.mu.Unlock()
	if rdb != nil {
		return rdb, true
	}
	switch c := s.rdb.(type) {
	case *redis.Client:
		o := *c.Options()
		o.PoolSize, o.MinIdleConns, o.MaxActiveConns, o.MaxRetries = 1, 0, 0, -1
		o.PushNotificationProcessor = nil // belongs to the client it was made for
		return redis.NewClient(&o), true
	case *redis.ClusterClient:
		o := *c.Options()
		o.PoolSize, o.MinIdleConns, o.MaxActiveConns = 1, 0, 0
		return redis.NewClusterClient(&o), true
	}
	return s.rdb, false
}

// Close ends the connections that the store made for blocking calls. The client
// it was given stays open.
func (s *Store) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, rdb := range idle {
		rdb.Close()
	}
	return nil
}
