package pooltest

import (
	"net"
	"sync"
)

// conn is a client's end of a connection to the emulated Redis. Its writes do not wait
// for the server: a pipe in memory has no buffer, so client and server would block each
// other in a long pipeline.
type conn struct {
	net.Conn
	clock *clock

	mu     sync.Mutex
	filled *sync.Cond
	out    []byte
	err    error // set when nothing more is sent
}

func newConn(c net.Conn, clk *clock) *conn {
	w := &conn{Conn: c, clock: clk}
	w.filled = sync.NewCond(&w.mu)
	go w.send()
	return w
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.out = append(c.out, b...)
	c.filled.Signal()
	return len(b), nil
}

func (c *conn) Close() error {
	c.stop(net.ErrClosed)
	return c.Conn.Close()
}

func (c *conn) stop(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.filled.Signal()
}

// send writes the buffered bytes to the server and sets its time before each write.
func (c *conn) send() {
	for {
		c.mu.Lock()
		for len(c.out) == 0 && c.err == nil {
			c.filled.Wait()
		}
		b, err := c.out, c.err
		c.out = nil
		c.mu.Unlock()
		if err != nil {
			return
		}
		c.clock.sync()
		if _, err := c.Conn.Write(b); err != nil {
			c.stop(err)
			return
		}
	}
}
