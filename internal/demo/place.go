package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
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
	// The embedded Redis is slow with large sorted sets and streams. So at most
	// embeddedWindow tasks are enqueued ahead of the work. embeddedEvents is far more
	// than the events of these tasks.
	embeddedWindow = 1000
	embeddedEvents = 20_000
)

// Place is the Redis and the pool of a demo.
type Place struct {
	*client.Client
	url       string // of the server, which may hold a password
	given     string // the value of --redis for a second command, quoted for a shell
	window    int    // tasks enqueued ahead of the work
	maxEvents int    // events kept; 0 for the pool's default
	embedded  *miniredis.Miniredis
	closing   chan struct{} // closed by Close
}

// OpenEmbedded starts a Redis inside this process. Its pool is named "demo".
func OpenEmbedded(ctx context.Context, log *slog.Logger) (*Place, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	c, err := client.Open(ctx, redisurl.FromOptions(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true}), "demo", log)
	if err != nil {
		m.Close()
		return nil, err
	}
	p := &Place{
		Client: c, url: "redis://" + m.Addr() + "/0", window: embeddedWindow, maxEvents: embeddedEvents,
		embedded: m, closing: make(chan struct{}),
	}
	p.given = p.url
	go p.expire()
	return p, nil
}

// OpenServer connects to a real server, to a pool with a random name that Close removes.
// url is the URL of at and may hold a password. given is the value that the user passed:
// a URL, or @FILE.
func OpenServer(ctx context.Context, at *redisurl.Target, url, given string, log *slog.Logger) (*Place, error) {
	c, err := client.Open(ctx, at, client.ThrowAwayName("demo"), log)
	if err != nil {
		return nil, err
	}
	return &Place{Client: c, url: url, given: givenAgain(given), window: math.MaxInt}, nil
}

// givenAgain returns the value of --redis as a word for a shell, for a second command.
// If it names a pipe, a description is returned: the pipe has been read, and its URL
// may hold a password.
func givenAgain(raw string) string {
	if name, ok := strings.CutPrefix(raw, "@"); ok {
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			raw = "the URL of " + name
		}
	}
	return terminal.ShellWord(raw)
}

// expire removes expired keys from the embedded Redis, which does not do that itself.
// Its option ClockTTL would check every key in every command.
func (p *Place) expire() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case now := <-tick.C:
			p.embedded.FastForward(now.Sub(last))
			last = now
		case <-p.closing:
			return
		}
	}
}

// removeTimeout bounds the removal of the pool from a real server.
const removeTimeout = 5 * time.Second

// Close removes the pool of a real server, or stops the embedded one, and closes the
// connection.
func (p *Place) Close() error {
	defer p.Client.Close()
	if p.embedded != nil {
		close(p.closing)
		p.embedded.Close()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	return p.Remove(ctx)
}

// invite prints commands to try from a second terminal.
func (p *Place) invite(w io.Writer) {
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
`, p.Address, p.Name, p.given, p.Name, self)
}
