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

// pair is a client's connection to the proxy and the proxy's connection to the
// server.
type pair struct {
	proxy          *Proxy
	client, server net.Conn
	gone           chan struct{}
	end            func()

	mu     sync.Mutex
	marker []byte // the reply to the ECHO after the broken call; nil before it
	drop   bool   // the bytes before the marker are dropped
}

// markers makes the proxy's own commands different from any data.
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
		// The server must receive nothing partial, and the client must get an
		// error at once.
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

// pass waits until bytes may pass and reports whether the pair still exists.
func (c *pair) pass() bool {
	select {
	case <-c.proxy.gate():
		return true
	case <-c.gone:
		return false
	}
}

// commands passes on the client's commands, one by one.
func (c *pair) commands() {
	r := bufio.NewReader(c.client)
	for {
		raw, err := proto.Read(r)
		if err != nil {
			// Close only this direction: the client may still wait for replies.
			c.server.(*net.TCPConn).CloseWrite()
			return
		}
		s := c.proxy.count(scriptOf(raw))
		if !c.pass() {
			return
		}
		if s != nil {
			s.meanwhile()
			close(s.happened) // before the client can notice it
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

// strike breaks the call as the Strike defines.
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
		<-c.gone // the reply, or the end of the server, ends the pair
	}
}

// replies passes on the server's replies, up to the one after a broken call.
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

// scriptOf returns the hash of the script that the command calls, "" for
// another command.
func scriptOf(raw string) string {
	// This check comes first because the words of other commands may be
	// megabytes.
	if !strings.Contains(strings.ToUpper(raw[:min(len(raw), 32)]), "\r\nEVAL") {
		return ""
	}
	words, err := proto.ReadStrings(raw)
	if err != nil || len(words) < 2 {
		return ""
	}
	switch strings.ToUpper(words[0]) {
	case "EVALSHA", "EVALSHA_RO":
		return words[1]
	case "EVAL", "EVAL_RO":
		sum := sha1.Sum([]byte(words[1]))
		return hex.EncodeToString(sum[:])
	}
	return ""
}
