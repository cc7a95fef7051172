package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

const (
	// The embedded Redis is slow where a sorted set or a stream is large. So in it
	// at most so many tasks are enqueued ahead of the work, and far more events
	// than those tasks have are kept.
	demoWindow = 1000
	demoEvents = 20_000
)

// demoPlace is where a demo keeps its tasks.
type demoPlace struct {
	*client.Client
	redis     string // the URL, which may hold a password
	given     string // the same for a person, as a shell takes it
	window    int    // tasks enqueued ahead of the work
	maxEvents int    // events kept; 0 for the pool's default
	embedded  *miniredis.Miniredis
	closing   chan struct{} // closed with the embedded one
}

// openDemoPlace starts an embedded Redis, or connects to the one that --redis
// names. LTS_REDIS is not enough: a demo shall not end up in somebody's real
// pool by accident.
func openDemoPlace(ctx context.Context, g *globals) (*demoPlace, error) {
	if g.redis == "" {
		m := miniredis.NewMiniRedis()
		if err := m.StartAddr("127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("start the embedded Redis: %w", err)
		}
		c, err := client.Open(ctx, redisurl.FromOptions(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true}), "demo", clientLog())
		if err != nil {
			m.Close()
			return nil, err
		}
		d := &demoPlace{
			Client: c, redis: "redis://" + m.Addr() + "/0", window: demoWindow, maxEvents: demoEvents,
			embedded: m, closing: make(chan struct{}),
		}
		d.given = d.redis
		go d.expire()
		return d, nil
	}
	given := givenAgain(g.redis)
	// Read once: a file that is a pipe has nothing left for the replicas.
	url, err := redisurl.Read(g.redis)
	if err != nil {
		return nil, usagef("--redis %v", err)
	}
	at, err := redisurl.Parse(url, url == g.redis)
	if err != nil {
		return nil, usagef("--redis %v", err)
	}
	c, err := client.Open(ctx, at, client.ThrowAwayName("demo"), clientLog())
	if err != nil {
		return nil, err
	}
	return &demoPlace{Client: c, redis: url, given: given, window: math.MaxInt}, nil
}

// givenAgain is what a second command takes for the Redis that --redis named, as a
// word for a shell. What a pipe held is not shown, since it may hold a password.
func givenAgain(raw string) string {
	if name, ok := strings.CutPrefix(raw, "@"); ok {
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			raw = "the URL of " + name
		}
	}
	return terminal.ShellWord(raw)
}

// expire removes the keys whose time has come from the embedded Redis, which does
// not do so by itself: its ClockTTL looks at every key in every command.
func (d *demoPlace) expire() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case now := <-tick.C:
			d.embedded.FastForward(now.Sub(last))
			last = now
		case <-d.closing:
			return
		}
	}
}

// cleanTimeout bounds the removal of the pool from a real server.
const cleanTimeout = 5 * time.Second

// close removes the pool and what was started for it.
func (d *demoPlace) close() error {
	defer d.Client.Close()
	if d.embedded != nil {
		close(d.closing)
		d.embedded.Close()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	return d.Remove(ctx)
}

// invite tells what can be tried from a second terminal.
func invite(w io.Writer, d *demoPlace) {
	self, err := os.Executable()
	if err != nil {
		self = "ltsworker"
	}
	fmt.Fprintf(w, `
Still running: Redis at %s, pool %s. From a second terminal:

  export LTS_REDIS=%s LTS_POOL=%s
  alias ltsworker=%s
  ltsworker stats
  ltsworker ls --limit 5
  ltsworker enqueue checksum '{"path":"/etc/hosts"}' --wait
  ltsworker tail

Ctrl-C ends it.
`, d.Address, d.Name, d.given, d.Name, self)
}
