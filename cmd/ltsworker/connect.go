package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const (
	defaultRedis = "redis://127.0.0.1:6379/0"
	defaultPool  = "default"
	// connectTimeout is how long Redis may take to answer at all.
	connectTimeout = 5 * time.Second
)

// globals are the flags that every command has.
type globals struct {
	redis string
	pool  string
}

// poolName returns the pool that is meant. fromFile is what a config file says,
// "" for nothing: it loses against flag and environment.
func (g *globals) poolName(fromFile string) (string, error) {
	name, source := firstSet(
		[2]string{g.pool, "--pool"}, [2]string{os.Getenv("LTS_POOL"), "LTS_POOL"},
		[2]string{fromFile, "pool"}, [2]string{defaultPool, ""})
	if err := task.CheckName(name); err != nil {
		return "", usagef("%s %v", source, err)
	}
	return name, nil
}

// place returns where the Redis that is meant lives.
func (g *globals) place(fromFile string) (*place, error) {
	raw, source := firstSet(
		[2]string{g.redis, "--redis"}, [2]string{os.Getenv("LTS_REDIS"), "LTS_REDIS"},
		[2]string{fromFile, "redis"}, [2]string{defaultRedis, ""})
	p, err := locate(raw, source == "--redis")
	if err != nil {
		return nil, usagef("%s %v", source, err)
	}
	switch source {
	case "":
		source = "the default"
	case "redis":
		source = "the config file"
	}
	p.from = source
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

// readURL returns the URL that is given, or held by the file that is.
func readURL(raw string) (string, error) {
	name, ok := strings.CutPrefix(raw, "@")
	if !ok {
		return raw, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("names a file that cannot be read: %w", err)
	}
	url := strings.TrimSpace(string(data))
	switch {
	case url == "":
		return "", errors.New("names an empty file")
	case url[0] == '@':
		return "", errors.New("names a file that holds no URL")
	}
	return url, nil
}

// reach makes sure that Redis answers. It asks once and does not insist: whoever
// typed the wrong address shall know soon.
func reach(ctx context.Context, at *place) error {
	rdb := at.probe()
	defer rdb.Close()
	late, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := rdb.Ping(late).Err(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// Whoever may not ping, but may run scripts, does without.
		if isDenied(err) && rdb.Eval(late, "return 1", nil).Err() == nil {
			return nil
		}
		return &unreachableError{address: at.address, err: advise(err, at.plain())}
	}
	return nil
}

// plain reports whether it is reached over the network and without TLS.
func (p *place) plain() bool {
	return *p.tls() == nil && (p.server == nil || p.server.Network != "unix")
}

// advise says what to do about the answers that a server gives to strangers. plain
// says that it was spoken to without TLS.
func advise(err error, plain bool) error {
	msg := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v", connectTimeout)
	case plain && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return errors.New("it closed the connection: does it want TLS, rediss://?")
	case strings.HasPrefix(msg, "NOAUTH"):
		return errors.New("it needs a password: set LTS_REDIS to redis://:PASSWORD@HOST:PORT/DB, or pass --redis @FILE")
	case strings.HasPrefix(msg, "WRONGPASS"), strings.HasPrefix(msg, "ERR invalid password"):
		return errors.New("it refuses the user name or password")
	case strings.HasPrefix(msg, "NOPERM") && !strings.Contains(msg, "ping"):
		return fmt.Errorf("its user may not do what this needs: %w", err)
	case strings.HasPrefix(msg, "NOPERM"):
		return fmt.Errorf("its user may not do what this needs (one that may only push to the inbox enqueues with RPUSH): %w", err)
	}
	return err
}

// isDenied reports whether err says that the user lacks a right.
func isDenied(err error) bool {
	var answer redis.Error
	return errors.Is(err, task.ErrDenied) || errors.As(err, &answer) && redis.HasErrorPrefix(answer, "NOPERM")
}

// client is a connection to one pool that runs nothing.
type client struct {
	*pool.Pool
	store *redisstore.Store
	rdb   redis.UniversalClient
	name  string
	addr  string
}

func (c *client) close() {
	c.Pool.Close()
	c.rdb.Close()
}

// open connects a command to the pool that its flags name.
func (g *globals) open(ctx context.Context) (*client, error) { return g.openBy(ctx, openPool) }

func (g *globals) openBy(ctx context.Context, open func(context.Context, *place, string) (*client, error)) (*client, error) {
	name, err := g.poolName("")
	if err != nil {
		return nil, err
	}
	at, err := g.place("")
	if err != nil {
		return nil, err
	}
	return open(ctx, at, name)
}

func openPool(ctx context.Context, at *place, name string) (*client, error) {
	if err := reach(ctx, at); err != nil {
		return nil, err
	}
	return newClient(at, name)
}

func newClient(at *place, name string) (*client, error) {
	rdb := at.client()
	store := redisstore.New(rdb, name)
	p, err := pool.New(store, pool.Config{Logger: newLogger(os.Stderr, slog.LevelWarn)})
	if err != nil {
		rdb.Close()
		return nil, err
	}
	return &client{Pool: p, store: store, rdb: rdb, name: name, addr: at.address}, nil
}

// withClient runs do with a connection to the pool that the flags name.
func (g *globals) withClient(cmd *cobra.Command, do func(ctx context.Context, c *client) error) error {
	ctx := cmd.Context()
	c, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return unreachable(c.addr, do(ctx, c))
}
