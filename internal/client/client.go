// Package client connects to one pool without running tasks of it: opening, finding tasks,
// changing many tasks with a callback after each batch, and pools that are made to be
// removed.
package client

import (
	"context"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Client is a connection to one pool that runs nothing.
type Client struct {
	*pool.Pool
	Store   *redisstore.Store
	Redis   redis.UniversalClient
	Name    string
	Address string
	log     *slog.Logger
}

func (c *Client) Close() {
	c.Pool.Close()
	c.Redis.Close()
}

func Open(ctx context.Context, at *redisurl.Target, name string, log *slog.Logger) (*Client, error) {
	if err := at.Reach(ctx); err != nil {
		return nil, err
	}
	return New(at, name, log)
}

func New(at *redisurl.Target, name string, log *slog.Logger) (*Client, error) {
	rdb := at.Client()
	store := redisstore.New(rdb, name)
	p, err := pool.New(store, pool.Config{Logger: log})
	if err != nil {
		rdb.Close()
		return nil, err
	}
	return &Client{Pool: p, Store: store, Redis: rdb, Name: name, Address: at.Address, log: log}, nil
}
