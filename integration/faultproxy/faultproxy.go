// Package faultproxy is a proxy between clients and a redis-server that breaks
// their connections for a test: at the n-th call of one script, or all at once.
//
//	p := faultproxy.Start(t, server.Addr())
//	strike := p.Strike("enqueue", 1, faultproxy.ReplyLost)
//	// … a client of p.Addr() enqueues …
//	if !strike.Happened() { … }
//
// The proxy parses commands one by one, so that a fault breaks exactly one of a
// pipeline. It does not parse replies: it sends its own ECHO after the broken call
// and searches the server's replies for the echo.
package faultproxy

import (
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
)

// Fault is what happens to one call.
type Fault int

// The faults of a call.
const (
	// ReplyLost lets the server run the call, drops its reply and resets the
	// connection.
	ReplyLost Fault = iota
	// ResetBefore resets the connection before the server receives the call, or
	// any command after it in its pipeline.
	ResetBefore
	// ResetAfter resets the connection after the client has been sent the
	// reply.
	ResetAfter
	// Nothing lets the call pass. It is for StrikeMeanwhile.
	Nothing
)

func (f Fault) String() string {
	return [...]string{"reply lost", "reset before", "reset after", "nothing"}[f]
}

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	upstream string
	running  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	pairs    map[*pair]struct{}
	strikes  []*Strike
	flowing  chan struct{} // closed while bytes may pass
	accepted int
	commands int
	calls    map[string]int // by the script's hash
}

// Start starts a proxy to the server at upstream. The proxy ends with the test.
func Start(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal("faultproxy: ", err)
	}
	p := &Proxy{
		listener: l, upstream: upstream,
		pairs: map[*pair]struct{}{}, calls: map[string]int{}, flowing: make(chan struct{}),
	}
	close(p.flowing)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr returns the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.Reset()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.mu.Lock()
		p.accepted++
		p.mu.Unlock()
		p.running.Go(func() { p.serve(client) })
	}
}

// Strike is a fault that waits for its call.
type Strike struct {
	hash      string
	left      int // remaining calls, this one included
	fault     Fault
	meanwhile func()
	happened  chan struct{}
}

// Strike breaks the n-th call of the script from now on, counted from 1 over
// all connections. A call by a hash that the server does not know counts, and
// counts again when it is sent in full.
func (p *Proxy) Strike(script string, n int, f Fault) *Strike {
	return p.StrikeMeanwhile(script, n, f, func() {})
}

// StrikeMeanwhile is Strike with a function. The proxy calls meanwhile when the
// call has arrived, before it passes the call on.
func (p *Proxy) StrikeMeanwhile(script string, n int, f Fault, meanwhile func()) *Strike {
	s := &Strike{hash: hash(script), left: n, fault: f, meanwhile: meanwhile, happened: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strikes = append(p.strikes, s)
	return s
}

// Happened reports whether the call has arrived and was broken.
func (s *Strike) Happened() bool {
	select {
	case <-s.happened:
		return true
	default:
		return false
	}
}

// hash returns the hash by which a script is called after its first call.
func hash(script string) string { return redis.NewScript(lua.Source(script)).Hash() }

// Silence lets nothing pass in either direction until resume is called. New
// connections are accepted. Data that a client sent before it gave up arrives
// late.
func (p *Proxy) Silence() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gate := make(chan struct{})
	p.flowing = gate
	return sync.OnceFunc(func() { close(gate) })
}

func (p *Proxy) gate() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flowing
}

// Reset resets all connections. New ones work at once.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
}

// Calls returns how many calls of the script have arrived so far.
func (p *Proxy) Calls(script string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[hash(script)]
}

// Attempts returns how many connections were opened and commands sent so far,
// whether or not they reached the server.
func (p *Proxy) Attempts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted + p.commands
}

// count counts a command and returns the strike for it, if any.
func (p *Proxy) count(script string) *Strike {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands++
	if script == "" {
		return nil
	}
	p.calls[script]++
	for i, s := range p.strikes {
		if s.hash != script {
			continue
		}
		if s.left--; s.left == 0 {
			p.strikes = append(p.strikes[:i:i], p.strikes[i+1:]...)
			return s
		}
	}
	return nil
}
