// Package client connects to one pool without running its tasks. It finds tasks,
// reports how far calls with many tasks are, and makes and removes pools for a test.
package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/trigger/calendar"
)

// Client is a connection to one pool. It runs no tasks.
type Client struct {
	*pool.Pool
	Store   *redisstore.Store
	Redis   redis.UniversalClient
	Name    string
	Address string // of Redis, without a password
	log     *slog.Logger
	tracer  pool.Tracer
}

// Trace makes the Client, and the pools of Watched, make spans of what they enqueue. It is called
// before any other method.
func (c *Client) Trace(tracer pool.Tracer) error {
	c.tracer = tracer
	p, err := pool.New(c.Store, pool.Config{Logger: c.log, Calendars: calendar.Builtin(), Tracer: tracer})
	if err == nil {
		c.Pool.Close()
		c.Pool = p
	}
	return err
}

// Close closes the pool and the connection.
func (c *Client) Close() {
	c.Pool.Close()
	c.Redis.Close()
}

// Open makes a Client and checks that Redis answers: see redisurl.Target.Reach. log
// gets the warnings of the pool.
func Open(ctx context.Context, at *redisurl.Target, name string, log *slog.Logger) (*Client, error) {
	if err := at.Reach(ctx); err != nil {
		return nil, err
	}
	return New(at, name, log)
}

// New makes a Client without a call to Redis.
func New(at *redisurl.Target, name string, log *slog.Logger) (*Client, error) {
	rdb := at.Client()
	store := redisstore.New(rdb, name)
	p, err := pool.New(store, pool.Config{Logger: log, Calendars: calendar.Builtin()})
	if err != nil {
		rdb.Close()
		return nil, err
	}
	return &Client{Pool: p, Store: store, Redis: rdb, Name: name, Address: at.Address, log: log}, nil
}

// Now returns the time of the clock of Redis, from which all times of tasks are.
func (c *Client) Now(ctx context.Context) (time.Time, error) {
	_, now, err := c.Store.WaitingSince(ctx)
	return now, err
}
