package faultproxy

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/alicebob/miniredis/v2/proto"
)

// pair is one client's connection and its own to the server.
type pair struct {
	proxy          *Proxy
	client, server net.Conn
	gone           chan struct{}
	end            func()

	mu     sync.Mutex
	marker []byte // the answer that follows the broken call's; nil before
	drop   bool   // what comes before the marker is not passed on
}

// markers makes the proxy's own commands unlike any data.
var markers atomic.Int64

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		client.Close()
		return
	}
	c := &pair{proxy: p, client: client, server: server, gone: make(chan struct{})}
	c.end = sync.OnceFunc(func() {
		close(c.gone)
		// The server must find nothing half sent, the client an error at once.
		client.(*net.TCPConn).SetLinger(0)
		client.Close()
		server.Close()
	})
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		c.end()
		return
	}
	p.pairs[c] = struct{}{}
	p.mu.Unlock()

	var replies sync.WaitGroup
	replies.Go(c.replies)
	c.commands()
	replies.Wait()
	c.end()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

func (c *pair) reset() { c.end() }

// pass waits until bytes may pass and reports whether the pair is still there.
func (c *pair) pass() bool {
	select {
	case <-c.proxy.gate():
		return true
	case <-c.gone:
		return false
	}
}

// commands passes on what the client sends, command by command.
func (c *pair) commands() {
	r := bufio.NewReader(c.client)
	for {
		raw, err := proto.Read(r)
		if err != nil {
			// Only the client's end: it may be waiting for replies still.
			c.server.(*net.TCPConn).CloseWrite()
			return
		}
		s := c.proxy.count(scriptOf(raw))
		if !c.pass() {
			return
		}
		if s != nil {
			s.meanwhile()
			close(s.happened) // before the client can see it
			c.strike(s, raw)
			if s.fault != Nothing {
				return
			}
			continue
		}
		if _, err := io.WriteString(c.server, raw); err != nil {
			c.end()
			return
		}
	}
}

// strike does to the call what the strike says.
func (c *pair) strike(s *Strike, raw string) {
	switch s.fault {
	case Nothing:
		io.WriteString(c.server, raw)
	case ResetBefore:
		c.end()
	default:
		word := fmt.Sprintf("faultproxy-%d", markers.Add(1))
		c.mu.Lock()
		c.marker = fmt.Appendf(nil, "$%d\r\n%s\r\n", len(word), word)
		c.drop = s.fault == ReplyLost
		c.mu.Unlock()
		if _, err := io.WriteString(c.server, raw); err == nil {
			proto.Write(c.server, []string{"ECHO", word})
		}
		<-c.gone // the answer, or the server's end, ends the pair
	}
}

// replies passes on what the server sends, up to the answer behind a broken call.
func (c *pair) replies() {
	defer c.end()
	var kept []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buf)
		if n > 0 {
			if !c.pass() {
				return
			}
			c.mu.Lock()
			marker, drop := c.marker, c.drop
			c.mu.Unlock()
			out := buf[:n]
			if marker != nil {
				kept = append(kept, out...)
				out = nil
				if at := bytes.Index(kept, marker); at >= 0 {
					if !drop {
						c.client.Write(kept[:at])
					}
					return
				}
			}
			if _, err := c.client.Write(out); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// scriptOf is the hash of the script that the command calls, "" for another
// command.
func scriptOf(raw string) string {
	// Looked at first, because the words of other commands may be megabytes.
	if !strings.Contains(strings.ToUpper(raw[:min(len(raw), 32)]), "\r\nEVAL") {
		return ""
	}
	words, err := proto.ReadStrings(raw)
	if err != nil || len(words) < 2 {
		return ""
	}
	switch strings.ToUpper(words[0]) {
	case "EVALSHA":
		return words[1]
	case "EVAL":
		sum := sha1.Sum([]byte(words[1]))
		return hex.EncodeToString(sum[:])
	}
	return ""
}
