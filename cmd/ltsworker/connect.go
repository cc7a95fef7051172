package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/task"
)

// defaultPool is the pool that is used if none is named.
const defaultPool = "default"

// globals are the flags that every command has.
type globals struct {
	redis string
	pool  string
}

// poolName returns the pool to use. fromFile is the pool of the config file, "" for none. A flag or
// the environment overrides it.
func (g *globals) poolName(fromFile string) (string, error) {
	name, source := firstSet(
		[2]string{g.pool, "--pool"}, [2]string{os.Getenv("LTS_POOL"), "LTS_POOL"},
		[2]string{fromFile, "pool"}, [2]string{defaultPool, ""})
	if err := task.CheckName(name); err != nil {
		return "", usagef("%s %v", source, err)
	}
	return name, nil
}

// target returns the Redis to use. fromFile is the URL of the config file, "" for none. A flag or
// the environment overrides it.
func (g *globals) target(fromFile string) (*redisurl.Target, error) {
	raw, source := firstSet(
		[2]string{g.redis, "--redis"}, [2]string{os.Getenv("LTS_REDIS"), "LTS_REDIS"},
		[2]string{fromFile, "redis"}, [2]string{redisurl.Default, ""})
	p, err := redisurl.Parse(raw, source == "--redis")
	if err != nil {
		return nil, usagef("%s %v", source, err)
	}
	switch source {
	case "":
		source = "the default"
	case "redis":
		source = "the config file"
	}
	p.Source = source
	return p, nil
}

func firstSet(from ...[2]string) (value, source string) {
	for _, f := range from {
		if f[0] != "" {
			return f[0], f[1]
		}
	}
	return "", ""
}

// open connects a command to the pool that its flags name.
func (g *globals) open(ctx context.Context) (*client.Client, error) {
	return g.openBy(ctx, client.Open)
}

func (g *globals) openBy(ctx context.Context, open func(context.Context, *redisurl.Target, string, *slog.Logger) (*client.Client, error)) (*client.Client, error) {
	name, err := g.poolName("")
	if err != nil {
		return nil, err
	}
	at, err := g.target("")
	if err != nil {
		return nil, err
	}
	return open(ctx, at, name, newPlainLog(os.Stderr))
}

// withClient runs do with a connection to the pool that the flags name. It prints a note to
// standard error if the pool does not exist yet.
func (g *globals) withClient(cmd *cobra.Command, do func(ctx context.Context, c *client.Client) error) error {
	return g.withServer(cmd, func(ctx context.Context, c *client.Client) error {
		if note := missingPool(ctx, c); note != "" {
			if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "note: "+note); err != nil {
				return err
			}
		}
		return do(ctx, c)
	})
}

// withServer is withClient for commands whose pool need not exist.
func (g *globals) withServer(cmd *cobra.Command, do func(ctx context.Context, c *client.Client) error) error {
	ctx := cmd.Context()
	c, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return redisurl.Unreachable(c.Address, do(ctx, c))
}

// clientLog returns the logger of commands that make a pool and run its tasks.
func clientLog() *slog.Logger { return logging.New(os.Stderr, slog.LevelWarn) }
