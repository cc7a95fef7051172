package drive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
)

// conn is a connection to Redis with one request in flight. A request is written argument by
// argument into one buffer and sent at once.
type conn struct {
	net.Conn
	r    *bufio.Reader
	out  []byte // headRoom bytes, then the arguments
	args int
}

// headRoom is the space that begin reserves for the head of a request. The head has the number of
// arguments, which is known only at the end of the request.
const headRoom = 16

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 1<<16)}, nil
}

func (c *conn) begin() {
	c.out = slices.Grow(c.out[:0], headRoom)[:headRoom]
	c.args = 0
}

// push adds an argument to a request.
func push[T string | []byte](c *conn, arg T) {
	c.out = append(c.out, '$')
	c.out = strconv.AppendInt(c.out, int64(len(arg)), 10)
	c.out = append(c.out, "\r\n"...)
	c.out = append(c.out, arg...)
	c.out = append(c.out, "\r\n"...)
	c.args++
}

func pushAll(c *conn, args ...string) {
	for _, a := range args {
		push(c, a)
	}
}

func pushInt(c *conn, n int64) {
	var digits [20]byte
	push(c, strconv.AppendInt(digits[:0], n, 10))
}

func (c *conn) send() error {
	var room [headRoom]byte
	head := append(strconv.AppendInt(append(room[:0], '*'), int64(c.args), 10), "\r\n"...)
	from := headRoom - len(head)
	copy(c.out[from:], head)
	_, err := c.Write(c.out[from:])
	return err
}

// next reads the head of a value: its type and its number or length. An error
// reply is returned as an error.
func (c *conn) next() (kind byte, n int64, err error) {
	l, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(l) < 3 {
		return 0, 0, fmt.Errorf("the reply %q is not RESP", l)
	}
	text := l[1 : len(l)-2]
	switch l[0] {
	case '-':
		return 0, 0, errors.New(string(text))
	case '+':
		return '+', 0, nil
	}
	n, err = strconv.ParseInt(string(text), 10, 64)
	return l[0], n, err
}

// array reads the head of an array and returns its length.
func (c *conn) array() (int64, error) {
	kind, n, err := c.next()
	if err == nil && kind != '*' {
		err = fmt.Errorf("the reply has a %q, not an array", kind)
	}
	return n, err
}

// integer reads an integer, from an integer reply or a string.
func (c *conn) integer() (int64, error) {
	kind, n, err := c.next()
	if err != nil || kind == ':' {
		return n, err
	}
	text, err := c.body(nil, kind, n)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// bulk reads a string into buf and overwrites it.
func (c *conn) bulk(buf []byte) ([]byte, error) {
	kind, n, err := c.next()
	if err != nil {
		return buf, err
	}
	return c.body(buf, kind, n)
}

func (c *conn) body(buf []byte, kind byte, n int64) ([]byte, error) {
	if kind != '$' || n < 0 {
		return buf, fmt.Errorf("the reply has %q %d, not a string", kind, n)
	}
	buf = slices.Grow(buf[:0], int(n))[:n]
	if _, err := io.ReadFull(c.r, buf); err != nil {
		return buf, err
	}
	_, err := c.r.Discard(2)
	return buf, err
}

// skip reads a value of any type.
func (c *conn) skip() error {
	kind, n, err := c.next()
	if err != nil {
		return err
	}
	switch kind {
	case '$':
		if n >= 0 {
			_, err = c.r.Discard(int(n) + 2)
		}
	case '*':
		for range n {
			if err := c.skip(); err != nil {
				return err
			}
		}
	}
	return err
}
